import numpy as np
import pytest

from training.learning.rows import BoolArray, FloatArray
from training.motion import motion_by_outcome
from training.small_cells import SMALLEST_CELL


def drawn(n_reached: int, n_others: int) -> tuple[FloatArray, BoolArray]:
    y = np.repeat([True, False], [n_reached, n_others])
    return np.random.default_rng(1).uniform(0.05, 0.4, size=len(y)), y


def test_the_groups_are_the_outcomes_and_unknown_motion_is_left_out() -> None:
    motion, y = drawn(20, 30)
    motion[[0, 25]] = np.nan
    reached, others = motion_by_outcome(motion, y)
    assert (reached.reached, reached.n_patients) == (True, 19)
    assert (others.reached, others.n_patients) == (False, 29)
    assert reached.mean_mm == pytest.approx(motion[1:20].mean())
    assert others.sd_mm == pytest.approx(np.nanstd(motion[20:], ddof=1))


@pytest.mark.parametrize("n_small", [0, 1, SMALLEST_CELL - 1])
def test_a_small_group_is_withheld_and_the_other_with_it(n_small: int) -> None:
    for motion, y in (drawn(n_small, 40), drawn(40, n_small)):
        for group in motion_by_outcome(motion, y):
            assert (group.n_patients, group.mean_mm, group.sd_mm) == (None, None, None)
    assert motion_by_outcome(*drawn(SMALLEST_CELL, 40))[0].n_patients == SMALLEST_CELL


def test_nothing_known_is_no_group() -> None:
    assert motion_by_outcome(np.full(12, np.nan), np.arange(12) < 6) == ()
