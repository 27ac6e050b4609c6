"""How much a model must be changed for local patients: not, its level, or its level and slope.

The closed test of Vergouwe et al. 2017, Statistics in Medicine 36:4529 (doi:10.1002/sim.7179), over
the updates that leave the trees alone: each is tested against the largest one by a likelihood
ratio, from the smallest on, and the first that is not significantly worse is taken. By that a small
sample, which cannot show that anything is wrong, changes nothing. A refit is no part of it: it is
trained as a model of its own and competes as a challenger.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.stats import chi2

from data_schemas.errors import DataError
from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.calibration import fit_logistic
from training.performance.metrics import unit_weights

SIGNIFICANCE: Final = 0.05
"""Of each test of the closed procedure, and so of the whole."""

FEWEST_OF_EACH: Final = 20
"""Patients with and without the outcome, each, below which nothing is estimated; a choice."""

Method = Literal["none", "recalibration in the large", "logistic recalibration"]


@dataclass(frozen=True)
class Update:
    """The update that was chosen: new log-odds are `slope * old + intercept`.

    Attributes
    ----------
    method : str
        "none", "recalibration in the large" or "logistic recalibration".
    intercept, slope : float
        0 and 1 where nothing is changed. A slope of 0 gives everyone the local share: the model's
        order of patients is not theirs.
    level_error : float
        Standard error of the log-odds of a patient with average predictions.
    n_patients, n_events : int
        On whom it rests.
    p_unchanged, p_level : float
        Of the two tests: nothing, and the level alone, against level and slope.
    """

    method: Method
    intercept: float
    slope: float
    level_error: float
    n_patients: int
    n_events: int
    p_unchanged: float
    p_level: float

    def log_odds(self, before: FloatArray) -> FloatArray:
        """Return the new log-odds, shape as `before`."""
        return self.slope * before + self.intercept


def choose_update(y: BoolArray, log_odds: FloatArray) -> Update:
    """Choose the smallest update that local outcomes do not speak against.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        Whether each local patient reached the outcome.
    log_odds : ndarray, shape (n,)
        What the model had said.

    Raises
    ------
    DataError
        When fewer than `FEWEST_OF_EACH` patients reached the outcome, or did not.
    """
    n, n_events = len(y), int(np.count_nonzero(y))
    if min(n_events, n - n_events) < FEWEST_OF_EACH:
        raise DataError(
            f"Of {n} patients with a known outcome fewer than {FEWEST_OF_EACH} reached it, or "
            f"fewer than {FEWEST_OF_EACH} did not; a model is not updated on so few. Wait for more."
        )
    return _chosen(y, log_odds)


def apart(y: BoolArray, log_odds: FloatArray, fold: IntArray, method: Method) -> FloatArray:
    """Return new log-odds of each patient by an update that was estimated without the patient.

    Where the others alone would ask for no update, the patient gets none.

    Parameters
    ----------
    y, log_odds
        As in `choose_update`.
    fold : ndarray of int, shape (n,)
        Who is left out together, as `parted` returns it.
    method : str
        That was chosen on all.
    """
    updated = log_odds.copy()
    for number in np.unique(fold):
        own = fold == number
        if _chosen(y[~own], log_odds[~own]).method == "none":
            continue
        if method == "recalibration in the large":
            updated[own] += _level(y[~own], log_odds[~own])
        elif method == "logistic recalibration":
            intercept, slope = _level_and_slope(y[~own], log_odds[~own])
            updated[own] = slope * log_odds[own] + intercept
    return updated


def parted(y: BoolArray, folds: int, seed: int) -> IntArray:
    """Part patients at random, so that both outcomes are as frequent in each part as in all.

    Returns
    -------
    ndarray of int, shape (n,)
        The part of each, from 0.
    """
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(y)), y))
    fold = np.empty(len(y), dtype=np.int64)
    fold[order] = np.arange(len(y)) % folds
    return fold


def _chosen(y: BoolArray, log_odds: FloatArray) -> Update:
    n, n_events = len(y), int(np.count_nonzero(y))
    level, (intercept, slope) = _level(y, log_odds), _level_and_slope(y, log_odds)
    fits = [_log_likelihood(y, each) for each in (
        log_odds, log_odds + level, slope * log_odds + intercept,
    )]  # fmt: skip
    free = 2 if _varies(log_odds) else 1
    p_unchanged = float(chi2.sf(2 * (fits[2] - fits[0]), free))
    p_level = float(chi2.sf(2 * (fits[2] - fits[1]), 1)) if free > 1 else 1.0
    method: Method = "logistic recalibration"
    if p_unchanged >= SIGNIFICANCE:
        method, intercept, slope = "none", 0.0, 1.0
    elif p_level >= SIGNIFICANCE:
        method, intercept, slope = "recalibration in the large", level, 1.0
    chance = 1 / (1 + np.exp(-(slope * log_odds + intercept)))
    error = 0.0 if method == "none" else 1 / float(np.sqrt(np.sum(chance * (1 - chance))))
    return Update(method, intercept, slope, error, n, n_events, p_unchanged, p_level)


def _level(y: BoolArray, log_odds: FloatArray | float) -> float:
    return float(_fitted(np.ones((len(y), 1)), y, log_odds)[0])


def _level_and_slope(y: BoolArray, log_odds: FloatArray) -> tuple[float, float]:
    n, mean = len(y), float(log_odds.mean())
    if _varies(log_odds):
        spread = float(log_odds.std())
        columns = np.column_stack([np.ones(n), (log_odds - mean) / spread])
        at_mean, by_spread = (float(each) for each in _fitted(columns, y, 0.0))
        if by_spread > 0:
            return at_mean - by_spread * mean / spread, by_spread / spread
        # A negative slope would turn the meaning of every contribution.
        return _level(y, 0.0), 0.0
    return _level(y, log_odds), 1.0


def _varies(log_odds: FloatArray) -> bool:
    return float(log_odds.std()) > 1e-9


def _fitted(columns: FloatArray, y: BoolArray, offset: FloatArray | float) -> FloatArray:
    found: FloatArray = fit_logistic(columns, y, unit_weights(len(y)), offset=offset)[0]
    if np.isnan(found).any():
        raise DataError(
            "The predictions part those who reached the outcome from all others without exception; "
            "nothing can be fitted to that. Check that outcomes were not used as inputs."
        )
    return found


def _log_likelihood(y: BoolArray, log_odds: FloatArray) -> float:
    return float(np.sum(y * log_odds - np.logaddexp(0.0, log_odds)))
