"""`GET /predictions/{id}/report`: the caller's own predictions, of the model that answers now."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ledgers import KEYS, post
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.patient import Patient
from serving.access.gate import KeyGate
from serving.access.keys import KeyRing, new_key
from serving.app import create_app
from serving.front import Front
from serving.ledger.ledger import Ledger
from serving.model_document import Calibration
from serving.patient_report.page import POLICY
from serving.predictor import ResponsePredictor
from training.explaining import explain_patient

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", KEYS, tmp_path / "outbox.db")
    yield ledger
    ledger.close()


@pytest.fixture
def app(predictor: ResponsePredictor, ledger: Ledger) -> ASGIApp:
    return create_app(predictor, ledger)


@pytest.fixture(scope="module")
def record(complete_patient: Patient) -> dict[str, Any]:
    content: dict[str, Any] = complete_patient.model_dump(mode="json", exclude_defaults=True)
    return content


def report(app: Any, prediction_id: str, prefix: str = "", **headers: str) -> httpx.Response:
    return ask(app, "GET", f"{prefix}/predictions/{prediction_id}/report", headers=headers)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def without_time_and_id(page: str) -> str:
    page = re.sub(r"\d+ \w+ \d{4}, \d\d:\d\d UTC", "TIME", page)
    return re.sub(r"Prediction [0-9a-f-]{36}", "ID", page)


def test_the_report_is_that_of_the_command(
    app: ASGIApp, predictor: ResponsePredictor, patients: list[Patient], tmp_path: Path
) -> None:
    for number, patient in enumerate(patients[:12]):
        path = tmp_path / f"{number}.json"
        path.write_text(patient.model_dump_json(exclude_defaults=True), "utf-8")
        sent = patient.model_dump(mode="json", exclude_defaults=True)
        answer = post(app, "/predict", sent).json()
        response = report(app, answer["prediction_id"])
        assert response.status_code == 200
        written = explain_patient(predictor, path)
        assert without_time_and_id(response.text) == without_time_and_id(written)
        assert answer["prediction_id"] in response.text


def test_it_may_not_run_anything(app: ASGIApp, record: dict[str, Any]) -> None:
    prediction_id = post(app, "/predict", record).json()["prediction_id"]
    response = report(app, prediction_id, "/v1")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith(POLICY)
    assert "frame-ancestors 'none'" in policy


def test_an_abstention_is_reported_without_a_number(app: ASGIApp, record: dict[str, Any]) -> None:
    few = {name: record[name] for name in ("depression_instrument", "depression_total")}
    answer = post(app, "/predict", few).json()
    assert answer["abstained"]
    page = report(app, answer["prediction_id"]).text
    assert "no figure for this patient" in page
    assert "of 100" not in page


@pytest.mark.parametrize("prediction_id", [NOBODY, "x", "1' OR '1'='1", "%2e%2e"])
def test_an_unknown_prediction_is_not_found(app: ASGIApp, prediction_id: str) -> None:
    assert code(report(app, prediction_id)) == (404, "unknown_prediction")


def test_another_caller_sees_it_only_as_an_administrator(
    app: ASGIApp, record: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "keys.jsonl"
    own, other, admin, outcomes = (
        {"authorization": f"Bearer {new_key(file, scopes)}"}
        for scopes in (["predict"], ["predict"], ["predict", "admin"], ["outcomes"])
    )
    front = Front(app, KeyGate(KeyRing(file)))
    prediction_id = post(front, "/predict", record, **own).json()["prediction_id"]
    assert report(front, prediction_id, **own).status_code == 200
    assert report(front, prediction_id, **admin).status_code == 200
    theirs = report(front, prediction_id, **other)
    assert code(theirs) == (404, "unknown_prediction")
    assert theirs.content == report(front, NOBODY, **other).content
    assert code(report(front, prediction_id, **outcomes)) == (403, "forbidden")
    assert code(report(front, prediction_id)) == (401, "unauthenticated")


def test_another_model_cannot_explain_it(
    app: ASGIApp, ledger: Ledger, record: dict[str, Any], predictor: ResponsePredictor,
    altered: Callable[..., ResponsePredictor],
) -> None:  # fmt: skip
    prediction_id = post(app, "/predict", record).json()["prediction_id"]
    other = create_app(altered(calibration=Calibration(slope=0.7, intercept=0.0)), ledger)
    response = report(other, prediction_id)
    assert code(response) == (409, "model_replaced")
    assert predictor.identity.version in response.json()["error"]["message"]
    assert report(app, prediction_id).status_code == 200


def test_a_ledger_that_cannot_be_read_is_said_so(
    app: ASGIApp, record: dict[str, Any], tmp_path: Path
) -> None:
    import sqlite3

    prediction_id = post(app, "/predict", record).json()["prediction_id"]
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("ALTER TABLE predictions RENAME TO gone")
    assert code(report(app, prediction_id)) == (503, "ledger_unavailable")


def test_without_a_ledger_there_is_no_such_path(predictor: ResponsePredictor, app: ASGIApp) -> None:
    assert code(report(create_app(predictor), NOBODY)) == (404, "not_found")
    documented = ask(app, "GET", "/docs.json").json()["paths"]
    operation = documented["/predictions/{prediction_id}/report"]["get"]
    statuses = {"200", "401", "403", "404", "409", "422", "429", "503"}
    assert set(operation["responses"]) == statuses
    assert set(operation["responses"]["200"]["content"]) == {"text/html"}
    assert "/v1/predictions/{prediction_id}/report" in documented
