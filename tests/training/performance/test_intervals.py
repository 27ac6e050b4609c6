"""The bootstrap: its counts, its intervals, and how often these hold the truth."""

import numpy as np
import pytest

from training.learning.rows import FloatArray, IntArray
from training.performance.discrimination import placements
from training.performance.intervals import bootstrap_weights, percentile_interval
from training.performance.metrics import observed_to_expected, unit_weights


def all_weights(strata: IntArray, seed: int = 0) -> FloatArray:
    """Return 300 draws in one matrix."""
    return np.concatenate(list(bootstrap_weights(strata, 300, np.random.default_rng(seed))))


def test_each_draw_holds_the_size_of_every_stratum() -> None:
    strata = np.repeat([0, 1, 2], [30, 7, 1])
    weights = all_weights(strata)
    assert weights.shape == (300, 38)
    for code, size in enumerate((30, 7, 1)):
        assert (weights[:, strata == code].sum(axis=1) == size).all()
    assert weights[:, strata == 0].mean() == pytest.approx(1)
    assert weights[:, :30].var() == pytest.approx(29 / 30, abs=0.05)


def test_draws_depend_on_the_seed_alone() -> None:
    strata = np.zeros(25, dtype=np.int64)
    assert (all_weights(strata, 4) == all_weights(strata, 4)).all()
    assert (all_weights(strata, 4) != all_weights(strata, 5)).any()


def test_memory_is_bounded_by_drawing_in_batches() -> None:
    batches = list(bootstrap_weights(np.zeros(50_000, dtype=np.int64), 5, np.random.default_rng(0)))
    assert [len(batch) for batch in batches] == [2, 2, 1]


def test_percentiles_ignore_undefined_draws_unless_they_are_many() -> None:
    draws = np.column_stack([np.arange(101.0), np.arange(101.0), np.arange(101.0)])
    draws[:5, 1] = np.nan
    draws[:6, 2] = np.nan
    lower, upper = percentile_interval(draws, np.full(3, 50.0), 0.9)
    assert lower[:2] == pytest.approx([5.0, 9.75])
    assert upper[:2] == pytest.approx([95.0, 95.25])
    assert np.isnan([lower[2], upper[2]]).all()


def test_an_interval_reaches_its_estimate() -> None:
    lower, upper = percentile_interval(np.arange(101.0)[:, None], np.array([-3.0]), 0.9)
    assert (lower[0], upper[0]) == (-3.0, 95.0)


def test_auroc_interval_covers_one_half_on_null_data() -> None:
    rng = np.random.default_rng(11)
    n, n_data_sets = 80, 300
    group = np.zeros(n, dtype=np.int64)
    covered = 0
    for _ in range(n_data_sets):
        y, p = rng.permutation(np.arange(n) < 32), rng.random(n)
        draws = [placements(y, p, group, w).auroc for w in bootstrap_weights(y, 250, rng)]
        estimate = placements(y, p, group, unit_weights(n)).auroc
        lower, upper = percentile_interval(np.concatenate(draws)[:, None], estimate, 0.95)
        covered += int(lower[0] <= 0.5 <= upper[0])
    # Three binomial standard errors around 95 %, less what percentiles lose at this size.
    assert 0.90 <= covered / n_data_sets <= 0.988


@pytest.mark.parametrize(("by_outcome", "least", "most"), [(False, 0.90, 0.988), (True, 0.0, 0.6)])
def test_measures_that_need_the_event_rate_are_not_drawn_by_outcome(
    *, by_outcome: bool, least: float, most: float
) -> None:
    rng = np.random.default_rng(5)
    n, n_data_sets = 100, 300
    covered = 0
    for _ in range(n_data_sets):
        p = rng.uniform(0.3, 0.6, size=n)
        y = rng.random(n) < p
        strata = y if by_outcome else np.zeros(n, dtype=np.int64)
        weights = np.concatenate(list(bootstrap_weights(strata, 250, rng)))
        estimate = observed_to_expected(y, p, unit_weights(n))
        draws = observed_to_expected(y, p, weights)[:, None]
        lower, upper = percentile_interval(draws, estimate, 0.95)
        covered += int(lower[0] <= 1 <= upper[0])
    assert least <= covered / n_data_sets <= most
