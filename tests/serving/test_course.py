"""Models in the course of treatment: who answers when, with what, and what is refused."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from course_cohorts import WEEKS, course_family, standard_course
from forms import FormPart, form
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from ledgers import KEYS, rows_of
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.course import Course
from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody, Prediction
from features.patient_rows import patient_row
from serving.admission import RefusedPatientError
from serving.app import create_app
from serving.current_model import CurrentModel, self_test
from serving.ledger.ledger import Ledger
from serving.model_card import model_card
from serving.predictor import ResponsePredictor

PATIENT: dict[str, Any] = {
    "age_years": 45, "sex": "female", "failed_trials": 3, "employed": True, "recurrent": True,
    "episode_duration_months": 14, "benzodiazepine": False, "sessions_planned": 30,
    "depression_instrument": "HDRS-17", "depression_total": 24,
    "anxiety_instrument": "GAD-7", "anxiety_total": 11,
}  # fmt: skip
BETTER = [{"session": 5, "score": 20}, {"session": 10, "score": 14}, {"session": 15, "score": 9}]
WORSE = [{"session": 5, "score": 24}, {"session": 10, "score": 25}, {"session": 15, "score": 23}]


@pytest.fixture(scope="module")
def family() -> ResponsePredictor:
    return course_family()


@pytest.fixture(scope="module")
def app(family: ResponsePredictor) -> ASGIApp:
    return create_app(family)


def course(visits: list[dict[str, Any]]) -> Course:
    return Course.model_validate({"visits": visits})


def predict(app: ASGIApp, visits: object = None, **changes: Any) -> Prediction:
    record = {**PATIENT, **changes} | ({} if visits is None else {"course": visits})
    response = ask(app, "POST", "/predict", record=record)
    assert response.status_code == 200, response.text
    return Prediction.model_validate_json(response.content)


def refused(app: ASGIApp, visits: object, **changes: Any) -> ErrorBody:
    record = {**PATIENT, **changes, "course": visits}
    response = ask(app, "POST", "/predict", record=record)
    assert response.status_code == 422
    return ErrorBody.model_validate_json(response.content)


def codes(prediction: Prediction) -> set[str]:
    return {notice.code for notice in prediction.notices}


@pytest.mark.parametrize(
    ("sessions", "week"),
    [
        ([4], None), ([5], 1), ([5, 14], 1), ([15], 3), ([5, 15], 3), ([3, 30], 3),
        # Past week 1, but without a score by then; past week 3, with one by then.
        ([6], None), ([6, 16], 3), ([16], None),
    ],
)  # fmt: skip
def test_the_latest_landmark_not_after_the_last_score_answers(
    family: ResponsePredictor, sessions: list[int], week: float | None
) -> None:
    answering = family.at(course([{"session": s, "score": 20} for s in sessions]))
    landmark = answering.document.landmark
    assert (landmark.week if landmark else None) == week
    assert answering is family or answering in family.landmarks


def test_days_lead_to_the_same_week(family: ResponsePredictor) -> None:
    assert family.at(course([{"day": 20.9, "score": 20}])) is family
    assert (
        family.at(course([{"day": 7, "score": 20}, {"day": 20.9, "score": 20}]))
        is (family.landmarks[0])
    )
    assert family.at(course([{"day": 21, "score": 20}])) is family.landmarks[1]


@pytest.mark.parametrize("visits", [BETTER, WORSE, BETTER[:1], WORSE[:2]])
def test_http_answers_as_the_landmark_does(
    family: ResponsePredictor, app: ASGIApp, visits: list[dict[str, Any]]
) -> None:
    answer, so_far = predict(app, visits), course(visits)
    model = family.at(so_far)
    content, _ = model.answer(Patient.model_validate(PATIENT), course=so_far)
    expected = Prediction.model_validate(content)
    assert answer.response_probability == expected.response_probability is not None
    assert answer.model == model.identity
    assert "landmark" in codes(answer)
    log_odds = answer.baseline_log_odds + sum(each.log_odds for each in answer.contributions)
    chance = answer.response_probability
    assert chance is not None
    assert math.isclose(math.log(chance / (1 - chance)), log_odds, abs_tol=1e-6)
    named = {each.feature: each.value for each in answer.contributions}
    last = visits[-1]["score"] if model is family.landmarks[1] else visits[0]["score"]
    assert named["course_latest_score"] == last
    assert named["course_improvement"] == pytest.approx(100 * (24 - last) / 24)


def test_who_improves_is_more_likely_to_respond(app: ASGIApp) -> None:
    better, worse = (predict(app, visits).response_probability for visits in (BETTER, WORSE))
    assert better is not None
    assert worse is not None
    assert better > worse + 0.2


def test_without_a_course_the_model_before_treatment_answers(
    family: ResponsePredictor, app: ASGIApp
) -> None:
    alone = family.with_landmarks(()).predict(Patient.model_validate(PATIENT))
    for answer in (predict(app), predict(app, None)):
        assert answer.response_probability == alone.response_probability
        assert answer.model == alone.model
        assert answer.notices == alone.notices


def test_before_the_first_landmark_it_answers_too_and_says_so(app: ASGIApp) -> None:
    early, without = predict(app, [{"session": 3, "score": 1}]), predict(app)
    assert early.response_probability == without.response_probability
    assert codes(early) - codes(without) == {"before_first_landmark"}


def test_later_scores_change_nothing_and_are_named_as_unused(app: ASGIApp) -> None:
    known = predict(app, BETTER)
    for score in (0, 52):
        later = predict(app, [*BETTER, {"session": 19, "score": score}])
        assert later.response_probability == known.response_probability
        assert codes(later) - codes(known) == {"later_scores_unused"}


def test_an_unknown_baseline_is_told_as_missing(app: ASGIApp) -> None:
    answer = predict(app, BETTER, depression_total=None, depression_instrument=None)
    named = {each.feature: each.value for each in answer.contributions}
    assert named.get("course_improvement") is None
    missing = {notice.field for notice in answer.notices if notice.code == "missing_input"}
    assert answer.abstained or "course_improvement" in missing


def test_a_model_before_treatment_alone_refuses_a_course_by_name(
    family: ResponsePredictor,
) -> None:
    error = refused(create_app(family.with_landmarks(())), BETTER).error
    assert error.code == "course_not_used"
    assert [field.field for field in error.fields] == ["course"]
    assert "answers before treatment only; leave it out" in error.fields[0].problem


def test_a_landmark_alone_needs_a_course_and_is_not_served(family: ResponsePredictor) -> None:
    landmark, patient = family.landmarks[0], Patient.model_validate(PATIENT)
    with pytest.raises(RefusedPatientError, match="course: is required") as caught:
        landmark.predict(patient)
    assert caught.value.code == "missing_required"
    assert landmark.predict(patient, course=course(BETTER)).response_probability is not None
    with pytest.raises(ModelError, match="week 1 of treatment alone; serve the folder above"):
        create_app(landmark)


@pytest.mark.parametrize(
    ("visits", "field", "problem"),
    [
        ([{"session": 5, "score": 52.5}], "course.0.score", "out of range for HDRS-17"),
        ([{"session": 31, "score": 9}], "course.0.session", "beyond sessions_planned"),
        ([{"session": 5, "score": 9}] * 2, "course.1.session", "does not come after"),
        ([{"session": "5", "score": 9}], "course.0.session", "should be a whole number"),
        ([{"session": 5, "score": "9"}], "course.0.score", "should be a number"),
        ([{"session": 5, "score": True}], "course.0.score", "should be a number"),
        ([{"score": 9}], "session", "or day is needed"),
        (
            [{"session": 5, "score": 9, "instrument": "PHQ-9"}],
            "course.0.instrument",
            "is not the instrument of the model",
        ),
        ([{"session": 5, "score": 9, "instrument": 7731}], "course.0.instrument", "should be text"),
        ([{"session": 5, "score": 9, "mood": 1}], "course.0.mood", "not a known field"),
        ([], "course", "should be longer"),
        ({"session": 5, "score": 9}, "course", "should be a list"),
        ([{"session": 5, "score": 9}] * 101, "course", "should be a list"),
        ([7731], "course.0", "should be an object"),
    ],
)
def test_a_wrong_course_is_refused_by_place(
    app: ASGIApp, visits: object, field: str, problem: str
) -> None:
    error = refused(app, visits).error
    assert error.code == "invalid_course"
    assert (error.fields[0].field, problem in error.fields[0].problem) == (field, True), error
    assert not {"52.5", "31", "7731"} & set(error.model_dump_json().replace('"', " ").split())


def test_a_batch_may_hold_both(app: ASGIApp) -> None:
    records = [PATIENT, {**PATIENT, "course": BETTER}, {**PATIENT, "course": [{"session": 5}]}]
    without, with_course, wrong = ask(app, "POST", "/predict_batch", record=records).json()
    assert without["response_probability"] == predict(app).response_probability
    assert with_course["response_probability"] == predict(app, BETTER).response_probability
    assert wrong["error"]["fields"][0]["field"] == "course.0.score"


def test_a_form_may_hold_a_course(app: ASGIApp, family: ResponsePredictor) -> None:
    relmat = b"Node\tLH_Vis_1\tLH_Vis_2\nLH_Vis_1\t1\t0.5\nLH_Vis_2\t0.5\t1\n"
    record = json.dumps({**PATIENT, "course": BETTER}).encode()
    body, headers = form(
        FormPart("patient", record), FormPart("connectome", relmat, "a_relmat.tsv")
    )
    answer = ask(app, "POST", "/predict", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["response_probability"] == predict(app, BETTER).response_probability
    assert answer.json()["model"]["version"] == family.landmarks[1].identity.version


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[str, Ledger]]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger(url, KEYS, tmp_path / "outbox.db")
    yield url, ledger
    ledger.close()


def test_the_ledger_holds_what_the_answering_model_saw(
    family: ResponsePredictor, ledger: tuple[str, Ledger]
) -> None:
    url, kept = ledger
    app = create_app(family, kept)
    answers = [predict(app), predict(app, BETTER)]
    rows = rows_of(url)
    assert [row["model_version"] for row in rows] == [each.model.version for each in answers]
    before, during = (json.loads(row["features"]) for row in rows)
    assert set(before) == set(family.feature_names)
    assert set(during) == set(family.landmarks[1].feature_names)
    assert during["course_latest_score"] == 9


def test_a_patient_in_training_has_the_same_row_when_served(family: ResponsePredictor) -> None:
    cohort, _, made = standard_course()
    by_week = zip(family.landmarks, made.landmarks, strict=True)
    for model, landmark in by_week:
        assert model.document.landmark is not None
        features = {f.name: n for n, f in enumerate(landmark.tables.table.features)}
        columns = [features[name] for name in model.feature_names]
        rows = []
        for member in cohort.trained_on():
            seen = landmark.tables.landmark.seen(member.course)
            stopped = (member.course_ended_week or 99) < landmark.tables.landmark.week
            if seen is not None and not stopped:
                rows.append(
                    patient_row(
                        member.patient, model.features, None, member.course,
                        model.document.landmark.landmark(),
                    )
                )  # fmt: skip
        np.testing.assert_array_equal(np.array(rows), landmark.tables.table.X[:, columns])


def test_the_document_describes_a_course_only_where_one_is_used(
    family: ResponsePredictor, app: ASGIApp
) -> None:
    document = ask(app, "GET", "/docs.json").json()
    schemas = document["components"]["schemas"]
    assert {"Patient", "PatientInTreatment", "CourseVisit"} <= set(schemas)
    assert "course" not in schemas["Patient"]["properties"]
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    body = content["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/PatientInTreatment"}
    schema = {**body["schema"], "components": document["components"]}
    for example in body["examples"].values():
        Draft202012Validator(schema).validate(example["value"])
        assert ask(app, "POST", "/predict", record=example["value"]).status_code == 200
    shown = Prediction.model_validate(
        ask(app, "POST", "/predict", record=body["examples"]["course"]["value"]).json()
    )
    assert "landmark" in codes(shown)
    for name in ("PatientInTreatment", "CourseVisit", "LandmarkDocument", "LandmarkCard"):
        assert all(each.get("examples") for each in schemas[name]["properties"].values()), name
    plain = ask(create_app(family.with_landmarks(())), "GET", "/docs.json").json()
    assert not {"PatientInTreatment", "CourseVisit"} & set(plain["components"]["schemas"])


def test_the_card_names_the_weeks(family: ResponsePredictor) -> None:
    card = model_card(family)
    assert tuple(each.week for each in card.landmarks) == WEEKS
    assert "for the end of each of these weeks: 1, 3." in " ".join(card.statements)
    alone = model_card(family.with_landmarks(()))
    assert alone.landmarks == ()
    assert "Scores during treatment are not used" in " ".join(alone.statements)


def test_a_new_model_must_answer_in_the_course_too(family: ResponsePredictor) -> None:
    current = CurrentModel(family, create_app)
    with pytest.raises(ModelError, match="does not answer in the course of treatment"):
        current.replace(family.with_landmarks(()))
    fewer = family.with_landmarks(family.landmarks[1:])
    assert fewer.identity == family.identity
    assert fewer.versions != family.versions
    current.replace(fewer)
    assert current.predictor is fewer
    for landmark in family.landmarks:
        self_test(landmark)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["session", "day", "score", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(visits=JSON)
def test_whatever_is_sent_as_a_course_is_answered_or_refused(app: ASGIApp, visits: object) -> None:
    record = {**PATIENT, "course": visits}
    content = json.dumps(record).encode()
    response = ask(app, "POST", "/predict", content=content)
    assert response.status_code in {200, 400, 422}
    if response.status_code != 200:
        assert ErrorBody.model_validate_json(response.content).error.message
