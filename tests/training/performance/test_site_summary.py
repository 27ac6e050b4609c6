"""AUROC within sites and its random-effects summary, by other routes and a published example."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from training.learning.rows import BoolArray, FloatArray
from training.performance.site_summary import (
    delong,
    hanley_mcneil_variance,
    has_auroc,
    log_observed_to_expected,
    random_effects,
    restricted_tau_squared,
    site_auroc,
    summarise_ratios,
    summarise_sites,
)

# Thirteen trials of the BCG vaccine (Colditz et al. 1994, JAMA 271:698): cases and others among the
# vaccinated, cases and others among the controls. Log risk ratios by REML as the R package metafor
# prints them: tau^2 0.3132, tau 0.5597, estimate -0.7145, standard error 0.1798.
BCG_TRIALS = np.array(
    [
        [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619],
        [33, 5036, 47, 5761], [180, 1361, 372, 1079], [8, 2537, 10, 619],
        [505, 87886, 499, 87892], [29, 7470, 45, 7232], [17, 1699, 65, 1600],
        [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825],
    ],
    dtype=np.float64,
)  # fmt: skip


def bcg() -> tuple[FloatArray, FloatArray]:
    """Return log risk ratios and their variances."""
    cases, others, control_cases, control_others = BCG_TRIALS.T
    vaccinated, controls = cases + others, control_cases + control_others
    log_ratio = np.log(cases / vaccinated) - np.log(control_cases / controls)
    return log_ratio, 1 / cases - 1 / vaccinated + 1 / control_cases - 1 / controls


def groups(seed: int, k: int, tau: float) -> tuple[FloatArray, FloatArray]:
    """Return k estimates around 0.4 and their variances."""
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.01, 0.2, size=k)
    return 0.4 + rng.normal(0, np.sqrt(variances + tau**2)), variances


def outcomes(seed: int, n: int = 40) -> tuple[BoolArray, FloatArray]:
    """Return a site's outcomes and predictions, with ties."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(n), 1)
    y = rng.random(n) < 0.25 + 0.5 * p
    y[:4] = [True, False, True, False]
    return y, p


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_delong_equals_all_pairs_compared_one_by_one(seed: int) -> None:
    y, p = outcomes(seed)
    wins = (p[y][:, None] > p[~y]) + 0.5 * (p[y][:, None] == p[~y])
    variance = np.cov(wins.mean(axis=1)) / y.sum() + np.cov(wins.mean(axis=0)) / (~y).sum()
    auroc, found = delong(y, p)
    assert auroc == pytest.approx(roc_auc_score(y, p))
    assert found == pytest.approx(float(variance))


def test_weighted_delong_counts_patients_as_often_as_they_weigh() -> None:
    y, p = outcomes(3)
    assert delong(y, p, np.full(len(y), 0.7)) == pytest.approx(delong(y, p))
    weights = np.random.default_rng(3).integers(1, 4, len(y)).astype(np.float64)
    auroc, variance = delong(y, p, weights)
    assert auroc == pytest.approx(roc_auc_score(y, p, sample_weight=weights))
    # Uneven weights tell less than even ones.
    assert variance > 0.9 * delong(y, p)[1]


def test_weighted_delong_has_the_variance_of_repeated_samples() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(600):
        y, x = rng.random(150) < 0.4, rng.normal(size=150)
        found.append(delong(y, x + y, np.exp(0.6 * x)))
    aurocs, variances = np.array(found).T
    assert np.mean(variances) == pytest.approx(np.var(aurocs, ddof=1), rel=0.2)


def test_log_ratio_has_the_usual_variance_where_all_are_predicted_alike() -> None:
    y = np.arange(50) < 20
    estimate, variance = log_observed_to_expected(y, np.full(50, 0.5))
    assert estimate == pytest.approx(np.log(20 / 25))
    assert variance == pytest.approx((1 - 20 / 50) / 20)


