"""Calibration measures, against scikit-learn, SciPy and an independently written spline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.calibration import (
    KNOT_QUANTILES,
    calibration_errors,
    calibration_intercept,
    calibration_slope,
    fit_calibration_curve,
    fit_logistic,
)
from training.performance.metrics import unit_weights


def sample(seed: int = 0, n: int = 200) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return outcomes, miscalibrated probabilities and four draws of weights."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-0.2, 0.8, size=n)
    y = rng.random(n) < expit(0.3 + 0.6 * log_odds - 0.2 * log_odds**2)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=4).astype(np.float64)
    return y, expit(log_odds), weights


def drawn(weights: FloatArray) -> IntArray:
    """Return the row numbers of one draw."""
    return np.repeat(np.arange(len(weights)), weights.astype(np.int64))


def test_slope_equals_unpenalised_logistic_regression_in_every_draw() -> None:
    y, p, weights = sample()
    found = calibration_slope(y, p, weights)
    for w, slope in zip(weights, found, strict=True):
        rows = drawn(w)
        fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        fitted.fit(logit(p[rows])[:, None], y[rows])
        assert slope == pytest.approx(fitted.coef_[0, 0], abs=1e-5)


def test_intercept_solves_its_own_equation() -> None:
    y, p, weights = sample()
    for w, intercept in zip(weights, calibration_intercept(y, p, weights), strict=True):
        rows = drawn(w)

        def excess(a: float, rows: IntArray = rows) -> float:
            return float(np.sum(y[rows] - expit(a + logit(p[rows]))))

        assert intercept == pytest.approx(brentq(excess, -5, 5, xtol=1e-12), abs=1e-8)


def test_logistic_fit_equals_a_general_optimiser() -> None:
    y, p, weights = sample(3)
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(len(y)), rng.normal(size=(len(y), 2))])
    offset = logit(p)

    def loss(b: FloatArray, w: FloatArray) -> float:
        eta = offset + X @ b
        return float(np.sum(w * (np.logaddexp(0, eta) - y * eta)))

    for w, b in zip(weights, fit_logistic(X, y, weights, offset), strict=True):
        best = minimize(loss, np.zeros(3), args=(w,), method="BFGS", options={"gtol": 1e-6})
        assert b == pytest.approx(best.x, abs=1e-4)
        assert loss(b, w) <= best.fun + 1e-9


@settings(max_examples=30)
@given(st.floats(0.2, 5), st.floats(-2, 2))
def test_stretching_and_shifting_log_odds_moves_slope_and_intercept(
    stretch: float, shift: float
) -> None:
    y, p, weights = sample()
    stretched = calibration_slope(y, expit(stretch * logit(p) + shift), weights)
    assert stretched == pytest.approx(calibration_slope(y, p, weights) / stretch, rel=1e-4)
    shifted = calibration_intercept(y, expit(logit(p) + shift), weights)
    assert shifted == pytest.approx(calibration_intercept(y, p, weights) - shift, abs=1e-6)


def test_recalibrated_probabilities_have_intercept_zero_and_slope_one() -> None:
    y, p, _ = sample()
    once = unit_weights(len(y))
    b = fit_logistic(np.column_stack([np.ones(len(y)), logit(p)]), y, once)[0]
    recalibrated = expit(b[0] + b[1] * logit(p))
    assert calibration_slope(y, recalibrated, once)[0] == pytest.approx(1, abs=1e-6)
    assert calibration_intercept(y, recalibrated, once)[0] == pytest.approx(0, abs=1e-6)


def test_what_has_no_maximum_is_undefined() -> None:
    separated = np.arange(20) >= 10
    p = np.linspace(0.1, 0.9, 20)
    once = unit_weights(20)
    assert np.isnan(calibration_slope(separated, p, once)).all()
    assert np.isfinite(calibration_intercept(separated, p, once)).all()
    assert np.isnan(calibration_slope(separated, np.full(20, 0.4), once)).all()
    assert np.isnan(calibration_intercept(np.ones(20, dtype=bool), p, once)).all()
    assert np.isnan(fit_calibration_curve(separated, np.full(20, 0.4), once).at(p)).all()


def test_a_draw_without_a_maximum_leaves_the_others_alone() -> None:
    y, p, weights = sample()
    weights[1] = y * weights[1]
    found = calibration_slope(y, p, weights)
    assert np.isnan(found).tolist() == [False, True, False, False]
    assert found[[0, 2, 3]] == pytest.approx(calibration_slope(y, p, weights[[0, 2, 3]]), abs=1e-9)


def test_probabilities_of_exactly_zero_and_one_stay_finite() -> None:
    y, p, weights = sample()
    p[:3] = [0.0, 1.0, 0.0]
    assert np.isfinite(calibration_slope(y, p, weights)).all()
    assert np.isfinite(calibration_intercept(y, p, weights)).all()
    assert np.isfinite(fit_calibration_curve(y, p, weights).at(p)).all()


def natural_spline(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Return a basis of the natural cubic spline (Hastie et al. 2009, equation 5.4)."""

    def d(knot: float) -> FloatArray:
        numerator = np.maximum(x - knot, 0) ** 3 - np.maximum(x - knots[-1], 0) ** 3
        term: FloatArray = numerator / (knots[-1] - knot)
        return term

    return np.column_stack([np.ones_like(x), x, d(knots[0]) - d(knots[1])])


