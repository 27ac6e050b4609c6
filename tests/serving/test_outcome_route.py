"""Outcomes belong to a prediction, may be repeated, and are corrected without being lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ledgers import KEYS, post, rows_of
from starlette.types import ASGIApp

from data_schemas.patient import Patient
from serving.app import create_app
from serving.ledger.ledger import Ledger
from serving.ledger.tables import outcomes
from serving.predictor import ResponsePredictor

TODAY = datetime.now(UTC).date()
PLANTED = "61.8034"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def app(predictor: ResponsePredictor, url: str, tmp_path: Path) -> Iterator[ASGIApp]:
    ledger = Ledger(url, KEYS, tmp_path / "outbox.db")
    yield create_app(predictor, ledger)
    ledger.close()


@pytest.fixture
def report(app: ASGIApp, complete_patient: Patient) -> dict[str, Any]:
    record = complete_patient.model_dump(mode="json", exclude_defaults=True)
    prediction_id = post(app, "/predict", record).json()["prediction_id"]
    return {
        "prediction_id": prediction_id, "measured_on": TODAY.isoformat(),
        "instrument": "PHQ-9", "final_total": 7,
    }  # fmt: skip


def test_a_report_is_recorded_once_and_corrected_with_its_history(
    app: ASGIApp, report: dict[str, Any], url: str
) -> None:
    corrected = {**report, "final_total": 8}
    said = [post(app, "/outcomes", each) for each in (report, report, corrected, corrected, report)]
    assert [response.status_code for response in said] == [201, 200, 200, 200, 200]
    expected = ["recorded", "unchanged", "corrected", "unchanged", "corrected"]
    assert [response.json()["status"] for response in said] == expected
    assert [response.json()["reports"] for response in said] == [1, 1, 2, 2, 3]
    kept = rows_of(url, outcomes)
    assert [row["final_total"] for row in kept] == [7, 8, 7]
    assert {row["prediction_id"] for row in kept} == {report["prediction_id"]}
    assert {row["measured_on"] for row in kept} == {TODAY}


def test_whether_the_patient_responded_is_enough(
    app: ASGIApp, report: dict[str, Any], url: str
) -> None:
    said = {key: report[key] for key in ("prediction_id", "measured_on")}
    assert post(app, "/outcomes", {**said, "responded": False}).status_code == 201
    [row] = rows_of(url, outcomes)
    assert row["responded"] is False
    assert row["final_total"] is None


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"prediction_id": "00000000-0000-4000-8000-000000000000"}, 404, "unknown_prediction", ""),
        ({"instrument": "MADRS"}, 422, "unfit_outcome", "instrument"),
        ({"measured_on": str(TODAY - timedelta(days=30))}, 422, "unfit_outcome", "measured_on"),
        ({"measured_on": str(TODAY + timedelta(days=30))}, 422, "unfit_outcome", "measured_on"),
        ({"final_total": float(PLANTED)}, 422, "invalid_outcome", "final_total"),
        ({"final_total": PLANTED}, 422, "invalid_outcome", "final_total"),
        ({"measured_on": PLANTED}, 422, "invalid_outcome", "measured_on"),
    ],
)
def test_a_report_that_does_not_fit_is_refused_by_name(
    app: ASGIApp, report: dict[str, Any], url: str,
    changes: dict[str, Any], status: int, code: str, field: str,
) -> None:  # fmt: skip
    response = post(app, "/outcomes", {**report, **changes})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert [each["field"] for each in error["fields"]] == ([field] if field else [])
    assert PLANTED not in response.text
    assert rows_of(url, outcomes) == []


def test_nothing_is_confirmed_that_is_not_recorded(
    app: ASGIApp, report: dict[str, Any], tmp_path: Path
) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("DROP TABLE outcomes")
    assert post(app, "/outcomes", report).status_code == 503
