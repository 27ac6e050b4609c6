"""A caller may ask so often, and no more, in any window of time."""

import asyncio

import pytest
from clocks import Clock
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from served_models import ask
from starlette.types import ASGIApp, Receive, Scope, Send

from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody
from serving.access.callers import NOBODY
from serving.app import create_app
from serving.predictor import ResponsePredictor
from serving.rate_limit import RateLimited, TokenBuckets
from serving.settings import RATE_VARIABLE, WORKERS_VARIABLE


@given(
    per_minute=st.floats(1, 1000),
    pauses=st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_no_more_than_the_rate_and_one_burst_are_let_through(
    per_minute: float, pauses: list[float]
) -> None:
    clock = Clock()
    buckets = TokenBuckets(per_minute, clock)
    allowed = 0
    for pause in pauses:
        clock.now += pause
        allowed += asyncio.run(buckets.seconds_to_wait("clinic")) == 0
    burst = max(1.0, per_minute / 6)
    assert allowed >= 1
    assert allowed <= burst + (clock.now - 1000.0) * per_minute / 60 + 1e-6


@given(per_minute=st.floats(1, 1000))
def test_the_wait_that_is_named_is_enough_and_needed(per_minute: float) -> None:
    clock = Clock()
    buckets = TokenBuckets(per_minute, clock)
    while (wait := asyncio.run(buckets.seconds_to_wait("clinic"))) == 0:
        pass
    clock.now += wait * 0.9
    assert asyncio.run(buckets.seconds_to_wait("clinic")) > 0
    clock.now += wait * 0.1 + 1e-6
    assert asyncio.run(buckets.seconds_to_wait("clinic")) == 0


def test_callers_do_not_take_from_each_other() -> None:
    buckets = TokenBuckets(1, Clock())
    assert asyncio.run(buckets.seconds_to_wait("one")) == 0
    assert asyncio.run(buckets.seconds_to_wait("one")) > 0
    assert asyncio.run(buckets.seconds_to_wait("other")) == 0


def test_memory_is_bounded_however_many_callers_come() -> None:
    buckets = TokenBuckets(1, Clock())
    for number in range(10_500):
        _drive(buckets, number)
    assert len(buckets._buckets) == 10_000


def _drive(buckets: TokenBuckets, number: int) -> None:
    """Run a coroutine that never waits, without a loop."""
    with pytest.raises(StopIteration):
        buckets.seconds_to_wait(str(number)).send(None)


def test_too_many_requests_are_a_429_that_says_when(
    predictor: ResponsePredictor, complete_patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RATE_VARIABLE, "36")
    monkeypatch.setenv(WORKERS_VARIABLE, "2")
    app = create_app(predictor)
    record = complete_patient.model_dump(mode="json", exclude_defaults=True)
    # 36 a minute over two workers leave each 3 in ten seconds.
    responses = [ask(app, "POST", "/predict", record=record) for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert ErrorBody.model_validate_json(responses[3].content).error.code == "too_many_requests"
    assert 1 <= int(responses[3].headers["retry-after"]) <= 4


def test_no_limit_is_none(predictor: ResponsePredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RATE_VARIABLE, "0")
    full = Full()
    assert ask(create_app(predictor, rate_limiter=full), "GET", "/model").status_code == 200
    assert full.asked == []


class Full:
    """A limiter that notes who asks, and lets nobody through."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def seconds_to_wait(self, caller: str) -> float:
        self.asked.append(caller)
        return 7.2


def named(app: ASGIApp, caller: str) -> ASGIApp:
    """Return an application whose callers have this name, as the `Front` gives it."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["caller"] = caller
        await app(scope, receive, send)

    return asked


def test_a_shared_limiter_takes_the_place_of_our_own(predictor: ResponsePredictor) -> None:
    full = Full()
    app = named(create_app(predictor, rate_limiter=full), "key:3f2a9c01")
    response = ask(app, "GET", "/v1/model")
    assert (response.status_code, response.headers["retry-after"]) == (429, "8")
    assert full.asked == ["caller key:3f2a9c01"]


def test_nobody_takes_from_others_what_is_open_to_all() -> None:
    """Those without a name are told apart by address, and not in a store that is kept."""
    of_callers, of_nobody = Full(), Full()
    app = named(RateLimited(FastAPI(), of_callers, of_nobody), NOBODY.name)
    assert ask(app, "GET", "/docs.json").status_code == 429
    assert of_nobody.asked == ["address 127.0.0.1"]
    assert of_callers.asked == []
