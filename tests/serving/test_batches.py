"""A batch keeps its order, answers each row alone, and leaves room for single patients."""

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.patient import Patient
from serving.app import create_app
from serving.predictor import ResponsePredictor
from serving.requests import MAXIMUM_BATCH

_BAD_ROWS: tuple[Any, ...] = (
    {"age_years": 430}, {"sessions_completed": 3}, {}, None, [], "text", 7,
    {"depression_total": 30},
)  # fmt: skip


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor) -> ASGIApp:
    return create_app(predictor)


@pytest.fixture(scope="module")
def records(patients: list[Patient]) -> list[dict[str, Any]]:
    return [patient.model_dump(mode="json", exclude_defaults=True) for patient in patients]


def without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "prediction_id"}


@settings(max_examples=40)
@given(data=st.data())
def test_a_row_is_answered_as_if_it_were_alone(
    app: ASGIApp, records: list[dict[str, Any]], data: st.DataObject
) -> None:
    rows = data.draw(
        st.lists(st.sampled_from(records) | st.sampled_from(_BAD_ROWS), min_size=1, max_size=12)
    )
    answers = ask(app, "POST", "/predict_batch", record=rows).json()
    assert len(answers) == len(rows)
    for row, answer in zip(rows, answers, strict=True):
        alone = ask(app, "POST", "/predict", orjson.dumps(row))
        assert ("error" in answer) == (alone.status_code != 200)
        assert without_id(answer) == without_id(alone.json())


def test_single_patients_are_answered_while_batches_run(
    app: ASGIApp, records: list[dict[str, Any]]
) -> None:
    rows = [records[number % len(records)] for number in range(MAXIMUM_BATCH)]

    async def meanwhile() -> tuple[int, float]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            batches = [
                asyncio.create_task(client.post("/predict_batch", content=orjson.dumps(rows)))
                for _ in range(2)
            ]
            await asyncio.sleep(0.02)
            waits = []
            while not batches[0].done():
                start = time.perf_counter()
                response = await client.post("/predict", content=orjson.dumps(records[0]))
                waits.append(time.perf_counter() - start)
                assert response.status_code == 200
                # Without a network nothing else lets the batches go on.
                await asyncio.sleep(0.001)
            assert [(await batch).status_code for batch in batches] == [200, 200]
            return len(waits), sorted(waits)[len(waits) // 2]

    n_singles, median_wait_seconds = asyncio.run(meanwhile())
    assert n_singles > 20
    assert median_wait_seconds < 0.05
