"""How well the predictions of patients with a known outcome held, with intervals."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.calibration import calibration_intercept, calibration_slope
from training.performance.discrimination import placements
from training.performance.intervals import bootstrap_weights, percentile_interval
from training.performance.metrics import brier, observed_to_expected, unit_weights

CONFIDENCE: Final = 0.95
BOOTSTRAPS: Final = 1_000
FEWEST_OF_EACH: Final = 10
"""Patients with and without the outcome, each, below which nothing is estimated."""

BLOCK: Final = 50
"""Outcomes of one point of the trend."""


@dataclass(frozen=True)
class Estimated:
    """A measure, its interval, and of how many patients."""

    name: str
    value: float
    lower: float
    upper: float
    n: int


def performance(y: BoolArray, p: FloatArray, name: str = "") -> list[Estimated]:
    """Return O:E, calibration intercept and slope, AUROC and Brier score.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
    p : ndarray, shape (n,)
        What had been predicted.
    name : str
        Put before the measures' names.

    Returns
    -------
    list of Estimated
        Empty where fewer than `FEWEST_OF_EACH` patients reached the outcome, or did not. The
        slope is NaN where all predictions are the same.
    """
    if min(np.count_nonzero(y), np.count_nonzero(~y)) < FEWEST_OF_EACH:
        return []
    rng = np.random.default_rng(0)
    free = np.zeros(len(y), dtype=np.int64)
    estimate = _measures(y, p, unit_weights(len(y)))
    batches = [_measures(y, p, w) for w in bootstrap_weights(free, BOOTSTRAPS, rng)]
    found = []
    for measure, values in estimate.items():
        draws = np.concatenate([batch[measure] for batch in batches])[:, None]
        lower, upper = percentile_interval(draws, values, CONFIDENCE)
        ends = float(values[0]), float(lower[0]), float(upper[0])
        found.append(Estimated(name + measure, *ends, len(y)))
    return found


def _measures(y: BoolArray, p: FloatArray, w: FloatArray) -> dict[str, FloatArray]:
    group: IntArray = np.zeros(len(y), dtype=np.int64)
    return {
        "o_to_e": observed_to_expected(y, p, w),
        "calibration_intercept": calibration_intercept(y, p, w),
        "calibration_slope": calibration_slope(y, p, w),
        "auroc": placements(y, p, group, w).auroc,
        "brier": brier(y, p, w),
    }


def trend(y: BoolArray, p: FloatArray) -> Iterator[Estimated]:
    """Yield O:E of each block of `BLOCK` outcomes in turn; the last may be smaller.

    Blocks with too few of either outcome are left out.
    """
    for start in range(0, len(y), BLOCK):
        block = slice(start, start + BLOCK)
        for measure in performance(y[block], p[block], f"{start + len(y[block])}:"):
            if measure.name.endswith("o_to_e"):
                yield measure
