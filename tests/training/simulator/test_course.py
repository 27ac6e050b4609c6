"""Simulated courses: as informative as published, of a stream of their own, within the plan."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from training.cohort.read import read_cohort
from training.simulator.columns import FloatArray
from training.simulator.course import CourseDraw, draw_course
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.parameters import load_parameters
from training.simulator.phenotypes import table_files
from training.simulator.writer import simulate

# R2 of the final improvement with the data of week 1 and of week 3: Liu 2020.
PUBLISHED = {1: 0.277, 3: 0.464}


@pytest.fixture(scope="module")
def draw() -> PatientDraw:
    return draw_patients(20_000, seed=5)


@pytest.fixture(scope="module")
def course(draw: PatientDraw) -> CourseDraw:
    return draw_course(draw)


def improvement(draw: PatientDraw, totals: FloatArray) -> FloatArray:
    return 1 - totals / draw.outcomes.baseline_total


@pytest.mark.parametrize(("week", "published"), PUBLISHED.items())
def test_early_improvement_explains_what_was_published(
    draw: PatientDraw, course: CourseDraw, week: int, published: float
) -> None:
    seen = course.observed[:, week - 1] & draw.outcome_known
    early = improvement(draw, course.score[:, week - 1])[seen]
    final = improvement(draw, draw.outcomes.final_total)[seen]
    # Rounding, clipping and visits that shift move it a little; the sampling error is 0.007.
    assert np.corrcoef(early, final)[0, 1] ** 2 == pytest.approx(published, abs=0.02)


def test_later_weeks_tell_more(draw: PatientDraw, course: CourseDraw) -> None:
    final = improvement(draw, draw.outcomes.final_total)
    told = [float(np.corrcoef(improvement(draw, total), final)[0, 1]) for total in course.score.T]
    assert told == sorted(told)


def test_scores_are_whole_points_of_the_scale(course: CourseDraw) -> None:
    assert (course.score == np.rint(course.score)).all()
    assert course.score.min() >= 0
    assert course.score.max() <= 52


def test_visits_shift_are_missed_and_end_with_treatment(
    draw: PatientDraw, course: CourseDraw
) -> None:
    planned = draw.recorded["sessions_planned"]
    received = np.where(np.isnan(course.sessions_received), planned, course.sessions_received)
    last = np.where(course.observed, course.session, 0).max(axis=1)
    assert (last <= received).all()
    assert (last < planned).all()
    assert (np.diff(course.session, axis=1) > 0).all()
    stopped = ~np.isnan(course.sessions_received)
    # Without a final total everybody stopped; of the others about one in twenty did.
    assert stopped[~draw.outcome_known].all()
    assert np.mean(stopped[draw.outcome_known]) == pytest.approx(0.05, abs=0.01)
    weekly = course.observed[~stopped][:, :3]
    assert np.mean(weekly) == pytest.approx(0.88, abs=0.01)


def test_the_course_tells_no_more_than_the_totals(draw: PatientDraw, course: CourseDraw) -> None:
    """Given the final improvement, a deviation is unrelated to who the patient is."""
    final = improvement(draw, draw.outcomes.final_total)
    for week in (0, 2):
        early = improvement(draw, course.score[:, week])
        slope, intercept = np.polyfit(final, early, 1)
        left = early - slope * final - intercept
        for trait in (draw.latent.anxiety, draw.latent.failed_trials):
            assert abs(np.corrcoef(left, trait)[0, 1]) < 4 / np.sqrt(len(draw))


def test_the_same_seed_gives_the_same_course(draw: PatientDraw, course: CourseDraw) -> None:
    again, other = draw_course(draw), draw_course(draw_patients(20_000, seed=6))
    assert np.array_equal(again.score, course.score)
    assert not np.array_equal(other.score, course.score)


def test_no_other_table_depends_on_the_course() -> None:
    parameters = load_parameters()
    missing = parameters.course.model_copy(update={"visit_missing": 0.9, "stopped_early": 0.5})
    changed = parameters.model_copy(update={"course": missing})
    files, others = (
        table_files(draw_patients(60, seed=3, n_sites=2, parameters=p))
        for p in (parameters, changed)
    )
    differ = {name for name in files if files[name] != others[name]}
    assert differ == {"phenotype/course.tsv", "phenotype/attendance.tsv"}


def test_the_written_course_is_the_one_that_was_drawn(tmp_path: Path) -> None:
    simulate(tmp_path, 40, 2, seed=9, n_matrices=0)
    draw = draw_patients(40, seed=9, n_sites=2)
    course = draw_course(draw)
    members = read_cohort(tmp_path).members
    for number, member in enumerate(members):
        seen = course.observed[number]
        expected = list(zip(course.session[number, seen], course.score[number, seen], strict=True))
        visits = member.course.visits if member.course else ()
        assert [(visit.session, visit.score) for visit in visits] == expected
    ended = [member.course_ended_week for member in members]
    assert [np.nan if week is None else week for week in ended] == pytest.approx(
        course.sessions_received / 5, nan_ok=True
    )
    assert list(_on_self_ratings(tmp_path)) == [None] * 40


def _on_self_ratings(folder: Path) -> Iterator[object]:
    """The course is one of HDRS-17 totals, which the cohort of PHQ-9 totals does not name."""
    yield from (member.course for member in read_cohort(folder / "cohort-phq9.toml").members)
