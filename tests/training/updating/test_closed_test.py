"""The choice of an update: as little as the outcomes ask for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from data_schemas.errors import DataError
from training.learning.rows import BoolArray, FloatArray
from training.updating.closed_test import (
    FEWEST_OF_EACH,
    SIGNIFICANCE,
    Method,
    apart,
    choose_update,
    parted,
)


def local(
    n: int, seed: int, intercept: float = 0.0, slope: float = 1.0
) -> tuple[BoolArray, FloatArray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 0.8, n)
    return rng.random(n) < expit(intercept + slope * log_odds), log_odds


def test_right_predictions_are_left_alone_but_for_chance() -> None:
    trials = 300
    changed = sum(choose_update(*local(200, seed)).method != "none" for seed in range(trials))
    assert binomtest(changed, trials, SIGNIFICANCE).pvalue > 1e-3


@pytest.mark.parametrize(
    ("intercept", "slope", "method"),
    [
        (0.8, 1.0, "recalibration in the large"),
        (0.0, 0.2, "logistic recalibration"),
        (-0.9, 0.3, "logistic recalibration"),
    ],
)
def test_what_is_planted_is_chosen(intercept: float, slope: float, method: str) -> None:
    found = choose_update(*local(4_000, 3, intercept, slope))
    assert found.method == method
    assert found.intercept == pytest.approx(intercept, abs=0.12)
    assert found.slope == pytest.approx(slope, abs=0.12)


def test_level_and_slope_are_the_maximum_likelihood_ones() -> None:
    y, log_odds = local(600, 5, -1.0, 0.3)
    found = choose_update(y, log_odds)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds[:, None], y)
    assert found.slope == pytest.approx(float(fitted.coef_[0, 0]), abs=1e-5)
    assert found.intercept == pytest.approx(float(fitted.intercept_[0]), abs=1e-5)


@given(st.integers(0, 10_000), st.floats(-2, 2), st.floats(0, 2))
def test_the_mean_prediction_becomes_the_local_share(
    seed: int, intercept: float, slope: float
) -> None:
    y, log_odds = local(300, seed, intercept, slope)
    if min(y.sum(), (~y).sum()) < FEWEST_OF_EACH:
        return
    found = choose_update(y, log_odds)
    assert found.slope >= 0
    if found.method != "none":
        assert expit(found.log_odds(log_odds)).mean() == pytest.approx(y.mean(), abs=1e-6)


def test_predictions_the_wrong_way_round_serve_the_local_share() -> None:
    y, log_odds = local(1_000, 7, slope=-1.0)
    found = choose_update(y, log_odds)
    assert (found.method, found.slope) == ("logistic recalibration", 0.0)
    assert expit(found.intercept) == pytest.approx(y.mean())


def test_a_constant_prediction_has_no_slope_to_change() -> None:
    y = np.arange(200) < 60
    found = choose_update(y, np.zeros(200))
    assert found.method == "recalibration in the large"
    assert expit(found.intercept) == pytest.approx(0.3)


def test_too_few_are_refused_without_saying_how_many() -> None:
    y = np.arange(200) < FEWEST_OF_EACH - 1
    with pytest.raises(DataError, match="fewer than 20") as refused:
        choose_update(y, np.zeros(200))
    assert str(FEWEST_OF_EACH - 1) not in str(refused.value)


def test_separated_outcomes_are_refused() -> None:
    log_odds = np.linspace(-2, 2, 200)
    with pytest.raises(DataError, match="without exception"):
        choose_update(log_odds > 0, log_odds)


@pytest.mark.parametrize("method", ["recalibration in the large", "logistic recalibration"])
def test_nobody_has_a_part_in_the_own_update(method: Method) -> None:
    y, log_odds = local(300, 9, 0.7)
    fold = parted(y, 5, 0)
    before = apart(y, log_odds, fold, method)
    own = fold == 2
    changed = apart(np.where(own, ~y, y), log_odds, fold, method)
    np.testing.assert_array_equal(changed[own], before[own])
    assert (changed[~own] != before[~own]).all()
    right, unchanged = local(300, 10)
    np.testing.assert_array_equal(apart(right, unchanged, fold, method), unchanged)
    np.testing.assert_array_equal(apart(y, log_odds, fold, "none"), log_odds)


def test_both_outcomes_are_as_frequent_in_every_part() -> None:
    y = np.random.default_rng(1).random(203) < 0.3
    fold = parted(y, 5, 0)
    for counts in (np.bincount(fold[y]), np.bincount(fold[~y]), np.bincount(fold)):
        assert len(counts) == 5
        assert np.ptp(counts) <= 1
