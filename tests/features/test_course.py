"""The features of the course: by hand, and from nothing that comes after the landmark."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.course import Course
from data_schemas.patient import Patient
from features.course import COURSE_NAMES, Landmark, course_summary
from features.patient_rows import patient_row
from features.table import COURSE_FEATURES, FEATURES

PATIENT = Patient(depression_instrument="HDRS-17", depression_total=24)
WEEK_2 = Landmark(2.0, "HDRS-17", 5.0)


def course(*visits: tuple[int, float]) -> Course:
    records = [{"session": session, "score": score} for session, score in visits]
    return Course.model_validate({"visits": records})


def summary(so_far: Course | None, patient: Patient = PATIENT) -> list[float]:
    found = course_summary(patient, so_far, WEEK_2)
    return [found[name] for name in COURSE_NAMES]


def test_the_features_by_hand() -> None:
    # Week 0: 24, week 1: 20, week 1.8: 18; the slope is that of numpy.
    slope = np.polyfit([0, 1, 1.8], [24, 20, 18], 1)[0]
    expected = [18, 25, slope, 2, 7 * 0.2]
    assert summary(course((5, 20), (9, 18))) == pytest.approx(expected)


def test_without_a_baseline_there_is_no_improvement() -> None:
    two, one = course((5, 20), (10, 18)), course((5, 20))
    for other in (Patient(), Patient(depression_instrument="PHQ-9", depression_total=24)):
        latest, improvement, slope, scores, days = summary(two, other)
        assert (latest, scores, days) == (18, 2, 0)
        assert np.isnan(improvement)
        assert slope == pytest.approx(-2)
        assert np.isnan(summary(one, other)[2])


def test_without_a_score_by_then_only_their_number_is_known() -> None:
    for nothing in (None, course((11, 3))):
        *unknown, scores, days = summary(nothing)
        assert scores == 0
        assert np.isnan([*unknown, days]).all()


@given(
    sessions=st.lists(st.integers(1, 60), min_size=1, max_size=12, unique=True).map(sorted),
    scores=st.lists(st.integers(0, 52), min_size=12, max_size=12),
    others=st.lists(st.integers(0, 52), min_size=12, max_size=12),
)
def test_what_comes_later_changes_nothing(
    sessions: list[int], scores: list[int], others: list[int]
) -> None:
    whole = course(*zip(sessions, scores, strict=False))
    altered = course(*(
        (session, score if session <= 10 else other)
        for session, score, other in zip(sessions, scores, others, strict=False)
    ))  # fmt: skip
    np.testing.assert_array_equal(summary(whole), summary(altered))
    np.testing.assert_array_equal(summary(whole), summary(WEEK_2.seen(whole)))


@given(scores=st.lists(st.integers(0, 52), min_size=3, max_size=3), step=st.integers(0, 5))
def test_a_lower_last_score_is_a_larger_improvement(scores: list[int], step: int) -> None:
    low = [*scores[:2], max(0, scores[2] - step)]
    one, other = (summary(course(*zip((3, 6, 10), each, strict=True)))[1] for each in (scores, low))
    assert other >= one


def test_the_features_are_a_table_of_their_own() -> None:
    assert tuple(feature.name for feature in COURSE_FEATURES) == COURSE_NAMES
    assert not {feature.name for feature in FEATURES} & set(COURSE_NAMES)
    for feature in COURSE_FEATURES:
        assert (feature.domain, feature.group, feature.compute) == ("course", "clinical", None)
        assert bool(feature.monotone) == bool(feature.monotone_source)


def test_a_row_holds_both_kinds() -> None:
    age = next(feature for feature in FEATURES if feature.name == "age_years")
    features = (COURSE_FEATURES[0], age, COURSE_FEATURES[3])
    patient = PATIENT.model_copy(update={"age_years": 41.0})
    assert patient_row(patient, features, None, course((5, 20)), WEEK_2).tolist() == [20, 41, 1]