def test_log_ratio_has_the_variance_of_repeated_samples() -> None:
    rng = np.random.default_rng(6)
    found = []
    for _ in range(2000):
        p = expit(rng.normal(-0.5, 1.2, 200))
        found.append(log_observed_to_expected(rng.random(200) < p, p))
    ratios, variances = np.array(found).T
    assert np.mean(variances) == pytest.approx(np.var(ratios, ddof=1), rel=0.1)
    # A good prediction explains some of the spread in events.
    assert np.mean(variances) < 0.9 * (1 - 0.4) / (200 * 0.4)


def test_ratios_are_summarised_on_the_log_scale() -> None:
    estimates, variances = groups(1, 6, 0.3)
    found, expected = (
        summarise_ratios(estimates, variances, 0.9), random_effects(estimates, variances, 0.9),
    )  # fmt: skip
    assert np.log([found.mean, found.lower, found.upper]) == pytest.approx(
        [expected.mean, expected.lower, expected.upper]
    )
    assert np.log(found.prediction_upper) == pytest.approx(expected.prediction_upper)
    assert found.tau == expected.tau


def test_hanley_mcneil_agrees_with_delong_where_its_assumption_holds() -> None:
    # The formula is exact for exponential scores.
    rng = np.random.default_rng(0)
    y = np.arange(40_000) < 15_000
    auroc, variance = delong(y, rng.exponential(np.where(y, 3.0, 1.0)))
    assert auroc == pytest.approx(3 / 4, abs=0.01)
    assert hanley_mcneil_variance(auroc, 15_000, 25_000) == pytest.approx(variance, rel=0.03)


def test_the_summary_equals_a_published_one() -> None:
    estimates, variances = bcg()
    found = random_effects(estimates, variances, 0.95)
    assert found.mean == pytest.approx(-0.7145, abs=5e-5)
    assert found.tau == pytest.approx(0.5597, abs=5e-5)
    assert found.tau**2 == pytest.approx(0.3132, abs=5e-5)
    assert np.sum(1 / (variances + found.tau**2)) ** -0.5 == pytest.approx(0.1798, abs=5e-5)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tau", [0.0, 0.6])
def test_tau_maximises_the_restricted_likelihood(seed: int, tau: float) -> None:
    estimates, variances = groups(seed, 7, tau)

    def minus_log_likelihood(tau_squared: float) -> float:
        # Of the residuals' contrasts: invariant to the mean, so no formula for it is needed.
        contrasts = np.linalg.svd(np.ones((1, 7)))[2][1:]
        covariance = contrasts @ np.diag(variances + tau_squared) @ contrasts.T
        residuals = contrasts @ estimates
        quadratic = residuals @ np.linalg.solve(covariance, residuals)
        return float(np.linalg.slogdet(covariance)[1] + quadratic)

    best = minimize_scalar(
        minus_log_likelihood, bounds=(0, 5), method="bounded", options={"xatol": 1e-10}
    )
    expected = float(best.x) if best.fun < minus_log_likelihood(0.0) else 0.0
    assert restricted_tau_squared(estimates, variances) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_hartung_knapp_equals_weighted_least_squares_and_never_less_than_known_variances(
    seed: int,
) -> None:
    estimates, variances = groups(seed, 8, 0.3)
    found = random_effects(estimates, variances, 0.9)
    root = 1 / np.sqrt(variances + found.tau**2)
    solution, squares, *_ = np.linalg.lstsq(root[:, None], root * estimates, rcond=None)
    residual_variance = squares[0] / 7
    standard_error = np.sqrt(max(residual_variance, 1.0) / np.sum(root**2))
    assert found.mean == pytest.approx(solution[0])
    assert found.upper - found.mean == pytest.approx(t.ppf(0.95, 7) * standard_error)
    ahead = t.ppf(0.95, 6) * np.hypot(found.tau, standard_error)
    assert found.prediction_upper - found.mean == pytest.approx(ahead)
    assert found.mean - found.prediction_lower == pytest.approx(ahead)


