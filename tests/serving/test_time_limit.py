"""Slow senders and slow answers are ended; slow readers are not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from served_models import ask
from starlette.types import ASGIApp

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
