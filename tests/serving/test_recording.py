"""No prediction leaves before the ledger has it, and a repeated request is answered once."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from ledgers import KEYS, post, rows_of
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.app import create_app
from serving.ledger.ledger import Ledger
from serving.ledger.pseudonyms import PseudonymKeys
from serving.ledger.tables import answers
from serving.predictor import ResponsePredictor

PLANTED = "planted-patient-61.8034"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def worker(predictor: ResponsePredictor, url: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Make the application of a further worker on the same ledger."""
    ledgers: list[Ledger] = []

    def make(keys: PseudonymKeys = KEYS) -> ASGIApp:
        ledgers.append(Ledger(url, keys, tmp_path / "outbox.db"))
        return create_app(predictor, ledgers[-1])

    yield make
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def app(worker: Callable[..., FastAPI]) -> ASGIApp:
    return worker()


@pytest.fixture(scope="module")
def record(complete_patient: Patient) -> dict[str, Any]:
    content: dict[str, Any] = complete_patient.model_dump(mode="json", exclude_defaults=True)
    return content


def test_an_answer_and_its_row_say_the_same(
    app: ASGIApp, record: dict[str, Any], url: str, predictor: ResponsePredictor
) -> None:
    answer = Prediction.model_validate_json(post(app, "/predict", record).content)
    [row] = rows_of(url)
    assert answer.interval is not None
    assert row["prediction_id"] == answer.prediction_id
    assert row["probability"] == answer.response_probability
    assert (row["interval_lower"], row["interval_upper"], row["interval_level"]) == (
        answer.interval.lower, answer.interval.upper, answer.interval.level,
    )  # fmt: skip
    assert (row["model_name"], row["model_version"]) == (answer.model.name, answer.model.version)
    assert json.loads(row["features"]) == {c.feature: c.value for c in answer.contributions}
    assert tuple(json.loads(row["features"])) == predictor.feature_names
    assert [each["code"] for each in json.loads(row["notices"])] == [n.code for n in answer.notices]
    assert (row["route"], row["caller"]) == ("/predict", "anonymous")
    assert row["pseudonym"] is row["key_id"] is None
    assert not row["abstained"]


def test_an_abstention_is_recorded_too(app: ASGIApp, record: dict[str, Any], url: str) -> None:
    few = {name: record[name] for name in ("depression_instrument", "depression_total")}
    answer = post(app, "/predict", few).json()
    [row] = rows_of(url)
    assert answer["abstained"] == row["abstained"] == True  # noqa: E712
    assert row["probability"] is None
    assert json.loads(row["features"])["age_years"] is None


def test_what_is_refused_is_not_recorded(app: ASGIApp, record: dict[str, Any], url: str) -> None:
    assert post(app, "/predict", {**record, "age_years": 430}).status_code == 422
    assert rows_of(url) == []


def test_every_patient_of_a_batch_is_recorded_in_order(
    app: ASGIApp, record: dict[str, Any], url: str
) -> None:
    batch = [record, {**record, "age_years": 430}, {**record, "age_years": 50}]
    answers = post(app, "/predict_batch", batch, Idempotency_Key="b").json()
    expected = [answers[0]["prediction_id"], answers[2]["prediction_id"]]
    assert [row["prediction_id"] for row in rows_of(url)] == expected
    assert post(app, "/predict_batch", batch, Idempotency_Key="b").json() == answers
    assert len(rows_of(url)) == 2


def test_a_patient_is_known_by_pseudonym_alone(
    app: ASGIApp, record: dict[str, Any], url: str, tmp_path: Path,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(0)
    assert post(app, "/predict", record, Patient_Id=PLANTED).status_code == 200
    [row] = rows_of(url)
    assert row["pseudonym"] == KEYS.pseudonym(PLANTED).value
    assert row["key_id"] == KEYS.pseudonym(PLANTED).key_id
    for bad in (PLANTED + " ", PLANTED * 9, ""):
        response = post(app, "/predict", record, Patient_Id=bad)
        assert response.json()["error"]["code"] == "invalid_patient_id"
        assert PLANTED not in response.text
    captured = capfd.readouterr()
    assert PLANTED not in caplog.text + captured.out + captured.err
    assert all(PLANTED.encode() not in file.read_bytes() for file in tmp_path.glob("ledger.db*"))
    response = post(app, "/predict_batch", [record], Patient_Id=PLANTED)
    assert response.json()["error"]["fields"][0]["allowed"] == "only with a single patient"


def test_a_repeated_request_gets_the_same_bytes_from_any_worker(
    worker: Callable[..., FastAPI], record: dict[str, Any], url: str
) -> None:
    rotated = PseudonymKeys("cd" * 32 + " " + "ab" * 32)
    responses = [
        post(app, "/predict", record, Idempotency_Key="visit-1")
        for app in (worker(), worker(), worker(rotated))
    ]
    assert len({response.content for response in responses}) == 1
    assert {response.headers["content-type"] for response in responses} == {"application/json"}
    assert len(rows_of(url)) == 1
    other = post(worker(), "/predict", record, Idempotency_Key="visit-2")
    assert other.json()["prediction_id"] != responses[0].json()["prediction_id"]


@pytest.mark.parametrize("path", ["/predict", "/predict?explain=false"])
def test_a_key_of_another_request_is_refused(
    app: ASGIApp, record: dict[str, Any], url: str, path: str
) -> None:
    post(app, "/predict", record, Idempotency_Key="k")
    changed = record if "?" in path else {**record, "age_years": 46}
    response = post(app, path, changed, Idempotency_Key="k")
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "idempotency_key_reused"
    assert len(rows_of(url)) == 1


def test_a_key_is_of_one_patient(app: ASGIApp, record: dict[str, Any], url: str) -> None:
    first = post(app, "/predict", record, Idempotency_Key="k", Patient_Id="one")
    for other in ({"Patient_Id": "two"}, {}):
        response = post(app, "/predict", record, Idempotency_Key="k", **other)
        assert response.status_code == 422
        assert response.json()["error"]["code"] == "idempotency_key_reused"
    again = post(app, "/predict", record, Idempotency_Key="k", Patient_Id="one")
    assert again.content == first.content
    assert len(rows_of(url)) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, PLANTED + "/"])
