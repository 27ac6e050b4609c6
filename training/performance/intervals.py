"""Bootstrap over patients, and the intervals read from it.

Patients are drawn with replacement; all predictions of a patient stay together. Two schemes:

- *by outcome*: patients with and without the outcome are drawn apart, their numbers held. For
  measures that describe each outcome's patients on their own (AUROC, ROC curve, sensitivity,
  specificity, distributions), where it spares draws without an event;
- *free*: everyone is drawn alike, so the event rate varies as it would in a new sample. For
  measures that depend on it (O:E, calibration, Brier, net benefit, predictive values): holding the
  event rate leaves its sampling error out, and the intervals are then much too narrow.

Intervals are percentile intervals (Efron and Tibshirani 1993, An Introduction to the Bootstrap,
chapter 13). Distances that cannot be negative (ICI, E50, E90) lie higher in draws than in the
sample; bias-corrected and basic intervals covered less in simulation, so these are percentile
intervals too. They never reach 0, so perfect calibration is to be read from the slope.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray

# Weights held at a time: 1 MB, which stays in the cache (four times as much takes 1.2 times as
# long) and keeps memory from growing with the bootstraps.
_NUMBERS_AT_A_TIME: Final = 125_000
# An interval from draws of which more than this share leave the measure undefined says nothing.
LARGEST_UNDEFINED_SHARE: Final = 0.05


def bootstrap_weights(
    strata: IntArray | BoolArray, bootstraps: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Draw bootstrap samples, a batch at a time.

    Parameters
    ----------
    strata : ndarray, shape (n,)
        Patients are drawn within each stratum, whose size is held.
    bootstraps : int
        Draws in all.

    Yields
    ------
    ndarray, shape (draws, n)
        How often each patient was drawn; rows sum to n.
    """
    n = len(strata)
    members = [np.flatnonzero(strata == code) for code in np.unique(strata)]
    batch = max(1, _NUMBERS_AT_A_TIME // n)
    for start in range(0, bootstraps, batch):
        draws = min(batch, bootstraps - start)
        drawn = np.concatenate(
            [own[rng.integers(len(own), size=(draws, len(own)))] for own in members], axis=1
        )
        cells = drawn + n * np.arange(draws)[:, None]
        counts = np.bincount(cells.ravel(), minlength=draws * n)
        yield counts.reshape(draws, n).astype(np.float64)


def percentile_interval(
    draws: FloatArray, estimate: FloatArray, confidence: float
) -> tuple[FloatArray, FloatArray]:
    """Return the percentile interval of each column, widened to the estimate where it left it out.

    Parameters
    ----------
    draws : ndarray, shape (draws, columns)
        Bootstrap values; NaN where undefined.
    estimate : ndarray, shape (columns,)
        Values in the sample itself.
    confidence : float
        Such as 0.95.

    Returns
    -------
    lower, upper : ndarray, shape (columns,)
        NaN where more than 5 % of the draws are undefined.
    """
    tail = (1 - confidence) / 2
    undefined = np.isnan(draws)
    usable = undefined.mean(axis=0) <= LARGEST_UNDEFINED_SHARE
    limits = np.full((2, draws.shape[1]), np.nan)
    for column in np.flatnonzero(usable):
        known = draws[~undefined[:, column], column]
        limits[:, column] = np.quantile(known, [tail, 1 - tail])
    return np.minimum(limits[0], estimate), np.maximum(limits[1], estimate)
