"""Many HTTP connections from one process, some of them slow, with little work for each."""

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_SMALL_BUFFER_BYTES = 4096


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: bytes

    @property
    def content(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Connection:
    """One connection that is kept, and opened again after it broke.

    Parameters
    ----------
    port : int
        On this machine.
    slow_seconds : float
        Pause before each small piece of an answer; the machine's own buffers are made small too,
        so that the server cannot be rid of the answer at once.
    """

    port: int
    slow_seconds: float = 0.0
    _streams: "tuple[asyncio.StreamReader, asyncio.StreamWriter] | None" = field(default=None)

    async def ask(
        self, path: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
    ) -> Reply:
        """Send one request and read its answer; raises OSError or EOFError where it breaks."""
        reader, writer = await self._open()
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            answer = await self._read(reader, length)
        except BaseException:
            self.close()
            raise
        if "\r\nconnection: close" in head:
            self.close()
        return Reply(int(head.split(" ", 2)[1]), answer)

    async def _open(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
        if self._streams is None:
            plain = socket.socket()
            if self.slow_seconds:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
            plain.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self.port))
            except BaseException:
                plain.close()
                raise
            self._streams = await asyncio.open_connection(sock=plain, limit=2**16)
        return self._streams

    async def _read(self, reader: asyncio.StreamReader, length: int) -> bytes:
        if not self.slow_seconds:
            return await reader.readexactly(length)
        answer = b""
        while len(answer) < length:
            await asyncio.sleep(self.slow_seconds)
            piece = await reader.read(min(_SMALL_BUFFER_BYTES, length - len(answer)))
            if not piece:
                raise EOFError("the answer was cut off")
            answer += piece
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