def test_an_ill_formed_key_is_refused(app: ASGIApp, record: dict[str, Any], key: str) -> None:
    response = post(app, "/predict", record, Idempotency_Key=key)
    assert response.json()["error"]["code"] == "invalid_idempotency_key"
    assert PLANTED not in response.text


@pytest.mark.parametrize("header", ["Patient-Id", "Idempotency-Key"])
def test_a_header_that_stands_twice_is_refused(
    app: ASGIApp, record: dict[str, Any], url: str, header: str
) -> None:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
            headers = [(header, PLANTED), (header, "another")]
            return await client.post("/predict", json=record, headers=headers)

    response = asyncio.run(send())
    assert response.status_code == 422
    assert response.json()["error"]["fields"][0]["field"] == header
    assert PLANTED not in response.text
    assert rows_of(url) == []


def test_duplicates_at_once_get_one_answer_and_one_row(
    worker: Callable[..., FastAPI], record: dict[str, Any], url: str
) -> None:
    apps = [worker(), worker()]

    async def all_at_once() -> list[httpx.Response]:
        async def send(number: int) -> httpx.Response:
            transport = httpx.ASGITransport(app=apps[number % 2])
            async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
                return await client.post("/predict", json=record, headers={"Idempotency-Key": "k"})

        return await asyncio.gather(*(send(number) for number in range(20)))

    responses = asyncio.run(all_at_once())
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert len(rows_of(url)) == len(rows_of(url, answers)) == 1


def test_nothing_is_answered_that_is_not_recorded(
    app: ASGIApp, record: dict[str, Any], url: str, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    import sqlite3

    caplog.set_level("INFO")
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("ALTER TABLE predictions RENAME TO elsewhere")
    for path, sent in (("/predict", record), ("/predict_batch", [record])):
        response = post(app, path, sent)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "ledger_unavailable"
        assert "response_probability" not in response.text
    # What has nothing to be recorded does not say that it could be.
    assert post(app, "/predict_batch", [{"age_years": "no"}]).status_code == 200
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("ALTER TABLE elsewhere RENAME TO predictions")
    assert post(app, "/predict", record).status_code == 200
    assert len(rows_of(url)) == 1
    [refused, again] = [each for each in caplog.records if each.name == "tms_response.serving"]
    assert refused.levelname == "ERROR"
    assert "(OperationalError)" in refused.getMessage()
    assert again.getMessage() == "The ledger can be written again."


def test_without_a_ledger_a_key_is_refused_rather_than_ignored(
    predictor: ResponsePredictor, record: dict[str, Any]
) -> None:
    app = create_app(predictor)
    assert post(app, "/predict", record, Patient_Id="p").status_code == 200
    response = post(app, "/predict", record, Idempotency_Key="k")
    assert response.json()["error"]["code"] == "no_ledger"
    assert ask(app, "POST", "/outcomes", orjson.dumps({})).status_code == 404


def test_the_caller_is_who_access_control_found(
    app: ASGIApp, record: dict[str, Any], url: str
) -> None:
    async def named(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["caller"] = "key:abc"
        await app(scope, receive, send)

    post(named, "/predict", record, Idempotency_Key="k")
    mine = post(app, "/predict", record, Idempotency_Key="k")
    assert [row["caller"] for row in rows_of(url)] == ["key:abc", "anonymous"]
    assert mine.status_code == 200


def test_the_headers_are_documented(app: ASGIApp) -> None:
    paths = ask(app, "GET", "/docs.json").json()["paths"]
    named = [each["name"] for each in paths["/predict"]["post"]["parameters"]]
    assert {"Idempotency-Key", "Patient-Id", "explain"} == set(named)
