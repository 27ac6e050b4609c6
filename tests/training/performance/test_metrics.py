"""Accuracy and decision measures, against scikit-learn, a published decision curve, identities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, confusion_matrix
from sklearn.metrics import log_loss as sklearn_log_loss

from training.learning.rows import BoolArray, FloatArray
from training.performance.metrics import (
    PROBABILITY_MARGIN,
    binned_shares,
    brier,
    brier_scaled,
    log_loss,
    observed_to_expected,
    threshold_counts,
    unit_weights,
)


def sample(n: int = 60, seed: int = 0) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return y, p with ties and exact 0 and 1, and five draws of weights."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(n), 2)
    p[:2] = [0.0, 1.0]
    y = rng.random(n) < 0.2 + 0.6 * p
    y[:2] = [True, False]
    return y, p, rng.multinomial(n, np.full(n, 1 / n), size=5).astype(np.float64)


def test_brier_and_log_loss_equal_scikit_learn_in_every_draw() -> None:
    y, p, weights = sample()
    inside = np.clip(p, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    for number, w in enumerate(weights):
        assert brier(y, p, weights)[number] == pytest.approx(
            brier_score_loss(y, p, sample_weight=w), abs=1e-12
        )
        assert log_loss(y, p, weights)[number] == pytest.approx(
            sklearn_log_loss(y, inside, sample_weight=w), abs=1e-9
        )


def test_scaled_brier_is_zero_for_the_event_rate_and_one_for_certainty() -> None:
    y, _, _ = sample()
    once = unit_weights(len(y))
    assert brier_scaled(y, np.full(len(y), y.mean()), once)[0] == pytest.approx(0, abs=1e-12)
    assert brier_scaled(y, y.astype(np.float64), once)[0] == pytest.approx(1)


def test_observed_to_expected_is_a_ratio_of_sums() -> None:
    y, p, weights = sample()
    repeated = [np.repeat(np.arange(len(y)), w.astype(int)) for w in weights]
    by_hand = [y[index].sum() / p[index].sum() for index in repeated]
    assert observed_to_expected(y, p, weights) == pytest.approx(np.array(by_hand))
    assert np.isnan(observed_to_expected(y, np.zeros(len(y)), weights)).all()


def test_threshold_measures_equal_a_confusion_matrix() -> None:
    y, p, weights = sample()
    thresholds = np.array([0.2, 0.35, 0.5])
    counts = threshold_counts(y, p, thresholds, weights)
    for draw, w in enumerate(weights):
        for place, threshold in enumerate(thresholds):
            tn, fp, fn, tp = confusion_matrix(y, p >= threshold, sample_weight=w).ravel()
            at = draw, place
            assert counts.sensitivity[at] == pytest.approx(tp / (tp + fn))
            assert counts.specificity[at] == pytest.approx(tn / (tn + fp))
            assert counts.positive_predictive_value[at] == pytest.approx(tp / (tp + fp))
            assert counts.negative_predictive_value[at] == pytest.approx(tn / (tn + fn))


def test_predictive_values_of_nobody_are_undefined_without_a_warning() -> None:
    y = np.array([True, False])
    counts = threshold_counts(y, np.array([0.1, 0.2]), np.array([0.05, 0.9]), unit_weights(2))
    assert np.isnan(counts.positive_predictive_value[0]).tolist() == [False, True]
    assert np.isnan(counts.negative_predictive_value[0]).tolist() == [True, False]


# Family history as a test for cancer in the 750 patients of the `df_binary` data of the R package
# dcurves: 105 cancers, 24 of them and 91 others with a family history. Net benefits as that
# package computes them (github.com/MSKCC-Epi-Bio/dcurves, dcurves/data/r_case1_results.csv); of
# treating everyone, as printed on danieldsjoberg.com/dcurves/reference/as_tibble.dca.html.
FAMILY_HISTORY = {
    0.08: 0.02144927536231884,
    0.1: 0.018518518518518517,
    0.15: 0.010588235294117645,
    0.2: 0.0016666666666666635,
    0.3: -0.02000000000000001,
    0.5: -0.08933333333333335,
    0.8: -0.4533333333333335,
}
TREAT_ALL = {0.01: 0.131, 0.02: 0.122, 0.05: 0.0947, 0.06: 0.0851, 0.08: 0.0652, 0.09: 0.0549}


def test_net_benefit_equals_the_published_decision_curve() -> None:
    y = np.repeat([True, True, False, False], [24, 105 - 24, 91, 645 - 91])
    history = np.repeat([1.0, 0.0, 1.0, 0.0], [24, 105 - 24, 91, 645 - 91])
    curve = threshold_counts(y, history, np.array(list(FAMILY_HISTORY)), unit_weights(750))
    assert curve.net_benefit[0] == pytest.approx(np.array(list(FAMILY_HISTORY.values())), rel=1e-12)
    everyone = threshold_counts(y, history, np.array(list(TREAT_ALL)), unit_weights(750))
    assert everyone.net_benefit_treat_all[0] == pytest.approx(
        np.array(list(TREAT_ALL.values())), abs=6e-4
    )


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_net_benefit_lies_between_its_references_and_the_event_rate(seed: int) -> None:
    y, p, weights = sample(n=30, seed=seed)
    thresholds = np.arange(1, 100) / 100
    counts = threshold_counts(y, p, thresholds, weights)
    event_rate = (weights @ y)[:, None] / 30
    assert (counts.net_benefit <= event_rate + 1e-12).all()
    below_all = threshold_counts(y, np.clip(p, 0.01, 1), np.array([0.01]), weights)
    assert below_all.net_benefit == pytest.approx(below_all.net_benefit_treat_all)
    above_all = threshold_counts(y, np.minimum(p, 0.98), np.array([0.99]), weights)
    assert (above_all.net_benefit == 0).all()


def test_bins_hold_everyone_once_and_their_own_lower_edge() -> None:
    edges = np.arange(20) / 20
    shares = binned_shares(edges, edges, unit_weights(20))
    assert shares == pytest.approx(np.full((1, 20), 0.05))
    _, p, weights = sample()
    assert binned_shares(p, edges, weights).sum(axis=1) == pytest.approx(1)
    assert binned_shares(np.array([1.0]), edges, unit_weights(1))[0, -1] == 1
