"""HTTP itself, as uvicorn reads it, with bounds, and with refusals in our shape.

What is here stands before the access check. uvicorn alone reads a head of any length for any time,
keeps an answer for as long as its reader pleases, and refuses what is no HTTP without our headers.
"""

import asyncio
import logging
import socket
from typing import Any, Final

from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.failures import refusal
from serving.front import completed_headers, new_request_id
from serving.gathered_writes import GatheredWrites
from serving.requests import RequestError

logger = logging.getLogger("tms_response.serving")

# Choices. A head is a key or a token (8 kB at most) and little else, and nginx lets 32 kB through.
MAXIMUM_HEAD_BYTES: Final = 64 * 1024
MAXIMUM_UNREAD_BYTES: Final = 32 * 1024 * 1024
SECONDS_FOR_HEAD: Final = 30.0
# Linux would take megabytes of an answer, and more only when a third of that is read: neither how
# much is unread nor whether its reader goes on could be seen.
_SEND_BUFFER_BYTES: Final = 256 * 1024
SECONDS_WITHOUT_READING: Final = 60.0


class _Unread:
    """How much of this worker's memory waits for readers; changed by its event loop alone."""

    n_bytes = 0


def refuse_while_much_is_unread() -> None:
    """Refuse to make a long answer while those that wait for their readers fill the memory.

    Raises
    ------
    RequestError
        503 where they hold more than `MAXIMUM_UNREAD_BYTES`.
    """
    if _Unread.n_bytes > MAXIMUM_UNREAD_BYTES:
        message = "Too many long answers wait to be read; read them, and ask again."
        raise RequestError(503, "answers_unread", message, retry_after=1)


def bound_http() -> None:
    """Let uvicorn, which BentoML starts with its defaults, speak `BoundedProtocol` and no other."""
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedProtocol.__name__}"
    # Nobody is answered by web socket, so that asking for one is an ordinary request.
    WS_PROTOCOLS["auto"] = None


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    It is closed when the head of a request does not arrive in `SECONDS_FOR_HEAD`, and cut off when
    nothing of an answer is read for `SECONDS_WITHOUT_READING`.
    """

    _head: object = None
    _head_bytes = 0
    _head_until = 0.0
    _unread = _left = 0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        gathered: Any = GatheredWrites(transport, self.loop)
        super().connection_made(gathered)
        plain = transport.get_extra_info("socket")
        if plain is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._head_until = self.loop.time() + SECONDS_FOR_HEAD
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Read on, and note how long the head is in coming."""
        super().data_received(data)
        # Of no type until the head is whole: only then it has a path.
        scope: Any = self.scope
        if (scope is not None and "path" in scope) or self.transport.is_closing():
            return
        if scope is not self._head:
            self._head, self._head_bytes = scope, 0
            self._head_until = self.loop.time() + SECONDS_FOR_HEAD
        self._head_bytes += len(data)
        if self._head_bytes > MAXIMUM_HEAD_BYTES:
            message = f"The headers may hold at most {MAXIMUM_HEAD_BYTES} bytes; send less."
            self._refuse(RequestError(431, "headers_too_large", message))
        else:
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        # uvicorn's own timer between two requests, which it cancels when anything arrives.
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(
            self._head_until, self.timeout_keep_alive_handler
        )

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuse what cannot be read."""
        message = "What was sent is not a valid request of HTTP/1.1."
        self._refuse(RequestError(400, "malformed_http", message))

    def _refuse(self, error: RequestError) -> None:
        begun = self.cycle is not None and self.cycle.response_started
        if not (begun and not self.cycle.response_complete):
            response = refusal(error)
            headers = completed_headers(response.raw_headers, new_request_id(), error.status)
            lines = [*self.server_state.default_headers, *headers, (b"connection", b"close")]
            head = b"".join(b"%b: %b\r\n" % line for line in lines)
            self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + response.body)
        # In the middle of an answer there is no place for another.
        self.transport.close()

    def pause_writing(self) -> None:
        """Note that an answer waits for its reader."""
        super().pause_writing()
        self._unread = self._left = self.transport.get_write_buffer_size()
        _Unread.n_bytes += self._unread
        self._look_later()

    def resume_writing(self) -> None:
        """Note that it is read."""
        super().resume_writing()
        self._forget_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nobody will read it."""
        super().connection_lost(exc)
        self._forget_reader()

    def _forget_reader(self) -> None:
        _Unread.n_bytes -= self._unread
        self._unread = 0
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _look_later(self) -> None:
        self._look = self.loop.call_later(SECONDS_WITHOUT_READING, self._look_at_reader)

    def _look_at_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left < self._left:
            self._left = left
            self._look_later()
            return
        logger.warning("An answer was not read on, and its connection was cut off.")
        self.transport.abort()
