"""Slow senders and slow answers are ended; slow readers are not."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from served_models import ask
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data_schemas.prediction import ErrorBody
from serving.failures import add_error_handlers
from serving.time_limit import TimeLimited

LIMIT_SECONDS = 0.15


@pytest.fixture
def app() -> ASGIApp:
    slow = FastAPI()
    add_error_handlers(slow)

    @slow.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @slow.get("/slow")
    async def answer_late() -> None:
        await asyncio.sleep(30)

    @slow.get("/own")
    async def own_timeout() -> None:
        raise TimeoutError

    @slow.get("/stream")
    async def stream() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(4):
                yield b"x"
                await asyncio.sleep(LIMIT_SECONDS / 2)

        return StreamingResponse(body())

    return TimeLimited(slow, LIMIT_SECONDS)


def error_of(response: Any, status: int) -> str:
    assert response.status_code == status
    assert response.headers["connection"] == "close"
    return ErrorBody.model_validate_json(response.content).error.code


def test_a_body_that_trickles_in_is_a_408(app: ASGIApp, caplog: pytest.LogCaptureFixture) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    with caplog.at_level(logging.ERROR):
        assert error_of(ask(app, "POST", "/echo", trickle()), 408) == "request_timeout"
    assert not caplog.records


def test_an_answer_that_is_not_ready_is_a_503(app: ASGIApp) -> None:
    assert error_of(ask(app, "GET", "/slow"), 503) == "timed_out"


def test_what_is_in_time_is_answered(app: ASGIApp) -> None:
    assert ask(app, "POST", "/echo", b"1234").json() == 4


def test_an_answer_that_has_begun_may_take_its_time(app: ASGIApp) -> None:
    assert ask(app, "GET", "/stream").content == b"xxxx"


def test_a_timeout_of_our_own_is_a_fault_as_any_other(app: ASGIApp) -> None:
    assert ask(app, "GET", "/own").status_code == 500


async def nothing() -> Message:
    return {"type": "http.disconnect"}


async def sleeping(_: Scope, __: Receive, ___: Send) -> None:
    await asyncio.sleep(30)


async def obstinate(_: Scope, __: Receive, ___: Send) -> None:
    """Overlook that its time is over, as a library may."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(30)


async def beginning_too_late(_: Scope, __: Receive, send: Send) -> None:
    try:
        await asyncio.sleep(30)
    finally:
        await send({"type": "http.response.start", "status": 200, "headers": []})


class Served:
    """One request in a task of its own, and what was sent for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.sent: list[Message] = []
        self.cancellations = 0
        self.task = asyncio.create_task(self._serve(TimeLimited(app, LIMIT_SECONDS)))

    async def _serve(self, app: ASGIApp) -> None:
        async def send(message: Message) -> None:
            self.sent.append(message)

        await app({"type": "http", "path": "/"}, nothing, send)
        self.cancellations = self.task.cancelling()


@pytest.mark.parametrize("app", [sleeping, obstinate])
def test_a_request_whose_time_was_over_leaves_no_cancellation_behind(app: ASGIApp) -> None:
    async def run() -> int:
        served = Served(app)
        await served.task
        return served.cancellations

    assert asyncio.run(run()) == 0


def test_an_answer_that_begins_when_its_time_is_over_is_a_fault() -> None:
    async def run() -> list[Message]:
        served = Served(beginning_too_late)
        with pytest.raises(RuntimeError):
            await served.task
        return served.sent

    assert asyncio.run(run()) == []


async def cancelled(_: Scope, __: Receive, ___: Send) -> None:
    asyncio.get_running_loop().call_soon(own_task().cancel)
    await asyncio.sleep(30)


async def cancelled_with_its_time(_: Scope, __: Receive, ___: Send) -> None:
    asyncio.get_running_loop().call_later(LIMIT_SECONDS, own_task().cancel)
    # Both clocks have run out when the event loop has its next turn.
    time.sleep(LIMIT_SECONDS + 0.05)
    await asyncio.sleep(30)


def own_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


@pytest.mark.parametrize("app", [cancelled, cancelled_with_its_time])
def test_a_request_that_another_cancels_is_cancelled(app: ASGIApp) -> None:
    async def run() -> list[Message]:
        served = Served(app)
        with pytest.raises(asyncio.CancelledError):
            await served.task
        return served.sent

    assert asyncio.run(run()) == []
