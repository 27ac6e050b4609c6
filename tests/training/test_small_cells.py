"""Which counts may be shown: never one from which a small one could be had."""

from hypothesis import given
from hypothesis import strategies as st

from training.small_cells import SMALLEST_CELL, may_be_shown


@given(st.lists(st.integers(0, 30), max_size=8))
def test_what_is_withheld_cannot_be_had_from_the_total(counts: list[int]) -> None:
    shown = may_be_shown(counts)
    hidden = [count for count, ok in zip(counts, shown, strict=True) if not ok]
    assert all(count >= SMALLEST_CELL for count, ok in zip(counts, shown, strict=True) if ok)
    if hidden and any(shown):
        assert len(hidden) > 1
        assert sum(hidden) >= SMALLEST_CELL


def test_no_more_is_withheld_than_needed() -> None:
    assert may_be_shown([40, 7, 30]) == [True, True, True]
    assert may_be_shown([40, 3, 30]) == [True, False, False]
    assert may_be_shown([40, 3, 4, 30]) == [True, False, False, True]
    assert may_be_shown([40, 1, 2, 30]) == [True, False, False, False]
