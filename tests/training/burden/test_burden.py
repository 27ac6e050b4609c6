"""What a run says of sessions and cost: of whom, from which predictions, and what it withholds."""

from dataclasses import replace
from math import hypot

import numpy as np
import pandas as pd
import pytest
from cohort_tables import quick_config, simulated_table
from course_cohorts import WEEKS, standard_course

from training.burden.burden import burden_of, median_planned
from training.burden.measures import MINUS_TREAT_ALL, SHARE_CHANGED
from training.burden.strategies import SESSIONS
from training.burden.summary import BurdenFigure, BurdenSummary
from training.config import BurdenConfig, TrainingConfig
from training.course.judging import COURSE
from training.dataset import TrainingTable
from training.judging.judge import Judged
from training.learning.models import BASE_RATE, LIGHTGBM_CLINICAL
from training.learning.rows import FloatArray
from training.summary import RunSummary


def config(**changes: object) -> TrainingConfig:
    """Return settings with a course of 30 sessions and re-scoring at a landmark of the tests."""
    standard = quick_config().burden.model_dump()
    chosen = {"sessions_in_a_course": 30, "rescoring_week": WEEKS[1], **changes}
    return quick_config(burden=BurdenConfig.model_validate({**standard, **chosen}))


def judged(table: TrainingTable, p: FloatArray, model: str = LIGHTGBM_CLINICAL) -> Judged:
    """Return held-out predictions as a run would hold them, the rows in disorder."""
    n = len(table.y)
    frame = pd.DataFrame(
        {
            "row": np.arange(1, n + 1), "site": table.site, "has_connectome": False, "repeat": 0,
            "fold": 0, "y": table.y.astype(int), "model": model, "probability": p,
        }
    ).sample(frac=1, random_state=1)  # fmt: skip
    nothing = pd.DataFrame()
    return Judged("split", [], (BASE_RATE, model), [], frame, nothing, nothing)


def spread(table: TrainingTable) -> FloatArray:
    """Return chances from 0.25 to 0.75 that say something of the outcome."""
    rng = np.random.default_rng(2)
    p: FloatArray = np.clip(0.45 + 0.1 * table.y + rng.normal(0, 0.08, len(table.y)), 0.25, 0.75)
    return p


def width(figure: BurdenFigure) -> float:
    """Return how wide an interval is."""
    assert figure.lower is not None
    assert figure.upper is not None
    return figure.upper - figure.lower


def test_each_chance_meets_its_own_patient() -> None:
    table = simulated_table()
    p = spread(table)
    found = burden_of(table, judged(table, p), None, config(thresholds=(0.2, 0.5)))
    nobody, some = found.sequencing.rows
    assert nobody.n_changed == 0
    assert some.n_changed == np.sum(p < 0.5)
    assert some.n_responders_changed == np.sum(table.y & (p < 0.5))
    expected = 30 / np.mean(table.y[p >= 0.5])
    assert some.figures[SESSIONS].estimate == pytest.approx(expected)
    everyone = 30 / np.mean(table.y)
    assert found.treat_all[SESSIONS].estimate == pytest.approx(everyone)
    difference = some.figures[SESSIONS + MINUS_TREAT_ALL]
    assert difference.estimate == pytest.approx(expected - everyone)
    assert width(difference) > 0
    assert difference.upper is not None
    assert difference.upper < 0
    assert nobody.figures[SESSIONS] == found.treat_all[SESSIONS]


def test_differences_are_paired() -> None:
    table = simulated_table()
    found = burden_of(table, judged(table, spread(table)), None, config(thresholds=(0.45,)))
    [row] = found.sequencing.rows

    apart = hypot(width(row.figures[SESSIONS]), width(found.treat_all[SESSIONS]))
    assert width(row.figures[SESSIONS + MINUS_TREAT_ALL]) < 0.8 * apart


