"""Table 1 by site tells no small count, and neither do its cells together with the totals."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import simulated_table
from hypothesis import given
from hypothesis import strategies as st

from training.characteristics import characteristics, standardised_difference
from training.dataset import TrainingTable
from training.site_characteristics import characteristics_by_site
from training.small_cells import SMALLEST_CELL
from training.summary import SiteCharacteristic

TABLE = simulated_table(n=200)


def benzodiazepine(table: TrainingTable) -> SiteCharacteristic:
    rows = characteristics_by_site(table)
    return next(row for row in rows if "benzodiazepine" in row.label)


def with_column(name: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> TrainingTable:
    X = TABLE.X.copy()
    X[:, [feature.name for feature in TABLE.features].index(name)] = values
    return replace(TABLE, X=X)


def test_figures_are_those_of_the_site() -> None:
    rows = {row.label: row for row in characteristics_by_site(TABLE)}
    for place, site in enumerate(np.unique(TABLE.site)):
        ages = TABLE.X[TABLE.site == site, 0]
        assert rows["Age"].values[place].mean == np.mean(ages)
        assert rows["Age"].values[place].sd == np.std(ages, ddof=1)
        assert rows["Age"].values[place].missing_share == 0
    assert rows["Age"].largest_difference is not None
    assert rows["Age"].largest_difference > 0


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_no_small_count_is_told(ones: list[int]) -> None:
    values = np.zeros(200)
    for place, count in enumerate(ones):
        values[np.flatnonzero(TABLE.site == f"site-{place}")[:count]] = 1
    shown = [value.mean for value in benzodiazepine(with_column("benzodiazepine", values)).values]
    rarer = [min(count, 50 - count) for count in ones]
    hidden = [count for count, mean in zip(rarer, shown, strict=True) if mean is None]
    for count, mean in zip(rarer, shown, strict=True):
        assert mean is None or count == 0 or count >= SMALLEST_CELL
    # The total less the cells that are shown leaves two cells or more, or none.
    open_to_subtraction = [count for count in rarer if count]
    assert len(hidden) != 1 or len(open_to_subtraction) == 1
    small = [count for count in rarer if 0 < count < SMALLEST_CELL]
    assert bool(hidden) == bool(small)


def test_few_unknown_are_not_counted() -> None:
    values = np.zeros(200)
    values[np.flatnonzero(TABLE.site == "site-0")[:3]] = np.nan
    values[np.flatnonzero(TABLE.site == "site-1")[:9]] = np.nan
    values[np.flatnonzero(TABLE.site == "site-2")[:20]] = np.nan
    rows = characteristics_by_site(with_column("ssri", values))
    shown = [v.missing_share for v in next(r for r in rows if "SSRI" in r.label).values]
    assert shown == [None, None, 20 / 50, 0]


def test_one_site_has_no_table() -> None:
    assert characteristics_by_site(simulated_table(n=40, n_sites=1)) == ()


def test_differences_are_withheld_with_their_figures() -> None:
    y = np.zeros(200, dtype=bool)
    y[:3] = True
    for row in characteristics(replace(TABLE, y=y)):
        assert row.mean_with_outcome is None
        assert row.standardised_difference is None


def test_a_standardised_difference_by_hand() -> None:
    yes, no = np.repeat([1.0, 0.0], [30, 70]), np.repeat([1.0, 0.0], [50, 50])
    found = standardised_difference(yes, no)
    assert found is not None
    assert found[0] == pytest.approx((0.3 - 0.5) / np.sqrt((0.21 + 0.25) / 2))
    other = standardised_difference(no, yes)
    assert other is not None
    assert other[0] == pytest.approx(-found[0])
    assert other[1] == pytest.approx(-found[2])
    assert standardised_difference(np.ones(5), np.ones(5)) is None
    assert standardised_difference(np.array([1.0, np.nan]), no) is None


def test_the_interval_of_a_difference_covers_it() -> None:
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(400):
        found = standardised_difference(rng.normal(0.5, 1, 60), rng.normal(0, 1, 40))
        assert found is not None
        hits += found[1] <= 0.5 <= found[2]
    # Three standard errors of a share of 0.95 in 400 draws.
    assert abs(hits / 400 - 0.95) < 0.033
