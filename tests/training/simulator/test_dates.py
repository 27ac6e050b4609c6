"""Simulated dates: of their own stream, uniform, and unrelated to anything else."""

from datetime import date
from pathlib import Path

import numpy as np
from scipy import stats

from training.cohort.read import read_cohort
from training.simulator.dates import FIRST_DAY, LAST_DAY, start_dates
from training.simulator.draw import draw_patients
from training.simulator.writer import simulate


def ordinals(seed: int, n: int) -> np.ndarray:
    return np.array([date.fromisoformat(day).toordinal() for day in start_dates(seed, n)])


def test_the_same_seed_gives_the_same_dates() -> None:
    assert start_dates(7, 50) == start_dates(7, 50)
    assert start_dates(7, 50) != start_dates(8, 50)


def test_days_are_uniform_over_four_years() -> None:
    days = ordinals(3, 20_000)
    first, last = FIRST_DAY.toordinal(), LAST_DAY.toordinal()
    assert last - first + 1 == 4 * 365 + 1
    assert (days.min(), days.max()) == (first, last)
    assert stats.kstest(days, stats.uniform(first, last - first + 1).cdf).pvalue > 0.001


def test_dates_are_unrelated_to_outcome_and_site() -> None:
    draw = draw_patients(5000, seed=3)
    days = ordinals(3, 5000)
    for other in (draw.outcomes.response, draw.latent.severity, draw.outcome_known):
        assert abs(stats.spearmanr(days, other).statistic) < 4 / np.sqrt(5000)
    by_site = [days[draw.enrolment.site_index == number] for number in range(8)]
    assert stats.kruskal(*by_site).pvalue > 0.001


def test_a_simulated_cohort_reads_with_its_dates(tmp_path: Path) -> None:
    simulate(tmp_path, 20, 1, n_matrices=0)
    cohort = read_cohort(tmp_path)
    read = [member.treatment_started for member in cohort.members]
    assert read == [date.fromisoformat(day) for day in start_dates(7, 20)]
    sidecar = (tmp_path / "participants.json").read_text("utf-8")
    assert "Simulated date of the first session" in sidecar
