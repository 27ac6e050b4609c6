"""Verdicts on drift: silent at small numbers, seldom false, and true to what was planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from features.table import YES_NO
from serving.model_document import FeatureDocument
from training.learning.reference import reference_distribution
from training.learning.rows import FloatArray
from training.monitoring.drift import (
    FEWEST_KNOWN_VALUES,
    feature_shift,
    mean_differs,
    mean_with_interval,
    proportion,
    shares_differ,
)

N_TRAINING = 600
ALPHA = 1e-3


def document(column: FloatArray, unit: str = "years") -> FeatureDocument:
    return FeatureDocument(
        name="age_years", label="Age", unit=unit, domain="person", group="clinical", monotone=0,
        missing_share=float(np.isnan(column).mean()),
        reference=reference_distribution(column, factor=1.4), importance=0.0,
    )  # fmt: skip


def ages(n: int, seed: int, mean: float = 45.0) -> FloatArray:
    return np.random.default_rng(seed).normal(mean, 12.0, n)


def test_the_difference_is_in_training_standard_deviations() -> None:
    shift = feature_shift(document(ages(N_TRAINING, 0)), ages(200, 1, 57.0), N_TRAINING, ALPHA)
    assert shift.difference == pytest.approx(1.0, abs=0.2)
    assert shift.lower < 1.0 < shift.upper
    assert shift.moved == "drifted"
    assert shift.missing == "steady"


@given(st.integers(0, 300), st.floats(0, 1))
def test_no_verdict_on_few(n: int, known_share: float) -> None:
    window = ages(n, 3, 80.0)
    window[int(known_share * n) :] = np.nan
    shift = feature_shift(document(ages(N_TRAINING, 0)), window, N_TRAINING, ALPHA)
    few = np.count_nonzero(~np.isnan(window)) < FEWEST_KNOWN_VALUES
    assert (shift.moved == "too few") == few
    assert (shift.missing == "too few") == (n < FEWEST_KNOWN_VALUES)


def test_a_yes_is_compared_by_fishers_test() -> None:
    training = (np.arange(N_TRAINING) < 60).astype(float)
    window = (np.arange(100) < 30).astype(float)
    p = stats.fisher_exact(np.array([[30, 70], [60, 540]])).pvalue
    for alpha, verdict in ((p * 1.01, "drifted"), (p * 0.99, "steady")):
        shift = feature_shift(document(training, YES_NO), window, N_TRAINING, alpha)
        assert shift.moved == verdict


def test_a_field_that_is_no_longer_filled_in_is_seen() -> None:
    window = ages(100, 4)
    window[:40] = np.nan
    shift = feature_shift(document(ages(N_TRAINING, 0)), window, N_TRAINING, ALPHA)
    assert shift.missing == "drifted"
    assert shift.missing_lower < 0.4 < shift.missing_upper


def test_one_absurd_value_is_no_drift() -> None:
    window = ages(100, 5)
    window[0] = 1e6
    assert feature_shift(document(ages(N_TRAINING, 0)), window, N_TRAINING, ALPHA).moved == "steady"


def test_false_verdicts_keep_to_their_chance() -> None:
    alpha, n_trials = 0.05, 400
    reference = document(ages(100_000, 0))
    found = sum(
        feature_shift(reference, ages(100, seed), 100_000, alpha).moved == "drifted"
        for seed in range(1, n_trials + 1)
    )
    assert stats.binomtest(found, n_trials, alpha).pvalue > 1e-3


@given(st.integers(0, 40), st.integers(1, 40))
def test_the_interval_of_a_share_holds_it(count: int, n: int) -> None:
    count = min(count, n)
    share, lower, upper = proportion(count, n)
    assert 0 <= lower <= share <= upper <= 1


def test_means_and_shares() -> None:
    assert mean_differs(ages(100, 6), 45.0, N_TRAINING, ALPHA) == "steady"
    assert mean_differs(ages(100, 6), 60.0, N_TRAINING, ALPHA) == "drifted"
    assert mean_differs(np.full(100, 0.5), 0.4, N_TRAINING, ALPHA) == "too few"
    assert shares_differ(30, 100, 10, 300, ALPHA) == "drifted"
    assert shares_differ(3, 100, 10, 300, ALPHA) == "steady"
    assert shares_differ(30, 100, 0, 10, ALPHA) == "too few"


def test_the_interval_of_a_mean_covers_it_as_often_as_is_said() -> None:
    rng = np.random.default_rng(4)
    ends = [mean_with_interval(sample)[1:] for sample in rng.normal(0.5, 0.1, (2_000, 5))]
    covered = np.mean([lower <= 0.5 <= upper for lower, upper in ends])
    assert covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 2_000))
    assert mean_with_interval(np.array([0.3]))[0] == 0.3
    assert np.isnan(mean_with_interval(np.array([]))).all()