def test_curve_and_distances_equal_an_independent_spline_fit() -> None:
    y, p, weights = sample(1)
    knots = np.quantile(logit(p), KNOT_QUANTILES)
    curve = fit_calibration_curve(y, p, weights)
    ici, e50, e90 = calibration_errors(curve, p, weights)
    for number, w in enumerate(weights):
        rows = drawn(w)
        basis = natural_spline(logit(p), knots)
        scale = basis.std(axis=0) + (np.arange(3) == 0)
        fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000)
        fitted.fit((basis / scale)[rows], y[rows])
        observed = fitted.predict_proba(basis / scale)[:, 1]
        assert curve.at(p)[number] == pytest.approx(observed, abs=1e-4)
        distance = np.abs(observed - p)[rows]
        assert ici[number] == pytest.approx(distance.mean(), abs=1e-4)
        for q, found in ((0.5, e50), (0.9, e90)):
            expected = np.quantile(distance, q, method="inverted_cdf")
            assert found[number] == pytest.approx(expected, abs=1e-4)


def test_curve_keeps_the_event_rate_and_is_straight_beyond_its_knots() -> None:
    y, p, weights = sample(2)
    curve = fit_calibration_curve(y, p, weights)
    assert (weights * curve.at(p)).sum(axis=1) == pytest.approx(weights @ y, rel=1e-6)
    last = curve.knots[-1]
    tail = logit(curve.at(expit(last + np.array([0.5, 1.0, 1.5]))))
    assert tail[:, 2] - tail[:, 1] == pytest.approx(tail[:, 1] - tail[:, 0], abs=1e-8)


def test_few_distinct_predictions_give_a_straight_curve() -> None:
    y, p, weights = sample(4)
    coarse = np.where(p < 0.4, 0.3, np.where(p < 0.6, 0.5, 0.7))
    curve = fit_calibration_curve(y, coarse, weights)
    assert len(curve.knots) == 0
    x = logit(np.array([0.2, 0.3, 0.4, 0.5]))
    observed = logit(curve.at(expit(x)))
    slopes = np.diff(observed, axis=1) / np.diff(x)
    assert slopes == pytest.approx(np.repeat(slopes[:, :1], 3, axis=1))


def test_calibrated_predictions_are_closer_to_the_curve_than_distorted_ones() -> None:
    rng = np.random.default_rng(0)
    p = expit(rng.normal(-0.2, 0.8, size=20_000))
    y = rng.random(20_000) < p
    once = unit_weights(20_000)
    calibrated = calibration_errors(fit_calibration_curve(y, p, once), p, once)
    distorted_p = expit(2 * logit(p))
    distorted = calibration_errors(fit_calibration_curve(y, distorted_p, once), distorted_p, once)
    # The distance that is built in, averaged over the patients themselves.
    assert distorted[0][0] == pytest.approx(np.abs(p - distorted_p).mean(), abs=0.01)
    assert calibrated[0][0] < 0.01
    assert calibrated[1][0] <= calibrated[2][0]


def test_slope_with_group_intercepts_is_that_of_a_regression_with_indicators() -> None:
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(4), 250)
    log_odds = rng.normal(0, 0.8, 1000)
    y = rng.random(1000) < expit(log_odds + np.array([-1, 0, 0.5, 1])[group])
    indicators = np.column_stack([log_odds, group[:, None] == np.arange(4)])
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    expected = reference.fit(indicators, y).coef_[0, 0]
    found = calibration_slope(y, expit(log_odds), np.ones((1, 1000)), group)
    assert found[0] == pytest.approx(expected, rel=1e-4)


def test_held_out_sites_do_not_make_a_right_model_look_too_extreme() -> None:
    rng = np.random.default_rng(6)
    group = np.repeat(np.arange(8), 500)
    site = np.linspace(-1, 1, 8)[group]
    signal = rng.normal(0, 0.3, 4000)
    y = rng.random(4000) < expit(site + signal)
    # A model that did not see a site predicts it low where its outcome is frequent.
    p, weights = expit(signal - 0.15 * site), np.ones((1, 4000))
    assert calibration_slope(y, p, weights)[0] < 0.6
    assert 0.8 < calibration_slope(y, p, weights, group)[0] < 1.2
