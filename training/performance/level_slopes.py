"""Calibration slopes of parts of the patients, whose sites have intercepts in common.

Where whole sites are held out, each site needs an intercept of its own (see `calibration_slope`).
A part of the patients may have six at a site, too few for that: in 400 simulations of 45 patients
in eight sites the median slope was 1.31 where the truth was 1. So the sites' intercepts are those
of all patients, and a part adds one of its own: 1.08.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import logit

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.calibration import (
    calibration_slope,
    fit_logistic,
    in_groups_with_both_outcomes,
)
from training.performance.held_out import HeldOut
from training.performance.measures import Measured, MeasureSet
from training.performance.metrics import inside_unit_interval


def slopes_of_parts(held: HeldOut, members: Sequence[BoolArray], *, by_group: bool) -> MeasureSet:
    """Return the slope of each part, as a function of the weights of all patients.

    Parameters
    ----------
    members : sequence of ndarray of bool, shape (n,)
        Who is in each part.
    by_group : bool
        Whether patients of one fit have an intercept of their own.
    """

    def measure(weights: FloatArray) -> list[Measured]:
        found = np.zeros((len(members), len(weights)))
        for p, group in zip(held.probability, held.fold, strict=True):
            log_odds = logit(inside_unit_interval(p))
            usable, offset = weights, np.zeros_like(weights)
            if by_group:
                usable = weights * in_groups_with_both_outcomes(held.y, group, weights)
                offset = _group_intercepts(log_odds, held.y, usable, group)
            for number, member in enumerate(members):
                found[number] += calibration_slope(
                    held.y[member], p[member], usable[:, member], offset=offset[:, member]
                )
        found /= len(held.probability)
        return [Measured("calibration_slope", None, values[:, None]) for values in found]

    return measure


def _group_intercepts(
    log_odds: FloatArray, y: BoolArray, weights: FloatArray, group: IntArray
) -> FloatArray:
    """Return the intercept of each patient's group beside one slope for all, (draws, n)."""
    spread = max(float(np.std(log_odds)), 1e-9)
    member = group[:, None] == np.unique(group)
    X = np.column_stack([(log_odds - np.mean(log_odds)) / spread, member])
    intercepts: FloatArray = fit_logistic(X, y, weights)[:, 1:] @ member.T
    return intercepts
