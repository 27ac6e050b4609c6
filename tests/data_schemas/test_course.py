"""The scores during treatment: in order, within range and plan, and never repeated in an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_schemas.course import Course, check_course
from data_schemas.errors import DataError, field_problems
from data_schemas.patient import Patient

WEEKLY: list[dict[str, Any]] = [
    {"session": 5, "score": 20},
    {"session": 10, "score": 16.5},
    {"session": 16, "score": 9},
]


def course(visits: list[dict[str, Any]]) -> Course:
    return Course.model_validate({"visits": visits})


def refused(visits: list[dict[str, Any]]) -> str:
    with pytest.raises(ValidationError) as caught:
        course(visits)
    return "\n".join(str(problem) for problem in field_problems(caught.value, Course))


def test_weeks_follow_from_sessions_or_from_days() -> None:
    assert course(WEEKLY).weeks() == (1.0, 2.0, 3.2)
    assert course(WEEKLY).weeks(sessions_a_week=10) == (0.5, 1.0, 1.6)
    assert course([{"day": 7, "score": 1}, {"day": 10.5, "score": 1}]).weeks() == (1.0, 1.5)


def test_a_week_holds_what_was_scored_up_to_its_end() -> None:
    whole = course(WEEKLY)
    assert whole.until(0.9) is None
    assert whole.until(1) == course(WEEKLY[:1])
    assert whole.until(3.1) == course(WEEKLY[:2])
    assert whole.until(3.2) == whole


@given(
    sessions=st.lists(st.integers(1, 200), min_size=1, max_size=30, unique=True).map(sorted),
    week=st.floats(0.1, 40),
)
def test_later_visits_are_never_among_earlier_ones(sessions: list[int], week: float) -> None:
    whole = course([{"session": session, "score": 10} for session in sessions])
    known = whole.until(week)
    seen = len(known.visits) if known else 0
    assert whole.visits[:seen] == (known.visits if known else ())
    assert all(when <= week for when in whole.weeks()[:seen])
    assert all(when > week for when in whole.weeks()[seen:])


@pytest.mark.parametrize(
    ("visits", "problem"),
    [
        ([], "visits: should be longer"),
        ([{"session": 5, "score": 11}, {"session": 5, "score": 9}], "course.1.session: does not"),
        ([{"session": 6, "score": 11}, {"session": 5, "score": 9}], "come after"),
        ([{"day": 8, "score": 11}, {"day": 7, "score": 9}], "course.1.day: does not come after"),
        ([{"session": 5, "score": 11}, {"day": 9, "score": 9}], "sessions for some"),
        ([{"session": 5, "day": 7, "score": 11}], "session: or day is needed, one of them"),
        ([{"score": 11}], "session: or day is needed"),
        ([{"session": 0, "score": 11}], "visits.0.session: is out of range (allowed: 1 to 200)"),
        ([{"session": 5}], "visits.0.score: is required"),
        ([{"session": 5, "score": -1}], "visits.0.score: is out of range"),
        ([{"session": 5, "score": float("nan")}], "visits.0.score: should be a finite number"),
        ([{"session": 5, "score": 11, "mood": 3}], "visits.0.mood: is not a known field"),
        ([{"session": 1, "score": 1}] * 101, "visits: should be shorter"),
    ],
)
def test_what_is_no_course_is_refused(visits: list[dict[str, Any]], problem: str) -> None:
    said = refused(visits)
    assert problem in said
    assert "11" not in said


def test_scores_fit_the_instrument_and_sessions_the_plan() -> None:
    fine = course(WEEKLY)
    assert check_course(fine, "HDRS-17", 16) is fine
    assert check_course(fine, "PHQ-9") is fine
    high = course([{"session": 5, "score": 28}, {"session": 33, "score": 27}])
    with pytest.raises(DataError) as caught:
        check_course(high, "PHQ-9", 30)
    assert [str(problem) for problem in caught.value.problems] == [
        "course.0.score: is out of range for PHQ-9 (allowed: 0 to 27)",
        "course.1.session: is beyond sessions_planned of the patient",
    ]
    assert "28" not in str(caught.value)
    assert "33" not in str(caught.value)


def test_a_stated_instrument_must_be_that_of_the_model() -> None:
    stated = course([{"session": 5, "score": 20, "instrument": "HDRS-17"}])
    assert check_course(stated, "HDRS-17") is stated
    with pytest.raises(DataError) as caught:
        check_course(stated, "PHQ-9")
    # One problem and not two: whether 20 is in range for the PHQ-9 is not the question.
    (problem,) = caught.value.problems
    assert (problem.field, problem.allowed) == ("course.0.instrument", "PHQ-9")
    assert problem.problem == "is not the instrument of the model; scores are not converted"
    assert "HDRS" not in str(caught.value)


def test_a_patient_holds_no_course() -> None:
    assert "course" not in Patient.model_fields
    with pytest.raises(ValidationError):
        Patient.model_validate({"course": WEEKLY})
