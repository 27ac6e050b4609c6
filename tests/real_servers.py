"""Starting real servers on free loopback ports, for the system tests."""

import socket
import subprocess
import time

import httpx
import pytest


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_until_ready(process: subprocess.Popen[bytes], client: httpx.Client) -> None:
    """Wait until a server answers `/readyz`; fail when it ends or takes too long."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        assert process.poll() is None, "the service ended"
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the service did not become ready")
