"""The ends of what unknown outcomes leave possible, against every way to assign them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.auroc_extremes import extreme_outcomes


def auroc(y: BoolArray, p: FloatArray, group: IntArray) -> float:
    """Return the AUROC within groups, averaged over the patients with the outcome."""
    shares = []
    for event in np.flatnonzero(y):
        others = p[(group == group[event]) & ~y]
        if len(others):
            shares.append(np.mean(np.heaviside(p[event] - others, 0.5)))
    return float(np.mean(shares)) if shares else np.nan


def every_auroc(y: BoolArray, p: FloatArray, group: IntArray, unknown: BoolArray) -> list[float]:
    """Return the AUROC under each of the 2^u ways to assign the unknown outcomes."""
    found = []
    for outcomes in product([False, True], repeat=int(np.count_nonzero(unknown))):
        assumed = y.copy()
        assumed[unknown] = outcomes
        found.append(auroc(assumed, p, group))
    return found


@settings(max_examples=60)
@given(
    st.lists(
        # Few values, so that ties are common.
        st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 2), st.booleans()),
        min_size=2, max_size=10,
    )
)  # fmt: skip
def test_no_assignment_of_all_lies_beyond(
    patients: list[tuple[bool, int, int, bool]],
) -> None:
    columns = zip(*patients, strict=True)
    y, p, group, unknown = (np.array(column) for column in columns)
    unknown &= np.cumsum(unknown) <= 5
    found = every_auroc(y, p / 6, group, unknown)
    ends = [extreme_outcomes(y, p / 6, group, unknown, highest=end) for end in (False, True)]
    for assumed in ends:
        np.testing.assert_array_equal(assumed[~unknown], y[~unknown])
    if np.isnan(found).all():
        return
    lowest, highest = (auroc(assumed, p / 6, group) for assumed in ends)
    assert lowest == pytest.approx(np.nanmin(found), abs=1e-12)
    assert highest == pytest.approx(np.nanmax(found), abs=1e-12)


def test_they_lie_beyond_all_and_none() -> None:
    rng = np.random.default_rng(0)
    y, p, unknown = rng.random(200) < 0.5, rng.random(200), rng.random(200) < 0.2
    group = np.repeat([0, 1], 100)

    def under(assumed: BoolArray) -> float:
        return auroc(assumed, p, group)

    lowest = under(extreme_outcomes(y, p, group, unknown, highest=False))
    highest = under(extreme_outcomes(y, p, group, unknown, highest=True))
    for alike in (False, True):
        assert lowest + 0.05 < under(np.where(unknown, alike, y)) < highest - 0.05


def test_without_unknown_outcomes_there_is_one_answer() -> None:
    y, p, group = np.array([True, False]), np.array([0.2, 0.8]), np.zeros(2, dtype=np.int64)
    nobody = np.zeros(2, dtype=np.bool_)
    for highest in (False, True):
        assumed = extreme_outcomes(y, p, group, nobody, highest=highest)
        np.testing.assert_array_equal(assumed, y)
