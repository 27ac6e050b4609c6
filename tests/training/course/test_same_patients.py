"""The same patients at every week: recomputed from the held-out predictions by hand."""

import pandas as pd
import pytest
from course_cohorts import WEEKS, course_config, standard_course, workshop
from sklearn.metrics import brier_score_loss

from training.course.judging import COURSE
from training.course.models import MadeCourse
from training.course.same_patients import GROWTH, SAME_PATIENTS, judge_same_patients
from training.performance.missing_outcomes import CASES, outcomes_split


@pytest.fixture(scope="module")
def made() -> MadeCourse:
    return standard_course()[2]


def of_course(made: MadeCourse, number: int) -> pd.DataFrame:
    """Return one week's predictions, by the patients' rows in the whole table."""
    landmark = made.landmarks[number]
    assert landmark.judged is not None
    frame = landmark.judged.out_of_fold
    frame = frame[frame["model"] == COURSE]
    return frame.assign(patient=landmark.tables.rows[frame["row"] - 1]).set_index("patient")


def value(frame: pd.DataFrame, model: str, metric: str, week: float) -> "pd.Series[float]":
    rows = frame[(frame["model"] == model) & (frame["metric"] == metric) & (frame["week"] == week)]
    return rows[~rows["split"].str.contains("site=")].iloc[0]


def test_they_are_those_of_all_weeks_and_judged_as_by_hand(made: MadeCourse) -> None:
    weeks = [of_course(made, number) for number in range(len(WEEKS))]
    both = weeks[0].index.intersection(weeks[1].index)
    assert 0 < len(both) < min(len(week) for week in weeks)
    briers = []
    for week, frame in zip(WEEKS, weeks, strict=True):
        own = frame.loc[both]
        briers.append(brier_score_loss(own["y"], own["probability"]))
        found = value(made.same_patients, SAME_PATIENTS, "brier", week)
        assert found["estimate"] == pytest.approx(briers[-1], abs=1e-12)
        assert found["n"] == len(both)
    growth = value(made.same_patients, GROWTH, "brier", WEEKS[1])
    assert growth["estimate"] == pytest.approx(briers[1] - briers[0], abs=1e-12)
    first = made.same_patients[made.same_patients["week"] == WEEKS[0]]
    assert GROWTH not in set(first["model"])


def test_one_week_alone_is_not_judged_twice(made: MadeCourse) -> None:
    landmark = made.landmarks[0]
    assert landmark.judged is not None
    alone = judge_same_patients([(landmark.tables, landmark.judged)], workshop(course_config()))
    assert alone.empty


def test_who_is_scored_without_an_outcome_bounds_observed_to_expected(made: MadeCourse) -> None:
    for landmark in made.landmarks:
        assert landmark.judged is not None
        rows = landmark.judged.evaluation
        rows = rows[(rows["model"] == COURSE) & (rows["metric"] == "o_to_e")]
        by_split = rows.set_index("split")
        split = landmark.judged.split_name
        none, everybody = (by_split.loc[outcomes_split(split, case)] for case in CASES)
        counts = landmark.tables.counts
        n_all = counts.learned_from + counts.outcome_unknown
        assert none["n"] == everybody["n"] == n_all
        # The same chances are expected in both cases: the ratio of the two is that of the events.
        ratio = (counts.events + counts.outcome_unknown) / counts.events
        assert everybody["estimate"] / none["estimate"] == pytest.approx(ratio, rel=1e-9)
        assert none["estimate"] < by_split["estimate"][split] < everybody["estimate"]
