"""Long bodies are bounded together, and short ones are never refused for them."""

import asyncio

import pytest
from served_models import ask
from starlette.types import Message, Receive, Scope, Send

import serving.held_bodies as module
from serving.app import create_app
from serving.held_bodies import SHORT_BYTES, BoundedBodies
from serving.predictor import ResponsePredictor
from serving.requests import RequestError

LONG = SHORT_BYTES + 1


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXIMUM_HELD_BYTES", 2 * LONG)


class Reading:
    """An application that reads a body, and answers when it is told to."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.n_read = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        while (await receive())["more_body"]:
            pass
        self.n_read += 1
        await self.may_end.wait()


def sent(bounded: BoundedBodies, size: int) -> "asyncio.Task[None]":
    """Send a body in two pieces."""
    pieces = [size // 2, size - size // 2]

    async def receive() -> Message:
        body = b" " * pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    return asyncio.ensure_future(bounded({"type": "http"}, receive, send))


def test_what_is_held_is_bounded_until_it_is_answered() -> None:
    async def run() -> None:
        app = Reading()
        bounded = BoundedBodies(app)
        waiting = [sent(bounded, LONG), sent(bounded, LONG)]
        await asyncio.sleep(0)
        assert app.n_read == 2
        with pytest.raises(RequestError) as refused:
            await sent(bounded, LONG)
        assert (refused.value.status, refused.value.code) == (503, "long_bodies_waiting")
        assert refused.value.retry_after
        waiting += [sent(bounded, SHORT_BYTES) for _ in range(10)]
        await asyncio.sleep(0)
        assert app.n_read == 12
        app.may_end.set()
        await asyncio.gather(*waiting)
        await sent(bounded, LONG)
        assert bounded._held == 0

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/predict", "/predict?explain=false", "/fhir/risk-assessment"])
def test_the_refusal_has_our_shape(
    predictor: ResponsePredictor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(module, "MAXIMUM_HELD_BYTES", SHORT_BYTES)
    response = ask(create_app(predictor), "POST", path, b" " * LONG)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "long_bodies_waiting" in response.text
    assert ("OperationOutcome" in response.text) == path.startswith("/fhir")


def test_who_gives_up_is_not_counted_any_more() -> None:
    async def run() -> None:
        bounded = BoundedBodies(Reading())
        task = sent(bounded, LONG)
        await asyncio.sleep(0)
        assert bounded._held == LONG
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bounded._held == 0

    asyncio.run(run())
