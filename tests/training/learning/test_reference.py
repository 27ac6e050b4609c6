"""What the model says of its training patients: true, ascending, and of nobody in particular."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from serving.abstention import TrainingReference
from serving.model_document import FeatureDocument, ReferenceDistribution
from training.learning.reference import (
    MINIMUM_KNOWN_VALUES,
    PERCENTILES,
    SHARED_BY,
    distance_limit,
    reference_distribution,
)
from training.learning.rows import FloatArray

FACTOR = 1.4


def described(values: FloatArray) -> ReferenceDistribution:
    reference = reference_distribution(values, FACTOR)
    assert reference is not None
    return reference


def cuts(reference: ReferenceDistribution) -> list[float]:
    return [getattr(reference, name) for name in PERCENTILES]


@st.composite
def columns(draw: st.DrawFn) -> FloatArray:
    """Draw a column of yes or no, of ranks, of ages, or of numbers, small or skewed."""
    n = draw(st.integers(MINIMUM_KNOWN_VALUES, 90))
    elements = draw(
        st.sampled_from(
            [
                st.sampled_from([0.0, 1.0]),
                st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
                st.integers(0, 12).map(float),
                st.integers(18, 90).map(float),
                st.floats(-1, 1).map(lambda value: round(value, 6)),
                st.floats(0, 6).map(lambda value: round(10.0**value, 3)),
            ]
        )
    )
    return draw(arrays(np.float64, n, elements=elements))


@given(columns())
def test_no_percentile_is_the_value_of_a_few(values: FloatArray) -> None:
    reference = described(values)
    for cut in cuts(reference):
        assert not 0 < np.count_nonzero(values == cut) < SHARED_BY


@given(columns())
def test_percentiles_ascend_and_five_lie_at_or_beyond_the_outer_ones(values: FloatArray) -> None:
    reference = described(values)
    assert all(lower <= upper for lower, upper in pairwise(cuts(reference)))
    assert np.count_nonzero(values <= reference.p1) >= SHARED_BY
    assert np.count_nonzero(values >= reference.p99) >= SHARED_BY


@given(columns())
def test_ranges_lie_in_each_other(values: FloatArray) -> None:
    reference = described(values)
    assert reference.lowest_usual <= reference.p1
    assert reference.p99 <= reference.highest_usual
    lowest, highest = reference.lowest_accepted, reference.highest_accepted
    assert (lowest is None) == (highest is None) == (reference.p1 == reference.p99)
    if lowest is not None and highest is not None:
        assert reference.p50 - lowest >= FACTOR * (reference.p50 - reference.p1)
        assert highest - reference.p50 >= FACTOR * (reference.p99 - reference.p50)


@pytest.mark.parametrize("n", [60, 150, 600, 3_000])
@pytest.mark.parametrize("skew", [0.0, 0.4])
def test_the_usual_range_holds_about_98_percent_of_new_patients(n: int, skew: float) -> None:
    rng = np.random.default_rng(n)

    def drawn(size: int) -> FloatArray:
        normal = rng.normal(size=size)
        return np.expm1(skew * normal) / skew if skew else normal

    new, within = drawn(20_000), []
    for _ in range(20):
        reference = described(drawn(n))
        within.append(np.mean((new >= reference.lowest_usual) & (new <= reference.highest_usual)))
    assert np.mean(within) == pytest.approx(0.98, abs=0.015)


@given(columns())
def test_text_gives_the_same_back(values: FloatArray) -> None:
    reference = described(values)
    again = ReferenceDistribution.model_validate(json.loads(reference.model_dump_json()))
    assert again == reference


@given(columns(), st.integers(0, 99))
def test_the_order_of_the_patients_and_the_unknown_make_no_difference(
    values: FloatArray, seed: int
) -> None:
    mixed = np.random.default_rng(seed).permutation(np.append(values, [np.nan] * 7))
    assert described(mixed) == described(values)


def test_of_few_known_values_nothing_is_told() -> None:
    known = np.arange(MINIMUM_KNOWN_VALUES, dtype=np.float64)
    assert reference_distribution(known, FACTOR) is not None
    assert reference_distribution(known[1:], FACTOR) is None
    assert reference_distribution(np.full(50, np.nan), FACTOR) is None


def test_of_many_patients_they_are_the_percentiles() -> None:
    values = np.random.default_rng(3).normal(50, 10, 20_000)
    reference = described(values)
    exact = np.percentile(values, list(PERCENTILES.values()))
    assert cuts(reference) == pytest.approx(exact, abs=0.6)
    assert reference.lowest_usual == pytest.approx(exact[0], abs=0.6)
    assert reference.highest_usual == pytest.approx(exact[-1], abs=0.6)


def test_yes_and_no_and_ranks_stay_as_they_are() -> None:
    yes = np.array([0.0] * 80 + [1.0] * 20)
    assert cuts(described(yes)) == [0, 0, 0, 0, 0, 1, 1]
    ranks = np.repeat(np.arange(5.0), 40)
    assert cuts(described(ranks)) == [0, 0, 1, 2, 3, 4, 4]


def test_a_yes_of_fewer_than_five_is_not_told_of() -> None:
    rare = described(np.array([0.0] * 96 + [1.0] * 4))
    assert set(cuts(rare)) == {0.0}
    assert (rare.lowest_accepted, rare.highest_accepted) == (None, None)


@pytest.mark.parametrize("n", [40, 100, 400, 5_000])
def test_a_small_cohort_accepts_at_least_as_much_as_a_large_one(n: int) -> None:
    # The middles of n equal parts of a normal distribution: without noise, n alone differs.
    values = norm.ppf((np.arange(n) + 0.5) / n)
    highest = described(values).highest_accepted
    assert highest is not None
    assert highest == pytest.approx(FACTOR * norm.ppf(0.99) * (1 + 4 / np.sqrt(n)), rel=0.1)


def feature(values: FloatArray) -> FeatureDocument:
    return FeatureDocument(
        name="x", label="x", unit="", domain="person", group="clinical", monotone=0,
        missing_share=0, reference=reference_distribution(values, FACTOR), importance=0,
    )  # fmt: skip


@pytest.mark.parametrize("n", [30, 200, 2_000])
def test_nearly_all_training_patients_lie_within_the_limit_of_distance(n: int) -> None:
    X = np.random.default_rng(n).normal(size=(n, 20))
    reference = TrainingReference([feature(column) for column in X.T])
    limit = distance_limit(reference, X, 1.1)
    distances = reference.distance(X, np.isnan(X))
    assert np.mean(distances > limit) < 0.01
    assert limit < 2.5
    assert limit == round(limit, 1)


def test_the_limit_is_that_of_typical_patients_at_least() -> None:
    X = np.full((40, 2), np.nan)
    reference = TrainingReference([feature(column) for column in X.T])
    assert distance_limit(reference, X, 1.1) == 1.0
