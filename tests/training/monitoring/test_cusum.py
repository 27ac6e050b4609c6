"""The chart of calibration: its sum, its limit and its run lengths, each by another road."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from training.monitoring.cusum import alarm_chance, alarm_limit, average_run_length, cusum
from training.monitoring.settings import MonitoringSettings

PREDICTED = expit(np.random.default_rng(0).normal(0, 0.4, 500))
SHIFT = 0.5


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60),
    st.sampled_from([-0.5, 0.5, 1.0]),
)
def test_the_chart_is_the_recursion(outcomes: list[tuple[bool, float]], shift: float) -> None:
    y = np.array([each for each, _ in outcomes])
    p = np.array([each for _, each in outcomes])
    expected, level = [], 0.0
    for happened, chance in zip(y, np.clip(p, 1e-6, 1 - 1e-6), strict=True):
        shifted = expit(logit(chance) + shift)
        ratio = shifted / chance if happened else (1 - shifted) / (1 - chance)
        level = max(0.0, level + np.log(ratio))
        expected.append(level)
    assert cusum(y, p, shift) == pytest.approx(expected, abs=1e-9)


def simulated_alarms(limit: float, n_outcomes: int, true_shift: float, runs: int) -> float:
    rng = np.random.default_rng(1)
    chance = rng.choice(PREDICTED, (runs, n_outcomes))
    y = rng.random((runs, n_outcomes)) < expit(logit(chance) + true_shift)
    charts = (cusum(*run, SHIFT) for run in zip(y, chance, strict=True))
    return float(np.mean([chart.max() >= limit for chart in charts]))


@pytest.mark.parametrize("true_shift", [0.0, 0.5])
def test_the_chance_of_an_alarm_is_that_of_simulated_years(true_shift: float) -> None:
    limit, n, runs = 4.0, 300, 2_000
    computed = alarm_chance(limit, PREDICTED, n, SHIFT, true_shift)
    simulated = simulated_alarms(limit, n, true_shift, runs)
    assert simulated == pytest.approx(computed, abs=4 * np.sqrt(computed * (1 - computed) / runs))


def test_the_limit_keeps_to_the_false_alarms() -> None:
    limit = alarm_limit(PREDICTED, 1_000, SHIFT, 0.02)
    assert alarm_chance(limit, PREDICTED, 1_000, SHIFT) == pytest.approx(0.02, rel=0.01)
    # Rare alarms come at a steady rate, so that the run length follows from their chance.
    assert average_run_length(limit, PREDICTED, SHIFT) == pytest.approx(
        -1_000 / np.log1p(-0.02), rel=0.2
    )


def test_more_outcomes_a_year_need_a_higher_limit() -> None:
    limits = [alarm_limit(PREDICTED, n, SHIFT, 0.02) for n in (100, 300, 1_000)]
    assert limits == sorted(limits)


@pytest.mark.parametrize("shift", [SHIFT, -SHIFT])
@pytest.mark.parametrize("outcomes_per_year", [200, 1_000])
def test_half_a_unit_is_found_within_300_outcomes(shift: float, outcomes_per_year: int) -> None:
    limit = alarm_limit(PREDICTED, outcomes_per_year, shift, 0.02)
    assert alarm_chance(limit, PREDICTED, 300, shift, shift) >= 0.8
    assert average_run_length(limit, PREDICTED, shift, shift) < 300


@pytest.mark.parametrize(
    ("outcomes_per_year", "right", "shifted", "found_of_five"),
    [(100, 1_700, 105, 0.97), (200, 4_500, 140, 0.93), (500, 15_000, 180, 0.82)],
)
def test_the_figures_of_the_documentation(
    outcomes_per_year: int, right: int, shifted: int, found_of_five: float
) -> None:
    one, five = MonitoringSettings(), MonitoringSettings(models=5)
    limit = alarm_limit(PREDICTED, outcomes_per_year, one.shift, one.of_each_calibration_chart)
    assert average_run_length(limit, PREDICTED, one.shift) == pytest.approx(right, rel=0.05)
    assert average_run_length(limit, PREDICTED, one.shift, 0.5) == pytest.approx(shifted, rel=0.05)
    timid = expit(0.5 * logit(PREDICTED))
    limit = alarm_limit(timid, outcomes_per_year, five.shift, five.of_each_calibration_chart)
    found = alarm_chance(limit, timid, 300, five.shift, 0.5)
    assert found == pytest.approx(found_of_five, abs=0.01)
