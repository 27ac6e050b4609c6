"""Weights for outcomes that are not known."""

import numpy as np
import pytest
from cohort_tables import simulated_table, with_bystanders
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from training.learning.rows import BoolArray, FloatArray
from training.performance.outcome_known import (
    OutcomeWeights,
    design_matrix,
    effective_n,
    outcome_weights,
)


def patients(seed: int = 0, n: int = 400) -> tuple[FloatArray, BoolArray]:
    """Return a design of two columns and whose outcome is known."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    known = rng.random(n) < expit(1.5 - X[:, 0])
    known[:2] = [True, False]
    return np.column_stack([np.ones(n), X]), known


def test_weights_are_those_of_a_penalised_regression_fitted_anew_in_each_draw() -> None:
    design, known = patients()
    counts = np.random.default_rng(1).multinomial(400, np.full(400, 1 / 400), size=3)
    weights = OutcomeWeights(design, known)
    in_sample = weights.of_draws(np.ones((1, 400)))[0]
    found = weights.of_draws(counts.astype(np.float64))
    for w, own in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(400), w)
        reference = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
        reference.fit(design[rows, 1:], known[rows])
        chance = reference.predict_proba(design[known, 1:])[:, 1]
        expected = np.clip(known[rows].mean() / chance, in_sample.min(), in_sample.max())
        assert own == pytest.approx(w[known] * expected, rel=1e-4)


def test_weights_are_stabilised_and_truncated() -> None:
    design, known = patients(2, n=4000)
    weights = OutcomeWeights(design, known).of_draws(np.ones((1, 4000)))[0]
    assert weights.mean() == pytest.approx(1, abs=0.03)
    assert np.mean(weights == weights.max()) == pytest.approx(0.01, abs=0.002)
    assert np.mean(weights == weights.min()) == pytest.approx(0.01, abs=0.002)
    # Those whom few followed up to the end count most.
    assert weights[design[known, 1] > 1].mean() > 1.2
    assert weights[design[known, 1] < 0].mean() < 0.9


def test_a_draw_without_anybody_lost_has_nothing_to_make_up_for() -> None:
    design, known = patients()
    weights = OutcomeWeights(design, known).of_draws(known[None].astype(np.float64))
    assert (weights == 1).all()


def test_effective_n_counts_equal_patients_and_halves_for_half_of_them() -> None:
    assert effective_n(np.full(30, 0.4)) == pytest.approx(30)
    assert effective_n(np.repeat([1.0, 0.0], 15)) == pytest.approx(15)


def test_the_design_is_imputed_standardised_and_marks_what_is_unknown() -> None:
    x = np.array([1.0, 3.0, np.nan, np.nan, 5.0, 3.0])
    constant, nobody = np.ones(6), np.full(6, np.nan)
    site = np.array(["a", "b"] * 3)
    design = design_matrix(np.column_stack([x, constant, nobody]), site)
    assert design.shape == (6, 5)
    assert (design[:, 0] == 1).all()
    filled = np.array([1, 3, 3, 3, 5, 3])
    assert design[:, 1] == pytest.approx((filled - 3) / np.std(filled))
    assert np.ptp(design[[2, 3], 2]) == 0
    assert design[2, 2] > 0 > design[0, 2]
    assert design[:, 3].tolist() == [1, 0, 1, 0, 1, 0]
    assert design_matrix(x[:, None], np.full(6, "a")).shape == (6, 3)


def test_bystanders_of_other_arms_are_not_lost() -> None:
    table = simulated_table(60)
    assert outcome_weights(table) is None
    assert outcome_weights(with_bystanders(table, n_sham=20, n_unknown=0)) is None
    weights = outcome_weights(with_bystanders(table, n_sham=20, n_unknown=10))
    assert weights is not None
    assert weights.known.tolist() == [True] * 60 + [False] * 10
