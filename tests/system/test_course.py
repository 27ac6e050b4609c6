"""The course of treatment, from the command line through the registry to HTTP and the ledger."""

import json
import math
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pandas as pd
import pytest
from fresh_process import Service, Spine
from ledgers import rows_of

from data_schemas.course import Course
from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.predictor import ResponsePredictor
from serving.settings import ledger_url
from tms_response import run
from training.cohort.read import read_cohort

pytestmark = pytest.mark.system

WEEKS = (1, 3)
SESSIONS_A_WEEK = 5
N_PATIENTS = 24


class Asked(NamedTuple):
    """One question about a patient who is in treatment, and what it was answered."""

    patient: Patient
    visits: list[dict[str, Any]]
    answer: Prediction

    @property
    def course(self) -> Course | None:
        """The scores that were sent; None without any."""
        return Course.model_validate({"visits": self.visits}) if self.visits else None


def body(patient: Patient, visits: object = None) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(patient.model_dump_json(exclude_none=True))
    return {**record, "course": visits}


@pytest.fixture(scope="module")
def predictor(spine: Spine) -> ResponsePredictor:
    return ResponsePredictor.load(spine.run / "model")


@pytest.fixture(scope="module")
def in_treatment(spine: Spine, everybody: list[Patient]) -> list[tuple[Patient, Course]]:
    """Patients with three scores and more; the visits shift and are missed, as simulated."""
    members = read_cohort(spine.cohort).members
    return [
        (patient, member.course)
        for patient, member in zip(everybody, members, strict=True)
        if member.course is not None and len(member.course.visits) >= 3
    ][:N_PATIENTS]


@pytest.fixture(scope="module")
def asked(service: Service, in_treatment: list[tuple[Patient, Course]]) -> list[Asked]:
    """Each patient asked about with none of the scores, one, two and so on."""
    found = []
    for patient, course in in_treatment:
        visits = [visit.model_dump(exclude_none=True) for visit in course.visits]
        for count in range(len(visits) + 1):
            response = service.client.post("/predict", json=body(patient, visits[:count] or None))
            assert response.status_code == 200, response.text
            answer = Prediction.model_validate_json(response.content)
            found.append(Asked(patient, visits[:count], answer))
    return found


def expected_week(visits: list[dict[str, Any]]) -> int | None:
    """Return the latest week that the last score reaches and that has a score; by hand."""
    sessions = [visit["session"] for visit in visits]
    due = [
        week
        for week in WEEKS
        if sessions and week * SESSIONS_A_WEEK <= sessions[-1]
        and min(sessions) <= week * SESSIONS_A_WEEK
    ]  # fmt: skip
    return max(due, default=None)


def versions(predictor: ResponsePredictor) -> dict[int | None, str]:
    return dict(zip((None, *WEEKS), predictor.versions, strict=True))


def test_the_model_of_the_week_answers(asked: list[Asked], predictor: ResponsePredictor) -> None:
    weeks = [expected_week(each.visits) for each in asked]
    by_week = versions(predictor)
    assert [each.answer.model.version for each in asked] == [by_week[week] for week in weeks]
    assert all(Counter(weeks)[week] > N_PATIENTS / 2 for week in (None, *WEEKS))
    for week, each in zip(weeks, asked, strict=True):
        assert each.answer.model.week == week
        said = [notice.message for notice in each.answer.notices if notice.code == "landmark"]
        assert len(said) == (0 if week is None else 1)
        assert all(f"The model of week {week} of treatment answers" in message for message in said)
    # Irregular: not every score lies at a whole week.
    assert any(visit["session"] % SESSIONS_A_WEEK for each in asked for visit in each.visits)


def test_http_gives_the_probability_of_python(
    asked: list[Asked], predictor: ResponsePredictor
) -> None:
    given = 0
    for each in asked:
        ours = predictor.predict(each.patient, course=each.course)
        assert each.answer.abstained == ours.abstained
        assert each.answer.contributions == ours.contributions
        if ours.response_probability is not None:
            given += 1
            assert each.answer.response_probability == pytest.approx(
                ours.response_probability, abs=1e-9
            )
    assert given > 0.8 * len(asked)


