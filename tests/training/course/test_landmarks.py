"""Who is looked at at a landmark, and that nothing later reaches it."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import minimal_spec
from course_cohorts import altered_after, course_cohort, course_config

from data_schemas.errors import ConfigurationError
from features.table import COURSE_FEATURES
from training.cohort.records import Cohort, CohortMember
from training.course.landmarks import LandmarkTable, landmark_table, landmarks_of
from training.dataset import TrainingTable, build_table

CONFIG = course_config()


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return course_cohort()


@pytest.fixture(scope="module")
def everyone(cohort: Cohort) -> TrainingTable:
    return build_table(cohort, CONFIG)


def at(cohort: Cohort, everyone: TrainingTable, week: float) -> LandmarkTable:
    (landmark,) = (
        replace(each, week=week) for each in landmarks_of(cohort.spec, CONFIG.course)[:1]
    )
    return landmark_table(cohort, everyone, landmark, CONFIG)


def seen_by(cohort: Cohort, week: float) -> list[CohortMember]:
    """Return who is in treatment, scored by then, and has an outcome."""
    return [
        member
        for member in cohort.members
        if member.outcome is not None
        and (member.course_ended_week is None or member.course_ended_week >= week)
        and member.course is not None
        and member.course.weeks()[0] <= week
    ]


@pytest.mark.parametrize("week", [1.0, 2.0, 4.0])
def test_a_landmark_holds_who_is_in_treatment_scored_and_known(
    cohort: Cohort, everyone: TrainingTable, week: float
) -> None:
    members, tables = seen_by(cohort, week), at(cohort, everyone, week)
    assert 0 < len(members) < len(everyone.y)
    outcomes = [member.outcome.response for member in members if member.outcome]
    assert tables.table.y.tolist() == outcomes
    scores = [[v.score for v in m.course.visits] for m in members if m.course]
    weeks = [m.course.weeks() for m in members if m.course]
    latest = [s[sum(w <= week for w in when) - 1] for s, when in zip(scores, weeks, strict=True)]
    assert tables.table.X[:, -len(COURSE_FEATURES)].tolist() == latest


@pytest.mark.parametrize("week", [1.0, 3.0])
def test_everybody_is_counted_once(cohort: Cohort, everyone: TrainingTable, week: float) -> None:
    counts = at(cohort, everyone, week).counts
    parts = (counts.stopped, counts.not_scored, counts.outcome_unknown, counts.learned_from)
    assert counts.listed == len(cohort.members)
    assert all(part > 0 for part in parts)
    # Of those who are in treatment without a score, some may have no outcome either.
    assert sum(parts) == counts.listed
    assert 0 < counts.events < counts.learned_from


def test_the_same_patients_stand_in_all_tables(cohort: Cohort, everyone: TrainingTable) -> None:
    tables = at(cohort, everyone, 3)
    n = len(COURSE_FEATURES)
    np.testing.assert_array_equal(tables.table.X[:, :-n], tables.before.X)
    assert tables.table.features[:-n] == tables.before.features == everyone.features
    for other in (tables.before, tables.rule):
        assert other.y is tables.table.y
        assert other.site is tables.table.site


@pytest.mark.parametrize(("week", "rule_week"), [(1.0, 1.0), (2.0, 2.0), (4.0, 2.0)])
def test_the_rule_is_an_improvement_of_a_fifth_by_week_2(
    cohort: Cohort, everyone: TrainingTable, week: float, rule_week: float
) -> None:
    rule = at(cohort, everyone, week).rule.X[:, 0]
    for member, flag in zip(seen_by(cohort, week), rule.tolist(), strict=True):
        assert member.course
        seen = member.course.until(rule_week)
        if seen is None:
            assert np.isnan(flag)
        else:
            before = member.patient.depression_total
            assert before
            assert flag == (seen.visits[-1].score <= 0.8 * before)


def test_later_scores_change_no_bit_of_a_landmark(cohort: Cohort, everyone: TrainingTable) -> None:
    altered = altered_after(cohort, 2)
    assert altered.members != cohort.members
    one, other = at(cohort, everyone, 2), at(altered, everyone, 2)
    for name in ("table", "before", "rule"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.X.tobytes() == theirs.X.tobytes()
        assert mine.y.tobytes() == theirs.y.tobytes()
    later, changed = at(cohort, everyone, 4), at(altered, everyone, 4)
    assert later.table.X.tobytes() != changed.table.X.tobytes()


def test_a_cohort_without_scores_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no section \[course\].*without --course"):
        landmarks_of(minimal_spec(), CONFIG.course)
