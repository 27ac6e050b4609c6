"""Expected intervals against those of simulated studies."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from training.learning.rows import BoolArray, FloatArray
from training.performance.calibration import calibration_slope
from training.performance.site_summary import delong, site_auroc, summarise_sites
from training.planning.precision import (
    auroc_interval,
    auroc_interval_over_sites,
    auroc_standard_error,
    slope_interval,
    slope_standard_error,
)

CASES = [(0.65, 0.47, 300), (0.7, 0.3, 400), (0.8, 0.2, 300)]


def study(
    rng: np.random.Generator, auroc: float, prevalence: float, n: int
) -> tuple[BoolArray, FloatArray]:
    """Return the outcomes of n patients and a calibrated model's probabilities."""
    mu = float(np.sqrt(2) * norm.ppf(auroc))
    y = rng.random(n) < prevalence
    return y, expit(logit(prevalence) + mu * rng.normal(mu * y, 1) - mu**2 / 2)


@pytest.mark.parametrize(("auroc", "prevalence", "n"), CASES)
def test_the_interval_of_the_auroc_is_as_wide_as_in_simulated_studies(
    auroc: float, prevalence: float, n: int
) -> None:
    rng = np.random.default_rng(1)
    widths, values = [], []
    for _ in range(400):
        value, variance = delong(*study(rng, auroc, prevalence, n))
        reach = 1.96 * variance**0.5 / (value * (1 - value))
        lower, upper = expit(logit(value) + np.array([-reach, reach]))
        widths.append(upper - lower)
        values.append(value)
    interval = auroc_interval(auroc, prevalence, n)
    assert interval is not None
    assert interval.lower < auroc < interval.upper
    assert interval.width == pytest.approx(np.mean(widths), rel=0.02)
    events = round(n * prevalence)
    standard_error = auroc_standard_error(auroc, events, n - events)
    assert standard_error == pytest.approx(np.std(values), rel=0.1)


@pytest.mark.parametrize(("auroc", "prevalence", "n"), CASES)
def test_the_slope_is_as_uncertain_as_in_simulated_studies(
    auroc: float, prevalence: float, n: int
) -> None:
    rng = np.random.default_rng(2)
    slopes = [
        calibration_slope(*study(rng, auroc, prevalence, n), np.ones((1, n)))[0] for _ in range(600)
    ]
    expected = slope_standard_error(auroc, prevalence, n)
    assert expected == pytest.approx(np.std(slopes), rel=0.1)
    interval = slope_interval(auroc, prevalence, n)
    assert interval.width == pytest.approx(2 * 1.96 * expected, rel=1e-4)


def test_the_interval_over_sites_is_that_of_the_programs_own_summary() -> None:
    rng, sites, n = np.random.default_rng(3), 8, 800
    widths = []
    for _ in range(200):
        y, p = study(rng, 0.65, 0.47, n)
        site = np.arange(n) % sites
        found = [site_auroc(y[site == each], p[None, site == each], 0.95) for each in range(sites)]
        summary = summarise_sites(found, 0.95)
        widths.append(summary.upper - summary.lower)
    expected = auroc_interval_over_sites(0.65, 0.47, n, sites)
    assert expected is not None
    assert expected.width == pytest.approx(np.mean(widths), rel=0.05)


def test_sites_make_an_interval_wider_and_patients_narrower() -> None:
    together, apart = auroc_interval(0.65, 0.47, 800), auroc_interval_over_sites(0.65, 0.47, 800, 8)
    more = auroc_interval_over_sites(0.65, 0.47, 1600, 8)
    assert together is not None
    assert apart is not None
    assert more is not None
    assert together.width < apart.width
    assert more.width < apart.width


def test_there_is_no_interval_from_fewer_than_five_of_an_outcome() -> None:
    assert auroc_interval(0.65, 0.1, 40) is None
    assert auroc_interval(0.65, 0.1, 50) is not None
    assert auroc_interval_over_sites(0.65, 0.1, 350, 8) is None
