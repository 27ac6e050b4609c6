"""How much the patients moved in the scanner, by outcome, small cells withheld.

Motion alters correlations, so where those who improve lie stiller, connectivity may predict the
outcome by way of motion alone.
"""

import numpy as np

from training.learning.rows import BoolArray, FloatArray
from training.small_cells import SMALLEST_CELL
from training.summary import MotionGroup


def motion_by_outcome(motion_mm: FloatArray, y: BoolArray) -> tuple[MotionGroup, ...]:
    """Return the motion of those who reached the outcome, then of the others.

    Parameters
    ----------
    motion_mm : ndarray of float, shape (n,)
        Mean framewise displacement of each patient's accepted scans; NaN where unknown.
    y : ndarray of bool, shape (n,)
        Whether each reached the outcome.

    Returns
    -------
    tuple of MotionGroup
        Empty where nobody's motion is known. A group of fewer than five is withheld, and the other
        with it, since the number of scans would tell it.
    """
    known = ~np.isnan(motion_mm)
    if not known.any():
        return ()
    groups = {reached: motion_mm[known & (y == reached)] for reached in (True, False)}
    if min(map(len, groups.values())) < SMALLEST_CELL:
        return tuple(MotionGroup(reached=reached, n_patients=None) for reached in groups)
    return tuple(
        MotionGroup(
            reached=reached,
            n_patients=len(values),
            mean_mm=float(np.mean(values)),
            sd_mm=float(np.std(values, ddof=1)),
        )
        for reached, values in groups.items()
    )
