"""A patient in mid-course: dated totals and sessions become the scores of the course, or do not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from course_cohorts import course_family
from ehr_sandbox import EhrSandbox
from fhir_bundles import (
    LOCAL,
    bundle,
    days_ago,
    gad7,
    observation,
    order,
    person,
    phq9,
    quantity,
    questionnaire,
    session,
)
from fhir_reading import reasons, refusal
from r4_elements import broken_invariants, foreign_elements
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.course import Course
from data_schemas.patient import Patient
from serving.app import create_app
from serving.fhir.codes import Codes
from serving.fhir.reading import Reading, read_patient
from serving.fhir.resources import bundle_resources
from serving.fhir.route import FhirReader
from serving.fhir.settings import FhirSettings
from serving.model_document import LandmarkDocument
from serving.predictor import ResponsePredictor

Content = dict[str, Any]

# Days of sessions of five a week, and how long ago the first of them was.
WORKDAYS = (0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 21)
FIRST = 22
RECORD: dict[str, Any] = {
    "age_years": 45, "sex": "female", "failed_trials": 3, "depression_instrument": "HDRS-17",
    "depression_total": 24, "anxiety_instrument": "GAD-7", "anxiety_total": 11,
    "episode_duration_months": 14, "benzodiazepine": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def family() -> ResponsePredictor:
    return course_family()


@pytest.fixture(scope="module")
def reader(family: ResponsePredictor) -> FhirReader:
    return FhirReader(family, FhirSettings())


@pytest.fixture(scope="module")
def app(family: ResponsePredictor) -> ASGIApp:
    return create_app(family)


def hdrs(total: float, day: float, identifier: str | None = None) -> Content:
    """Return a total so many days after the first session."""
    name = identifier or f"hdrs-day-{day:g}"
    value = quantity(total, "{score}")
    return observation(name, "hdrs-17-total", FIRST - day, LOCAL, valueQuantity=value)


def before() -> list[Content]:
    """Return what is known from before the first session."""
    trials, months = quantity(3, "{trials}"), quantity(14, "mo")
    return [
        person(birthDate=days_ago(FIRST + 45.5 * 365.25)[:10]),
        hdrs(24, -3, "hdrs-before"),
        gad7(11, FIRST + 3),
        observation("trials", "failed-trials", 200, LOCAL, valueQuantity=trials),
        observation("duration", "episode-duration", 30, LOCAL, valueQuantity=months),
        observation("bzd", "takes-benzodiazepine", 30, LOCAL, valueBoolean=False),
    ]


def sessions(*days: float) -> list[Content]:
    return [session(FIRST - day, "90868", f"session-{day:g}") for day in days or WORKDAYS]


def period(start: float, end: float | None, status: str) -> Content:
    """Return the whole course as one Procedure."""
    ends = {} if end is None else {"end": days_ago(FIRST - end)}
    content = {**session(0), "status": status}
    del content["performedDateTime"]
    return {**content, "performedPeriod": {"start": days_ago(FIRST - start), **ends}}


def read(reader: FhirReader, *resources: Content) -> Reading:
    return reader.read(bundle_resources(bundle(*resources)), datetime.now(UTC))


def days_of(reading: Reading) -> list[tuple[float | None, float]]:
    visits = reading.course.visits if reading.course else ()
    return [(visit.day, visit.score) for visit in visits]


def assess(app: ASGIApp, *resources: Content) -> Content:
    headers = {"content-type": "application/fhir+json"}
    response = ask(app, "POST", "/fhir/risk-assessment", record=bundle(*resources), headers=headers)
    content: Content = response.json()
    assert foreign_elements(content) == []
    return content


MID_COURSE = (hdrs(20, 7), hdrs(15, 14), hdrs(10, 21))


def test_dated_totals_are_the_scores_of_the_course(reader: FhirReader) -> None:
    reading = read(reader, *before(), *sessions(), *MID_COURSE)
    assert days_of(reading) == [(7, 20), (14, 15), (21, 10)]
    assert reading.patient.depression_total == 24
    assert reading.unused == ()
    used = {f"Observation/hdrs-day-{day}" for day in (7, 14, 21)} | {"Observation/hdrs-before"}
    assert used <= set(reading.basis)


@pytest.mark.parametrize(("known", "week"), [((), None), ((7,), 1), ((7, 14), 1), ((9, 21), 3)])
def test_the_answer_is_that_of_the_predictor(
    app: ASGIApp, family: ResponsePredictor, known: tuple[int, ...], week: int | None
) -> None:
    scores = {7: 20, 9: 18, 14: 15, 21: 10}
    given = [hdrs(scores[day], day) for day in known]
    content = assess(app, *before(), *sessions(), *given)
    assert content["resourceType"] == "RiskAssessment"
    assert broken_invariants(content) == []
    visits = [{"day": day, "score": scores[day]} for day in known]
    course = Course.model_validate({"visits": visits}) if visits else None
    ours = family.predict(Patient(**RECORD), course=course)
    assert ours.model.week == week
    assert ours.response_probability is not None
    percent = content["prediction"][0]["probabilityDecimal"]
    assert percent == pytest.approx(100 * ours.response_probability, abs=1e-4)
    assert content["method"]["coding"][0]["version"] == ours.model.version
    notes = " ".join(note["text"] for note in content["note"])
    if week is None:
        assert "Nothing later was used." in notes
    else:
        assert f"The model of week {week} of treatment answers" in notes
        assert "the first session. Of what is later, the scores of the course were used" in notes


@pytest.mark.parametrize(
    ("course", "days"),
    [
        (period(0, None, "in-progress"), [7, 14, 21]),
        (period(0, 9, "completed"), [7, 14]),
        (period(0, 21, "completed"), [7, 14, 21]),
    ],
    ids=["in progress", "ended on day 9", "ended on day 21"],
)
def test_a_course_may_be_one_procedure(
    reader: FhirReader, course: Content, days: list[int]
) -> None:
    reading = read(reader, *before(), course, *MID_COURSE)
    assert [day for day, _ in days_of(reading)] == days


def test_scores_after_the_sessions_end_or_pause_are_set_aside(reader: FhirReader) -> None:
    reading = read(reader, *before(), *sessions(0, 1, 2, 3, 4), *MID_COURSE)
    assert days_of(reading) == [(7, 20)]
    assert set(reasons(reading)) == {"Observation/hdrs-day-14", "Observation/hdrs-day-21"}
    assert all("or one Procedure with its period" in text for text in reasons(reading).values())
    paused = read(reader, *before(), *sessions(0, 1, 10, 11, 12), *MID_COURSE)
    assert days_of(paused) == [(7, 20)]


def test_a_score_of_the_first_day_is_before_it_or_set_aside(reader: FhirReader) -> None:
    day = days_ago(FIRST)[:10]
    early, first, late = (
        {**content, name: f"{day}T{hour}:00:00+00:00"}
        for content, name, hour in (
            (hdrs(23, 0, "early"), "effectiveDateTime", "08"),
            (session(FIRST, identifier="first"), "performedDateTime", "09"),
            (hdrs(22, 0, "late"), "effectiveDateTime", "15"),
        )
    )
    reading = read(reader, person(), early, late, first)
    assert reading.patient.depression_total == 23
    assert reading.course is None
    assert reasons(reading) == {
        "Observation/late": "a score of the day of the first session, after it"
    }


def test_without_a_session_the_totals_are_set_aside_and_it_is_said_what_to_send(
    reader: FhirReader, app: ASGIApp
) -> None:
    planned = order(occurrenceDateTime=days_ago(FIRST), authoredOn=days_ago(FIRST + 5))
    reading = read(reader, *before(), planned, *MID_COURSE)
    assert reading.course is None
    assert all("needs its first session" in reason for reason in reasons(reading).values())
    assert len(reasons(reading)) == len(MID_COURSE)
    content = assess(app, *before(), planned, *MID_COURSE)
    assert "needs its first session" in " ".join(note["text"] for note in content["note"])


def test_an_earlier_course_is_not_this_one(reader: FhirReader) -> None:
    """Sessions and scores from before the last order are of another course."""
    earlier = [session(400 - day, identifier=f"earlier-{day}") for day in range(5)]
    past = observation(
        "past", "hdrs-17-total", 393, LOCAL, valueQuantity=quantity(8, "{score}")
    )  # fmt: skip
    ordered = order(authoredOn=days_ago(FIRST + 5), status="active")
    reading = read(reader, *before(), ordered, *earlier, past, *sessions(), *MID_COURSE)
    assert [day for day, _ in days_of(reading)] == [7, 14, 21]


def test_sessions_that_come_faster_than_days_tell_are_refused(reader: FhirReader) -> None:
    """Ten a day: week 1 of five sessions a week would be over on the first morning."""
    accelerated = [
        session(FIRST - day - hour / 24, identifier=f"s-{day}-{hour}")
        for day in range(5) for hour in range(10)
    ]  # fmt: skip
    error = refusal(reader, *before(), *accelerated, hdrs(12, 7))
    assert error.code == "course_pace"
    (problem,) = error.problems
    assert "days do not tell the week of treatment" in problem.problem
    assert "POST /predict, course[].session" in problem.allowed


def test_an_order_in_mid_course_leaves_the_first_session_uncertain(reader: FhirReader) -> None:
    renewed = order("renewed", authoredOn=days_ago(FIRST - 9.5), status="active")
    error = refusal(reader, *before(), renewed, *sessions(), *MID_COURSE)
    assert error.code == "course_start"
    (problem,) = error.problems
    assert "first session of the course is not certain" in problem.problem
    assert "POST /predict, course[].session" in problem.allowed
    # Without a later score there is no course, and so nothing to refuse.
    assert read(reader, *before(), renewed, *sessions()).course is None


def test_two_totals_of_one_day_must_agree(reader: FhirReader) -> None:
    noon = days_ago(FIRST - 7)
    one, same, other = (
        {**hdrs(total, 7, name), "effectiveDateTime": noon}
        for total, name in ((20, "one"), (20, "same"), (12, "other"))
    )
    reading = read(reader, *before(), *sessions(), one, same)
    assert days_of(reading) == [(7, 20)]
    assert {"Observation/one", "Observation/same"} <= set(reading.basis)
    error = refusal(reader, *before(), *sessions(), one, other)
    assert error.code == "conflict"


@pytest.mark.parametrize("total", [53, 7731])
def test_a_total_out_of_range_is_refused_at_its_place(reader: FhirReader, total: int) -> None:
    resources = [*before(), *sessions(), hdrs(total, 7)]
    error = refusal(reader, *resources)
    (problem,) = error.problems
    assert problem.field.startswith(f"Bundle.entry[{len(resources) - 1}]")
    assert (problem.problem, problem.allowed) == (
        "the total is out of range for HDRS-17", "0 to 52",
    )  # fmt: skip


def test_another_instrument_is_no_score_of_the_course(reader: FhirReader) -> None:
    reading = read(reader, *before(), *sessions(), phq9(9, FIRST - 7, "other"))
    assert reading.course is None
    assert reasons(reading) == {"Observation/other": "dated after the index date"}


def test_a_score_of_the_future_is_not_used(reader: FhirReader) -> None:
    reading = read(reader, *before(), *sessions(), hdrs(20, 7), hdrs(1, FIRST + 3))
    assert days_of(reading) == [(7, 20)]
    assert reasons(reading) == {f"Observation/hdrs-day-{FIRST + 3}": "dated after the index date"}


def test_a_model_before_treatment_alone_reads_no_course(family: ResponsePredictor) -> None:
    alone = FhirReader(family.with_landmarks(()), FhirSettings())
    reading = read(alone, *before(), *sessions(), *MID_COURSE)
    assert reading.course is None
    assert reading.treatment is None
    assert set(reasons(reading).values()) == {"dated after the index date"}


def test_items_are_summed_and_thoughts_of_suicide_are_shown(family: ResponsePredictor) -> None:
    """On the PHQ-9, whose ninth item asks for them; one that lacks an item is never prorated."""
    settings = FhirSettings()
    whole = questionnaire([1] * 9, FIRST - 7, id="whole")
    part = questionnaire([1] * 8, FIRST - 14, id="part")
    reading = read_patient(
        bundle_resources(bundle(person(), phq9(18, FIRST + 3), *sessions(), whole, part)),
        family.document, Codes(settings.code_system("measure")), settings, now=datetime.now(UTC),
        landmark=LandmarkDocument(week=1, instrument="PHQ-9", sessions_a_week=5),
    )  # fmt: skip
    assert days_of(reading) == [(7, 9)]
    assert reading.suicidal
    assert not reading.patient.suicidal_ideation
    assert reasons(reading) == {
        "QuestionnaireResponse/part": "not all items of PHQ-9; never prorated"
    }


def test_a_card_of_a_patient_in_mid_course_names_its_week(
    app: ASGIApp, family: ResponsePredictor
) -> None:
    ehr = EhrSandbox(app, [*before(), *sessions(), *MID_COURSE])
    response = ehr.call("tms-response")
    assert response.status_code == 200, response.text
    (card,) = response.json()["cards"]
    assert card["summary"].startswith("TMS, week 3: estimated probability of response ")
    assert len(card["summary"]) < 140
    visits = [{"day": 7, "score": 20}, {"day": 14, "score": 15}, {"day": 21, "score": 10}]
    ours = family.predict(Patient(**RECORD), course=Course.model_validate({"visits": visits}))
    assert ours.response_probability is not None
    shown = f"{100 * ours.response_probability:.0f} %"
    detail = card["detail"]
    assert f"**Estimated probability at the end of week 3 of treatment: {shown}**" in detail
    assert "| score on day 21 |" in detail
    assert ours.model.version in detail
    assert "nothing later was used" not in detail.lower()


def test_a_card_before_treatment_names_no_week(app: ASGIApp) -> None:
    (card,) = EhrSandbox(app, [*before(), *sessions(0)]).call("tms-response").json()["cards"]
    assert card["summary"].startswith("TMS: estimated probability of response ")
    assert "Nothing later was used." in card["detail"]
