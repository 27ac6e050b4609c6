"""Riley's criteria against published numbers, and against the simulation that they come from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from training.planning.page import PARAMETERS, SIMULATED
from training.planning.sample_size import (
    expected_shrinkage,
    largest_r_squared,
    linear_predictor,
    patients_for_shrinkage,
    r_squared_from_auroc,
    required_sample,
)

AUROCS = st.floats(0.52, 0.95)
PREVALENCES = st.floats(0.02, 0.98)


def simulated_r_squared(auroc: float, prevalence: float, n: int) -> float:
    """Return the R-squared as it is published: simulate, fit a regression, compare likelihoods."""
    rng = np.random.default_rng(0)
    y = np.arange(n) < prevalence * n
    score = rng.normal(np.sqrt(2) * norm.ppf(auroc) * y, 1)
    fit = LogisticRegression(C=np.inf).fit(score[:, None], y)
    log_odds = fit.decision_function(score[:, None])
    null = np.where(y, np.log(prevalence), np.log1p(-prevalence))
    likelihood = -np.logaddexp(0, np.where(y, -log_odds, log_odds))
    return float(1 - np.exp(-2 * np.mean(likelihood - null)))


def standard_error(auroc: float, prevalence: float, n: int) -> float:
    """Return the error by chance of the R-squared from n simulated patients."""
    distribution = linear_predictor(auroc, prevalence)
    signed = distribution.log_odds * np.array([[-1.0], [1.0]])
    null = np.log([[1 - prevalence], [prevalence]])
    gain = -np.logaddexp(0, -signed) - null
    mean = np.sum(distribution.mass * gain)
    variance = np.sum(distribution.mass * (gain - mean) ** 2)
    return float(2 * np.exp(-2 * mean) * np.sqrt(variance / n))


@pytest.mark.parametrize(("case", "simulated"), SIMULATED.items())
def test_the_formula_gives_every_published_cell_to_the_patient(
    case: tuple[float, float], simulated: tuple[float, tuple[int, ...]]
) -> None:
    prevalence, auroc = case
    shown, patients = simulated
    # Only the numbers of patients are known; the largest tells the simulated R-squared best.
    last = np.array([patients[-1] - 1, patients[-1]])
    r_squared = float(np.mean(0.9 * (1 - np.exp(-PARAMETERS[-1] / (0.1 * last)))))
    found = [required_sample(p, prevalence, r_squared) for p in PARAMETERS]
    assert tuple(each.for_shrinkage for each in found) == patients
    assert all(each.patients == each.for_shrinkage for each in found)
    assert round(r_squared, 3) == shown
    # The exact one lies where a million simulated patients would have it by chance.
    exact = r_squared_from_auroc(auroc, prevalence)
    assert abs(r_squared - exact) < 3 * standard_error(auroc, prevalence, 10**6)


def test_the_published_example_of_riley() -> None:
    # 24 parameters, prevalence 0.174, R-squared 0.288: 623, 662 and 221 patients.
    found = required_sample(24, 0.174, 0.288)
    assert (found.for_shrinkage, found.for_optimism, found.for_base_rate) == (623, 662, 221)
    assert found.patients == 662
    assert found.events == 116
    assert round(found.events_per_parameter, 1) == 4.8


@pytest.mark.parametrize(("auroc", "prevalence"), [(0.65, 0.47), (0.8, 0.1), (0.7, 0.3)])
def test_integration_agrees_with_simulation(auroc: float, prevalence: float) -> None:
    simulated = simulated_r_squared(auroc, prevalence, 100_000)
    exact = r_squared_from_auroc(auroc, prevalence)
    assert abs(simulated - exact) < 3 * standard_error(auroc, prevalence, 100_000)


def test_the_grid_is_fine_enough() -> None:
    # Gauss-Hermite, another road to the same integral.
    node, weight = np.polynomial.hermite_e.hermegauss(100)
    weight = weight / weight.sum()
    mu, prevalence = np.sqrt(2) * norm.ppf(0.7), 0.3
    without, having = (logit(prevalence) + mu * (node + shift) - mu**2 / 2 for shift in (0.0, mu))
    model = prevalence * np.sum(weight * np.log(expit(having)))
    model += (1 - prevalence) * np.sum(weight * np.log(expit(-without)))
    null = prevalence * np.log(prevalence) + (1 - prevalence) * np.log(1 - prevalence)
    assert r_squared_from_auroc(0.7, 0.3) == pytest.approx(
        1 - np.exp(-2 * (model - null)), abs=1e-12
    )


@given(AUROCS, PREVALENCES)
def test_the_log_odds_are_those_of_a_calibrated_model(auroc: float, prevalence: float) -> None:
    distribution = linear_predictor(auroc, prevalence)
    assert np.sum(distribution.mass) == pytest.approx(1, abs=1e-9)
    assert np.sum(distribution.mass * expit(distribution.log_odds)) == pytest.approx(prevalence)


@given(AUROCS, PREVALENCES)
def test_r_squared_lies_below_its_maximum_and_does_not_depend_on_naming(
    auroc: float, prevalence: float
) -> None:
    r_squared = r_squared_from_auroc(auroc, prevalence)
    assert 0 < r_squared < largest_r_squared(prevalence)
    assert r_squared == pytest.approx(r_squared_from_auroc(auroc, 1 - prevalence))
    assert r_squared < r_squared_from_auroc(auroc + 0.01, prevalence)


@given(st.integers(1, 200), st.floats(0.01, 0.6), st.integers(5, 10**6))
def test_expected_shrinkage_undoes_the_criterion(
    parameters: int, r_squared: float, patients: int
) -> None:
    shrinkage = expected_shrinkage(parameters, r_squared, patients)
    assert r_squared <= shrinkage < 1
    if r_squared < shrinkage:
        needed = patients_for_shrinkage(parameters, r_squared, shrinkage)
        assert needed == pytest.approx(patients, rel=1e-3)


def test_the_first_criterion_asks_for_a_shrinkage_of_nine_tenths() -> None:
    r_squared = r_squared_from_auroc(0.65, 0.47)
    needed = required_sample(20, 0.47, r_squared).for_shrinkage
    assert expected_shrinkage(20, r_squared, needed) >= 0.9
    assert expected_shrinkage(20, r_squared, needed - 1) < 0.9
