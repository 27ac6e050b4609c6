"""Slopes of parts of the patients."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from training.performance.calibration import calibration_slope, in_groups_with_both_outcomes
from training.performance.held_out import HeldOut
from training.performance.level_slopes import slopes_of_parts


def held_out_sites(seed: int, n: int = 800) -> HeldOut:
    """Return calibrated predictions but for a level of each of eight sites; true slope 1."""
    rng = np.random.default_rng(seed)
    group = rng.integers(8, size=n)
    site = np.linspace(-0.8, 0.8, 8)[group]
    log_odds = rng.normal(0, 0.8, n)
    y = rng.random(n) < expit(site + log_odds)
    p = expit(log_odds - 0.1 * site)
    first = np.arange(n) < 45
    return HeldOut(np.arange(1, n + 1), y, group.astype(str), p[None], group[None], first)


def slopes(held: HeldOut, *, by_group: bool) -> float:
    """Return the slope of those marked by `has_connectome`."""
    measure = slopes_of_parts(held, [held.has_connectome], by_group=by_group)
    return float(measure(np.ones((1, held.n)))[0].values[0, 0])


def test_without_groups_it_is_the_plain_slope_of_the_part() -> None:
    held = held_out_sites(0)
    part = held.of(held.has_connectome)
    expected = calibration_slope(part.y, part.probability[0], np.ones((1, part.n)))[0]
    assert slopes(held, by_group=False) == pytest.approx(expected, abs=1e-8)


def test_sites_have_the_intercepts_of_all_patients() -> None:
    held = held_out_sites(1)
    log_odds = logit(held.probability[0])
    indicators = held.fold[0][:, None] == np.arange(8)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    reference.fit(np.column_stack([log_odds, indicators]), held.y)
    offset = indicators @ reference.coef_[0, 1:]
    part = held.has_connectome

    grid = np.linspace(-1, 4, 501)
    intercepts = np.linspace(-1, 1, 101)
    eta = grid[:, None, None] * log_odds[part] + intercepts[:, None] + offset[part]
    likelihood = (held.y[part] * eta - np.logaddexp(0, eta)).sum(axis=2)
    best = grid[np.unravel_index(np.argmax(likelihood), likelihood.shape)[0]]
    assert slopes(held, by_group=True) == pytest.approx(best, abs=0.02)


def test_few_patients_a_site_do_not_make_the_slope_too_steep() -> None:
    shared, own = [], []
    for seed in range(150):
        held = held_out_sites(seed)
        part = held.of(held.has_connectome)
        once = np.ones((1, part.n))
        own.append(calibration_slope(part.y, part.probability[0], once, part.fold[0])[0])
        shared.append(slopes(held, by_group=True))
    assert np.nanmedian(own) > 1.2
    assert 0.9 < np.median(shared) < 1.2


def test_a_group_with_one_outcome_says_nothing_of_the_slope() -> None:
    held = held_out_sites(2, n=200)
    y = held.y | (held.fold[0] == 3)
    weights = np.ones((2, 200))
    usable = in_groups_with_both_outcomes(y, held.fold[0], weights)
    assert (usable == (held.fold[0] != 3)).all()
    rest = held.fold[0] != 3
    expected = calibration_slope(
        y[rest], held.probability[0][rest], np.ones((1, rest.sum())), held.fold[0][rest]
    )
    found = calibration_slope(y, held.probability[0], weights, held.fold[0])
    assert found == pytest.approx(np.repeat(expected, 2), rel=1e-6)
