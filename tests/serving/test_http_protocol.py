"""What is no HTTP is refused in our shape; heads and unread answers are bounded."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

import serving.http_protocol as module
from data_schemas.prediction import ErrorBody
from serving.failures import refusal
from serving.http_protocol import (
    MAXIMUM_HEAD_BYTES,
    BoundedProtocol,
    bound_http,
    refuse_while_much_is_unread,
)
from serving.requests import RequestError

HOST = b"Host: 127.0.0.1\r\n"
ANSWER_BYTES = 8 * 2**20
SECURITY = {
    "x-content-type-options", "x-frame-options", "referrer-policy", "cache-control",
    "content-security-policy", "x-request-id", "connection",
}  # fmt: skip


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at length, where not too much is unread, and echo what is posted."""
    request = Request(scope, receive)
    body = await request.body()
    try:
        if scope["path"] == "/long":
            refuse_while_much_is_unread()
            body = b" " * ANSWER_BYTES
        await Response(body)(scope, receive, send)
    except RequestError as error:
        await refusal(error)(scope, receive, send)


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    config, state = uvicorn.Config(application, ws="none", log_config=None), ServerState()
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()


def with_server(talk: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        async with listening() as port:
            await asyncio.wait_for(talk(port), 30)

    asyncio.run(run())


async def answer_to(port: int, *parts: bytes) -> bytes:
    """Return all that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.01)
    try:
        return await reader.read()
    finally:
        writer.close()


def error_of(answer: bytes, status: int) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    names = {line.partition(":")[0] for line in lines}
    assert int(first.split()[1]) == status
    assert names >= SECURITY
    return ErrorBody.model_validate_json(body).error.code


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 a TLS hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Planted: 61.8034\x00\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n61.8034\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_our_shape(sent: bytes) -> None:
    async def talk(port: int) -> None:
        answer = await answer_to(port, sent)
        assert error_of(answer, 400) == "malformed_http"
        assert b"61.8034" not in answer

    with_server(talk)


def test_sound_requests_follow_each_other_on_one_connection() -> None:
    async def talk(port: int) -> None:
        one = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
        last = one.replace(b"Host", b"Connection: close\r\nHost")
        answer = await answer_to(port, one, one[:20], one[20:], last)
        assert answer.count(b"200 OK") == answer.count(b"\r\n\r\nabc") == 3

    with_server(talk)


def in_bytes(sent: bytes) -> list[bytes]:
    return [sent[place : place + 1] for place in range(len(sent))]


@pytest.mark.parametrize("cut", ["whole", "before the body", "byte by byte"])
@pytest.mark.parametrize("framed", ["length", "chunks"])
def test_an_offer_of_another_protocol_is_ignored_and_not_its_body(cut: str, framed: str) -> None:
    """Java's client offers HTTP/2 with each first request."""
    body = b"GET /smuggled HTTP/1.1\r\n\r\n"
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    size = b"Content-Length: %d\r\n\r\n" % len(body)
    sent = body
    if framed == "chunks":
        size = b"Transfer-Encoding: chunked\r\n\r\n"
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    head = b"POST /echo HTTP/1.1\r\n" + HOST + offer + size
    last = b"POST /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 3\r\n\r\nend"
    parts = {
        "whole": [head + sent + last],
        "before the body": [head, sent, last],
        "byte by byte": [*in_bytes(head + sent), last],
    }[cut]

    async def talk(port: int) -> None:
        answer = await answer_to(port, *parts)
        assert answer.count(b"200 OK") == 2
        assert [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 ")[1:]] == [
            body, b"end",
        ]  # fmt: skip

    with_server(talk)


def test_what_follows_a_request_without_a_body_that_offers_is_answered_too() -> None:
    async def talk(port: int) -> None:
        offer = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        first = b"GET / HTTP/1.1\r\n" + HOST + offer + b"\r\n"
        last = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        assert (await answer_to(port, first + first + last)).count(b"200 OK") == 3

    with_server(talk)


def test_to_connect_to_elsewhere_is_refused() -> None:
    async def talk(port: int) -> None:
        sent = b"CONNECT example.org:443 HTTP/1.1\r\n" + HOST + b"\r\n"
        assert error_of(await answer_to(port, sent), 400) == "malformed_http"

    with_server(talk)


def test_a_good_request_is_answered_whatever_comes_behind_it() -> None:
    async def talk(port: int) -> None:
        one = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
        answer = await answer_to(port, one + one + b"61.8034\r\n\r\n")
        assert answer.count(b"200 OK") == answer.count(b"\r\n\r\nabc") == 2
        assert b"malformed" not in answer

    with_server(talk)


def test_who_sends_no_more_is_answered_still() -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc")
        writer.write_eof()
        assert (await reader.read()).endswith(b"\r\n\r\nabc")
        writer.close()

    with_server(talk)


def test_a_head_has_an_end_in_one_piece_too() -> None:
    async def talk(port: int) -> None:
        start = b"GET / HTTP/1.1\r\n" + HOST
        longer = b"planted: " + b"a" * (MAXIMUM_HEAD_BYTES + 5_000)
        answer = await answer_to(port, start + longer + b"\r\n\r\n")
        assert error_of(answer, 431) == "headers_too_large"

    with_server(talk)


@pytest.mark.parametrize("line", [b"a" * 8192, b"x: y\r\n" * 1365])
def test_a_head_has_an_end(line: bytes) -> None:
    """Whether it is one header that goes on and on, or many."""

    async def talk(port: int) -> None:
        n = MAXIMUM_HEAD_BYTES // len(line)
        start = b"GET / HTTP/1.1\r\n" + HOST + b"planted: "
        assert error_of(await answer_to(port, start, *[line] * n), 431) == "headers_too_large"

    with_server(talk)


@pytest.mark.parametrize(
    ("begin", "more"), [(b"", b""), (b"", b"\r\n"), (b"GET / HTTP/1.1\r\n" + HOST, b"x")]
)
def test_a_head_must_arrive_in_time(
    monkeypatch: pytest.MonkeyPatch, begin: bytes, more: bytes
) -> None:
    """However often a little more of it comes."""
    monkeypatch.setattr(module, "SECONDS_FOR_HEAD", 0.2)

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def trickle() -> None:
            writer.write(begin)
            while True:
                writer.write(more)
                await asyncio.sleep(0.05)

        trickling = asyncio.ensure_future(trickle())
        async with asyncio.timeout(2):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        trickling.cancel()
        writer.close()

    with_server(talk)


def reading_nothing(port: int) -> socket.socket:
    """Ask for a long answer, and do not read it."""
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    caller.connect(("127.0.0.1", port))
    caller.sendall(b"GET /long HTTP/1.1\r\n" + HOST + b"\r\n")
    caller.setblocking(False)
    return caller


def test_answers_that_nobody_reads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in time; the machine itself holds a part of each."""
    monkeypatch.setattr(module, "MAXIMUM_UNREAD_BYTES", ANSWER_BYTES)
    monkeypatch.setattr(module, "SECONDS_WITHOUT_READING", 0.5)

    async def talk(port: int) -> None:
        callers = []
        for _ in range(4):
            callers.append(reading_nothing(port))
            await asyncio.sleep(0.05)
        asked = b"GET /long HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
        refused = await answer_to(port, asked)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in refused
        assert b'"code":"answers_unread"' in refused
        short = b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
        assert b"200 OK" in await answer_to(port, short)
        await asyncio.sleep(1.2)
        assert module._Unread.n_bytes == 0
        assert len(await answer_to(port, asked)) > ANSWER_BYTES
        for caller in callers:
            caller.close()

    with_server(talk)


def test_who_reads_slowly_but_reads_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_WITHOUT_READING", 0.5)

    async def talk(port: int) -> None:
        caller, read = reading_nothing(port), 0
        loop = asyncio.get_running_loop()
        while read < ANSWER_BYTES:
            read += len(await loop.sock_recv(caller, 2**16))
            await asyncio.sleep(0.01)
        caller.close()
        await asyncio.sleep(0.05)
        assert module._Unread.n_bytes == 0

    with_server(talk)


def test_uvicorn_takes_it_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As BentoML starts it."""
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", "")
    monkeypatch.setitem(uvicorn.config.WS_PROTOCOLS, "auto", "")
    bound_http()
    config = uvicorn.Config(application, log_config=None)
    config.load()
    assert config.http_protocol_class is BoundedProtocol
    assert config.ws_protocol_class is None