def test_equal_estimates_give_no_tau_and_a_guarded_interval() -> None:
    found = random_effects(np.full(5, 0.3), np.full(5, 0.04), 0.95)
    assert found.tau == 0
    # Unguarded, the interval would have no width at all.
    assert found.upper - found.mean == pytest.approx(t.ppf(0.975, 4) * np.sqrt(0.04 / 5))


def test_the_interval_covers_the_mean_and_a_further_group() -> None:
    covered = ahead = 0
    for seed in range(400):
        found = random_effects(*groups(seed, 8, 0.3), 0.95)
        covered += int(found.lower <= 0.4 <= found.upper)
        further = 0.4 + 0.3 * np.random.default_rng([seed, 1]).normal()
        ahead += int(found.prediction_lower <= further <= found.prediction_upper)
    assert 0.92 <= covered / 400 <= 0.99
    assert 0.88 <= ahead / 400 <= 0.99


def test_few_groups_leave_out_what_they_cannot_tell() -> None:
    one = random_effects(np.array([0.4]), np.array([0.09]), 0.95)
    assert one.upper == pytest.approx(0.4 + norm.ppf(0.975) * 0.3)
    assert np.isnan([one.tau, one.prediction_lower, one.prediction_upper]).all()
    two = random_effects(np.array([0.4, 0.8]), np.array([0.09, 0.09]), 0.95)
    assert np.isfinite([two.lower, two.upper, two.tau]).all()
    assert np.isnan([two.prediction_lower, two.prediction_upper]).all()


def test_a_site_needs_five_of_either_outcome() -> None:
    assert has_auroc(np.repeat([True, False], 5))
    assert not has_auroc(np.repeat([True, False], [4, 50]))
    assert not has_auroc(np.repeat([True, False], [50, 4]))


def test_the_interval_of_a_site_is_symmetric_in_log_odds() -> None:
    y, p = outcomes(2, n=120)
    found = site_auroc(y, np.stack([p, p]), 0.95)
    auroc, variance = delong(y, p)
    assert found.estimate == pytest.approx(auroc)
    reach = norm.ppf(0.975) * np.sqrt(variance) / (auroc * (1 - auroc))
    assert logit([found.lower, found.upper]) == pytest.approx(
        logit(auroc) + reach * np.array([-1, 1])
    )


@pytest.mark.parametrize("direction", [1, -1])
def test_a_perfect_or_perfectly_wrong_site_has_a_finite_part_in_the_summary(direction: int) -> None:
    y = np.repeat([True, False], 6)
    p = expit(direction * np.linspace(2, -2, 12))
    perfect = site_auroc(y, p[None], 0.95)
    assert perfect.estimate == (1.0 if direction == 1 else 0.0)
    assert 0 <= perfect.lower < perfect.upper <= 1
    assert perfect.upper - perfect.lower > 0.05
    ordinary = [site_auroc(y, p[None], 0.95) for y, p in (outcomes(s, n=100) for s in range(4))]
    summary = summarise_sites([*ordinary, perfect], 0.95)
    assert 0 < summary.lower < summary.mean < summary.upper < 1


def test_constant_predictions_are_exactly_one_half_unless_other_sites_vary() -> None:
    y, p = outcomes(0, n=100)
    flat = site_auroc(y, np.full((2, 100), 0.4), 0.95)
    assert (flat.estimate, flat.lower, flat.upper) == (0.5, 0.5, 0.5)
    summary = summarise_sites([flat, flat, flat], 0.95)
    assert (summary.mean, summary.lower, summary.upper, summary.tau) == (0.5, 0.5, 0.5, 0.0)
    mixed = summarise_sites([flat, flat, site_auroc(y, p[None], 0.95)], 0.95)
    assert 0.5 < mixed.mean < roc_auc_score(y, p)
    assert mixed.lower < 0.5 < mixed.upper
