"""Clients that ask a server again and again, each one request at a time, over kept connections.

The client parses no more of an answer than its status and length, so that it costs each server the
same; it runs in the process that calls it, on the same cores as the server.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import cast

import numpy as np
import uvloop


@dataclass(frozen=True)
class Load:
    """What some clients saw together.

    Attributes
    ----------
    requests_a_second : float
    p50_ms, p99_ms : float
        Time to the last byte of an answer.
    requests : int
        Answered in all, while warming up too.
    """

    requests_a_second: float
    p50_ms: float
    p99_ms: float
    requests: int


class _Client(asyncio.Protocol):
    """One connection, which sends the next request when the last one is answered."""

    def __init__(self, request: bytes, taken: list[float]) -> None:
        self._request, self._taken = request, taken
        self._buffer = bytearray()
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._started = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not _is_complete(self._buffer):
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            first_line = bytes(self._buffer.partition(b"\r\n")[0])
            self.closed.set_exception(RuntimeError(f"the server answered {first_line!r}"))
            self.transport.close()
            return
        self._buffer.clear()
        self._taken.append(time.perf_counter() - self._started)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(exc)


def _is_complete(answer: bytearray) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in bytes(head).lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"0\r\n\r\n")


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return the bytes of a POST request of JSON that keeps its connection."""
    lines = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
        f"Content-Length: {len(body)}", *headers, "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + body


async def _ask(
    port: int, request: bytes, n_clients: int, seconds: float
) -> tuple[int, list[float]]:
    taken: list[float] = []
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(request, taken), "127.0.0.1", port))[1]
        for _ in range(n_clients)
    ]
    await asyncio.sleep(seconds / 5)
    n_warming = len(taken)
    taken.clear()
    await asyncio.wait([each.closed for each in clients], timeout=seconds)
    found = taken.copy()
    for each in clients:
        if each.closed.done():
            each.closed.result()
        each.transport.abort()
    return n_warming, found


def ask(port: int, request: bytes, *, n_clients: int, seconds: float) -> Load:
    """Ask a server on this machine for some time, after a fifth of it to warm up.

    Raises
    ------
    RuntimeError
        When an answer is not 200, or there is none at all.
    """
    n_warming, taken = uvloop.run(_ask(port, request, n_clients, seconds))
    if not taken:
        raise RuntimeError("the server answered nothing in time")
    p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
    return Load(len(taken) / seconds, float(p50), float(p99), n_warming + len(taken))