def test_re_scoring_speaks_of_everyone_and_asks_those_who_were_scored() -> None:
    _, table, made = standard_course()
    found = burden_of(table, judged(table, spread(table)), made, config(thresholds=(0.4,)))
    landmark = made.landmarks[1]
    assert landmark.judged is not None
    frame = landmark.judged.out_of_fold
    mine = frame[frame["model"] == COURSE]
    # Another road: their lines in the table of the landmark, counted as they stand.
    assert (table.y[landmark.tables.rows] == landmark.tables.table.y).all()
    below = mine["probability"] < 0.4
    repeats = mine["repeat"].nunique()
    [row] = found.rescoring.rows
    assert row.n_changed == pytest.approx(below.sum() / repeats)
    assert row.n_responders_changed == pytest.approx(mine.loc[below, "y"].sum() / repeats)
    assert row.figures[SHARE_CHANGED].estimate == pytest.approx(row.n_changed / len(table.y))
    sessions = 30 * (len(table.y) - row.n_changed) + 15 * row.n_changed
    kept = found.n_responders - row.n_responders_changed
    assert row.figures[SESSIONS].estimate == pytest.approx(sessions / kept)
    assert (found.rescoring.n_asked, found.rescoring.sessions_by_then) == (
        len(landmark.tables.rows), 15,
    )  # fmt: skip
    assert len(landmark.tables.rows) < len(table.y)


def test_a_threshold_that_parts_off_a_few_is_withheld() -> None:
    table = simulated_table()
    p = np.full(len(table.y), 0.5)
    few, enough = np.flatnonzero(table.y)[:4], np.flatnonzero(~table.y)[:9]
    p[few], p[enough] = 0.31, 0.31
    p[np.flatnonzero(table.y)[5:20]] = 0.41
    found = burden_of(table, judged(table, p), None, config(thresholds=(0.3, 0.35, 0.45, 0.9)))
    assert found.sequencing.withheld == (0.35, 0.9)
    assert [row.threshold for row in found.sequencing.rows] == [0.3, 0.45]


def test_what_cannot_be_planned_is_said() -> None:
    table = simulated_table()
    asked = judged(table, spread(table))
    unknown = burden_of(table, asked, None, config(sessions_in_a_course=0))
    assert "set burden.sessions_in_a_course" in unknown.why_absent
    few = replace(table, y=np.arange(len(table.y)) < 4)
    assert "Fewer than 5 patients" in burden_of(few, asked, None, config()).why_absent
    alike = burden_of(table, judged(table, spread(table), BASE_RATE), None, config())
    assert "same chance" in alike.sequencing.why_absent
    assert alike.treat_all
    assert "train --course" in alike.rescoring.why_absent


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rescoring_week": 7.0}, "no model of week 7; set burden.rescoring_week"),
        ({"sessions_in_a_course": 12}, "The course of 12 sessions is over by then"),
    ],
)
def test_re_scoring_without_a_model_or_too_late_is_said(
    changes: dict[str, object], why: str
) -> None:
    _, table, made = standard_course()
    found = burden_of(table, judged(table, spread(table)), made, config(**changes))
    assert why in found.rescoring.why_absent
    assert found.rescoring.rows == ()
    assert found.sequencing.rows


def test_a_course_is_as_long_as_was_planned_unless_it_is_given() -> None:
    table = simulated_table()
    column = [feature.name for feature in table.features].index("sessions_planned")
    X = table.X.copy()
    X[:4, column] = 36
    assert median_planned(replace(table, X=X)) == 0
    X[:8, column] = [20, 20, 30, 30, 36, 36, 36, 20]
    assert median_planned(replace(table, X=X)) == 30
    scans_only = replace(table, X=X[:, -5:], features=table.features[-5:])
    assert median_planned(scans_only) == 0
    planned = replace(table, X=X)
    asked = judged(table, spread(table))
    own = burden_of(planned, asked, None, config(sessions_in_a_course=0))
    assert (own.sessions_in_a_course, own.as_planned) == (30, True)
    given = burden_of(planned, asked, None, config(sessions_in_a_course=25))
    assert (given.sessions_in_a_course, given.as_planned) == (25, False)


def test_it_goes_through_the_summary_unchanged() -> None:
    table = simulated_table()
    found = burden_of(table, judged(table, spread(table)), None, config())
    assert BurdenSummary.model_validate_json(found.model_dump_json()) == found
    assert RunSummary.model_fields["burden"].default is None
