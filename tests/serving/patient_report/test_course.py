"""The page about a patient in treatment: of the model of his week, over HTTP and from a file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from course_cohorts import course_family
from ledgers import KEYS, post
from served_models import ask
from starlette.types import ASGIApp

import tms_response
from serving.app import create_app
from serving.ledger.ledger import Ledger

PATIENT: dict[str, Any] = {
    "age_years": 45, "sex": "female", "failed_trials": 3, "employed": True, "recurrent": True,
    "episode_duration_months": 14, "benzodiazepine": False, "sessions_planned": 30,
    "depression_instrument": "HDRS-17", "depression_total": 24,
    "anxiety_instrument": "GAD-7", "anxiety_total": 11,
}  # fmt: skip
COURSE = [{"session": 5, "score": 20}, {"session": 11, "score": 14}, {"session": 16, "score": 9}]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[ASGIApp]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", KEYS, tmp_path / "outbox.db")
    yield create_app(course_family(), ledger)
    ledger.close()


def words(page: str) -> str:
    """Return the page without what differs from one prediction to the next."""
    page = re.sub(r"\d+ \w+ \d{4}, \d\d:\d\d UTC", "TIME", page)
    return re.sub(r"\s+", " ", re.sub(r"Prediction [0-9a-f-]{36}", "ID", page))


def test_the_page_is_of_the_week_over_http_as_from_a_file(app: ASGIApp, tmp_path: Path) -> None:
    answer = post(app, "/predict", {**PATIENT, "course": COURSE}).json()
    shown = ask(app, "GET", f"/predictions/{answer['prediction_id']}/report")
    assert shown.status_code == 200, shown.text
    page = words(shown.text)
    assert (
        "the figure is that of the model of the end of week 3, from the scores until then" in page
    )
    assert answer["model"]["version"] in page
    chance = round(100 * answer["response_probability"])
    assert f'<span class="number">{chance}</span> of 100 patients like this' in page
    assert "Improvement since baseline" in page

    course_family().save(tmp_path / "model")
    patients, scores = tmp_path / "patients.json", tmp_path / "scores.csv"
    patients.write_text(json.dumps([{**PATIENT, "id": "a"}, {**PATIENT, "id": "b"}]), "utf-8")
    rows = ["id,session,score", *(f"b,{v['session']},{v['score']}" for v in COURSE)]
    scores.write_text("\n".join(rows) + "\n", "utf-8")
    files = [str(path) for path in (tmp_path / "model", patients)]
    pages = {}
    for row in (1, 2):
        out = tmp_path / f"{row}.html"
        asked = ["--course", str(scores), "--row", str(row), "--out", str(out)]
        assert tms_response.run(["explain", *files, *asked]) == 0
        pages[row] = words(out.read_text("utf-8"))
    assert pages[2] == page
    assert "in the course of treatment" not in pages[1].lower()


def test_a_page_of_a_patient_before_treatment_names_no_week(app: ASGIApp) -> None:
    answer = post(app, "/predict", PATIENT).json()
    shown = ask(app, "GET", f"/predictions/{answer['prediction_id']}/report")
    assert shown.status_code == 200
    assert "course of treatment" not in words(shown.text)