def test_contributions_add_up_at_every_week(asked: list[Asked]) -> None:
    for each in asked:
        chance = each.answer.response_probability
        if chance is not None:
            total = sum(part.log_odds for part in each.answer.contributions)
            total += each.answer.baseline_log_odds
            assert math.log(chance / (1 - chance)) == pytest.approx(total, abs=1e-6)


def test_the_scores_move_the_answers(asked: list[Asked]) -> None:
    """Who has improved more is more likely to respond: else nothing above would be compared."""
    last = [each for each in asked if expected_week(each.visits) == WEEKS[1]]
    pairs = [
        (part.value, each.answer.response_probability)
        for each in last
        for part in each.answer.contributions
        if part.feature == "course_improvement"
    ]
    known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64)
    assert len(known) > N_PATIENTS / 2
    assert np.atleast_2d(np.corrcoef(known.T))[0, 1] > 0.5


def test_the_predict_command_gives_the_same(
    spine: Spine, asked: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(spine.folder)
    chosen = [each for each in asked if each.patient.connectome is None]
    patients = [
        {"id": f"p{number}", **each.patient.model_dump(mode="json", exclude_none=True)}
        for number, each in enumerate(chosen)
    ]
    Path("treated.json").write_text(json.dumps(patients), encoding="utf-8")
    scores = [
        {"id": f"p{number}", **visit} for number, each in enumerate(chosen) for visit in each.visits
    ]
    # Any order of the rows will do.
    pd.DataFrame(scores[::-1]).to_csv("scores.csv", index=False)
    command = ["predict", "run/model", "treated.json", "--course", "scores.csv"]
    assert run([*command, "--out", "treated_answers.json"]) == 0
    answers = json.loads(Path("treated_answers.json").read_text("utf-8"))
    assert [answer["model"]["version"] for answer in answers] == [
        each.answer.model.version for each in chosen
    ]
    assert [answer["response_probability"] for answer in answers] == [
        each.answer.response_probability for each in chosen
    ]


@pytest.mark.parametrize(
    ("visits", "field"),
    [
        ([{"session": 187, "score": 9.625}], "course.0.session"),
        ([{"session": 5, "score": 52.625}], "course.0.score"),
        ([{"session": 5, "score": 9.625, "instrument": "BDI-II"}], "course.0.instrument"),
        ([{"session": 12, "score": 9.625}, {"session": 7, "score": 8}], "course.1.session"),
        ([{"session": 7, "score": 9.625}, {"session": 7, "score": 8}], "course.1.session"),
        ([{"session": 5, "score": "9.625"}], "course.0.score"),
        ([{"session": 5, "score": 9.625, "mood": "Q7-planted"}], "course.0.mood"),
    ],
    ids=["beyond the plan", "out of range", "another instrument", "wrong order", "twice", "text",
         "unknown field"],
)  # fmt: skip
def test_a_wrong_score_is_refused_by_name_and_never_repeated(
    service: Service,
    in_treatment: list[tuple[Patient, Course]],
    visits: list[dict[str, Any]],
    field: str,
) -> None:
    patient = in_treatment[0][0].model_copy(update={"sessions_planned": 30, "connectome": None})
    answer = service.client.post("/predict", json=body(patient, visits))
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["fields"][0]["field"]) == ("invalid_course", field)
    planted = ("187", "625", "Q7-planted", "BDI")
    log = service.log.read_text("utf-8")
    assert not [text for text in planted if text in answer.text or text in log]


def test_a_batch_answers_each_as_alone(service: Service, asked: list[Asked]) -> None:
    chosen = [each for each in asked if each.patient.connectome is None][:12]
    records: list[Any] = [body(each.patient, each.visits or None) for each in chosen]
    wrong = body(chosen[0].patient, [{"session": 5}])
    answers = service.client.post("/predict_batch", json=[*records, wrong, *records]).json()
    error = answers.pop(len(records))["error"]
    assert error["fields"][0]["field"] == "course.0.score"
    for content, one in zip(answers, [each.answer for each in chosen] * 2, strict=True):
        answer = Prediction.model_validate(content)
        assert answer.model_copy(update={"prediction_id": one.prediction_id}) == one


