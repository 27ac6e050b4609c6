"""Our own faults become a 500 in the common shape, and no log holds what was sent."""

import logging

import pytest
from fastapi import FastAPI, Request
from served_models import ask
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from data_schemas.prediction import ErrorBody
from serving.failures import add_error_handlers

PLANTED = "61.8034"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    faulty = FastAPI()
    add_error_handlers(faulty)

    @faulty.get("/fault")
    async def fault() -> None:
        raise ValueError(f"could not convert {PLANTED}")

    @faulty.get("/hangup")
    async def hangup() -> None:
        raise ClientDisconnect

    @faulty.get("/late")
    async def late() -> StreamingResponse:
        async def body() -> object:
            yield b"begun"
            raise ValueError(PLANTED)

        return StreamingResponse(body())  # type: ignore[arg-type]

    @faulty.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    return faulty


def test_a_fault_is_a_shaped_500_and_says_where_but_not_what(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        response = ask(app, "GET", "/fault")
    assert response.status_code == 500
    assert ErrorBody.model_validate_json(response.content).error.code == "internal_error"
    [entry] = [each for each in caplog.records if each.name == "tms_response.serving"]
    assert "ValueError at" in entry.getMessage()
    assert "test_failures.py" in entry.getMessage()
    assert PLANTED not in caplog.text + response.text


def test_a_client_that_hangs_up_is_no_fault(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(AssertionError):
        # There is nobody to answer, so the transport of the test sees no response.
        ask(app, "GET", "/hangup")
    assert "hung up" in caplog.text
    assert "ERROR" not in caplog.text


def test_a_fault_after_the_first_byte_is_logged_and_not_answered_twice(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(AssertionError):
        ask(app, "GET", "/late")
    assert "Request failed" in caplog.text
    assert PLANTED not in caplog.text


def test_what_works_is_left_alone(app: FastAPI) -> None:
    assert ask(app, "POST", "/echo", b"four").json() == 4
