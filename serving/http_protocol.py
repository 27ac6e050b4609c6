"""HTTP itself, as uvicorn reads it, with bounds, and with refusals in our shape.

What is here stands before the access check. uvicorn alone reads a head of any length for any time,
keeps an answer for as long as its reader pleases, and refuses what is no HTTP without our headers.
"""

import asyncio
import logging
import socket
from typing import Any, Final

import httptools
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


class _Parser(httptools.HttpRequestParser):
    """Reads a request that offers another protocol, such as HTTP/2, as any other.

    The offer may be ignored (RFC 9110, 7.8), and most clients that make it expect no more.
    httptools stops after the head, as if another protocol followed; the body would be the next
    request.
    """

    def __init__(self, protocol: "BoundedProtocol") -> None:
        super().__init__(protocol)
        # As uvicorn sets its own, so that what follows a last request is ignored.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._protocol = protocol

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        while True:
            try:
                super().feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                # The same head again, without the offer; now comes the body.
                data = self._protocol.head_without_offer() + data[offer.args[0] :]
            else:
                return


def _head_too_large() -> RequestError:
    message = f"The headers may hold at most {MAXIMUM_HEAD_BYTES} bytes; send less."
    return RequestError(431, "headers_too_large", message)


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    It is closed when the head of a request does not arrive in `SECONDS_FOR_HEAD`, and cut off when
    nothing of an answer is read for `SECONDS_WITHOUT_READING`.
    """

    _head: object = None
    _head_bytes = _read_bytes = 0
    _fault: RequestError | None = None
    _head_until = 0.0
    _unread = _left = 0
    _look: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)

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
        self._read_bytes = len(data)
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
            self._refuse(_head_too_large())
        else:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Begin a request, unless its head is to be read again without an offer."""
        if self._read_bytes > MAXIMUM_HEAD_BYTES and self._head_size() > MAXIMUM_HEAD_BYTES:
            self._fault = _head_too_large()
            raise self._fault
        if not self._is_to_be_read_again():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request, as above."""
        if not self._is_to_be_read_again():
            super().on_message_complete()

    def _is_to_be_read_again(self) -> bool:
        # To connect to elsewhere is no offer but the request itself, and not for us.
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def head_without_offer(self) -> bytes:
        """Return the head of the last request without its header `Upgrade`."""
        version = self.parser.get_http_version().encode()
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        lines = [b"%b: %b\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        return first + b"".join(lines) + b"\r\n"

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the last request of a client that sends no more; hang up where there is none."""
        if self._is_answering():
            self.cycle.keep_alive = False
            return True
        # Here and not by the event loop, which knows nothing of what is to be written yet.
        self.transport.close()
        return False

    def _is_answering(self) -> bool:
        """Return whether a request has come whole, and its answer has not gone out."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _wait_for_head(self) -> None:
        # uvicorn's own timer between two requests, which it cancels when anything arrives.
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(
            self._head_until, self.timeout_keep_alive_handler
        )

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuse what cannot be read."""
        message = "What was sent is not a valid request of HTTP/1.1."
        self._refuse(self._fault or RequestError(400, "malformed_http", message))

    def _refuse(self, error: RequestError) -> None:
        if self._is_answering():
            # What came behind a good request must not be answered in its place.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
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