class Repeated(NamedTuple):
    """One request sent twice under one key, and the ledger of the service."""

    answers: tuple[httpx.Response, httpx.Response]
    record: dict[str, Any]
    key: str
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def repeated(service: Service, asked: list[Asked]) -> Repeated:
    chosen = next(
        each for each in asked
        if expected_week(each.visits) == WEEKS[1] and each.patient.connectome is None
    )  # fmt: skip
    key, record = str(uuid.uuid4()), body(chosen.patient, chosen.visits)
    headers = {"Idempotency-Key": key, "Patient-Id": f"patient-{key}"}
    first, second = (
        service.client.post("/predict", json=record, headers=headers) for _ in range(2)
    )
    url = ledger_url()
    assert url is not None
    return Repeated((first, second), record, key, rows_of(url))


def test_the_same_request_is_answered_once(service: Service, repeated: Repeated) -> None:
    first, second = repeated.answers
    assert first.content == second.content
    other = {**repeated.record, "course": repeated.record["course"][:1]}
    headers = {"Idempotency-Key": repeated.key, "Patient-Id": f"patient-{repeated.key}"}
    changed = service.client.post("/predict", json=other, headers=headers)
    assert changed.status_code == 422
    assert changed.json()["error"]["code"] == "idempotency_key_reused"


def test_the_ledger_keeps_which_week_answered(
    repeated: Repeated, predictor: ResponsePredictor, asked: list[Asked]
) -> None:
    answer = Prediction.model_validate_json(repeated.answers[0].content)
    by_id = {row["prediction_id"]: row for row in repeated.rows}
    row = by_id[answer.prediction_id]
    landmark = predictor.landmarks[1]
    assert row["model_version"] == landmark.identity.version
    assert "week 3 of treatment" in row["notices"]
    features = json.loads(row["features"])
    assert list(features) == list(landmark.feature_names)
    # From the features alone, the answer can be made again.
    values = [math.nan if features[name] is None else features[name] for name in features]
    log_odds = landmark.log_odds([values])[0]
    assert 1 / (1 + math.exp(-log_odds)) == pytest.approx(row["probability"], abs=1e-9)
    # Every answer above is there too, with the version of its week.
    for each in asked:
        kept = by_id[each.answer.prediction_id]
        assert kept["model_version"] == each.answer.model.version
        assert kept["probability"] == each.answer.response_probability


def test_the_run_says_so_in_its_report(spine: Spine) -> None:
    report = (spine.run / "report.html").read_text("utf-8")
    assert 'id="course"' in report
    assert "AUROC, calibration slope and observed to expected by week of treatment" in report
    assert set(pd.read_csv(spine.run / "course.csv")["week"]) == set(WEEKS)


def test_what_early_re_scoring_takes_follows_from_the_tables(spine: Spine) -> None:
    burden = json.loads((spine.run / "summary.json").read_text("utf-8"))["burden"]
    held_out = pd.read_csv(spine.run / "course_out_of_fold.csv")
    held_out = held_out[(held_out["week"] == 3) & (held_out["model"] == "course")]
    assert burden["rescoring"]["rows"]
    for row in burden["rescoring"]["rows"]:
        stopped = held_out[held_out["probability"] < row["threshold"]]
        lost = stopped["y"].sum()
        assert (row["n_changed"], row["n_responders_changed"]) == (len(stopped), lost)
        whole = burden["sessions_in_a_course"]
        sessions = burden["n_patients"] * whole - len(stopped) * (whole - 3 * SESSIONS_A_WEEK)
        found = row["figures"]["sessions_per_responder"]["estimate"]
        assert found == pytest.approx(sessions / (burden["n_responders"] - lost))
