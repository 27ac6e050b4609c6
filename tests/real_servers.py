"""Starting real servers on free loopback ports, for the system tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from serving.access.keys import new_key
from serving.predictor import ResponsePredictor
from serving.settings import KEYS_VARIABLE, LEDGER_VARIABLE, OUTBOX_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
_START = (
    "import sys; from serving.start import serve; "
    "serve(sys.argv[1], port=int(sys.argv[2]), workers=int(sys.argv[3]))"
)


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


@dataclass(frozen=True)
class Service:
    """A service with keys and a ledger, of several processes.

    Attributes
    ----------
    process : Popen
        That starts the workers.
    port : int
        On 127.0.0.1.
    home : Path
        Of its model, keys and log.
    ledger : str
        Address of its ledger.
    headers : dict
        Of a request with a key.
    """

    process: "subprocess.Popen[bytes]"
    port: int
    home: Path
    ledger: str
    headers: dict[str, str]

    @property
    def log(self) -> str:
        """What it has logged until now."""
        return (self.home / "log").read_text("utf-8")

    def workers(self) -> list[int]:
        """Return the processes that answer."""
        return [each for each in _processes() if self._has_started(each)]

    def take_model(self, predictor: ResponsePredictor) -> None:
        """Let another model answer; the workers notice in their own time."""
        predictor.save(self.home / "second")
        (self.home / "link").symlink_to("second")
        (self.home / "link").replace(self.home / "model")

    def ready_workers(self, client: httpx.Client) -> float:
        """Return how many workers have their model."""
        lines = client.get("/metrics", headers=self.headers).text.splitlines()
        counts = [line for line in lines if line.startswith("tms_response_model{")]
        return sum(float(line.rpartition(" ")[2]) for line in counts)

    def _has_started(self, process: int) -> bool:
        environment = _content_of(process, "environ")
        return str(self.home / "keys.jsonl").encode() in environment and (
            b"_bentoml_impl.worker" in _content_of(process, "cmdline")
        )


@contextmanager
def running_service(
    predictor: ResponsePredictor,
    home: Path,
    ledger: str,
    workers: int = 2,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Start a service on a model, and end it; what it is asked must end first."""
    predictor.save(home / "first")
    (home / "model").symlink_to("first")
    port, key = free_port(), new_key(home / "keys.jsonl", ["predict"])
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), KEYS_VARIABLE: str(home / "keys.jsonl"),
        LEDGER_VARIABLE: ledger, OUTBOX_VARIABLE: str(home / "outbox.db"), **(settings or {}),
    }  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(home / "model"), str(port), str(workers)],
            cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    service = Service(process, port, home, ledger, headers)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            wait_until_ready(process, client)
            until = time.monotonic() + 60
            while service.ready_workers(client) < workers:
                assert time.monotonic() < until, "not all workers came"
                time.sleep(0.1)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def resident_megabytes(process: int) -> float:
    """Return how much memory a process holds; 0 where there is none."""
    for line in _content_of(process, "status").decode().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").glob("[0-9]*")]


def _content_of(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""
