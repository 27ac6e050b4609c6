"""A chart of calibration that notices a lasting shift soon, and says how often it is wrong.

The risk-adjusted CUSUM of Steiner et al. 2000, Biostatistics 1:441 (doi:10.1093/biostatistics/
1.4.441): each outcome adds the log-likelihood ratio of "the log-odds of all patients are shifted by
`shift`" against "the predictions are right", and the sum never falls below zero. An alarm is given
where it reaches a limit. The limit follows from the false alarms that are accepted, exactly but for
a fine grid: the sum is a Markov chain (Brook and Evans 1972, Biometrika 59:539,
doi:10.1093/biomet/59.3.539), of which the chance of an alarm within n outcomes and the average run
length are read.
"""

from typing import Final

import numpy as np
from scipy.optimize import brentq

from training.learning.rows import BoolArray, FloatArray
from training.performance.metrics import inside_unit_interval

# Cells of the chain: with twice as many, limits and chances change by less than 1 %.
_CELLS: Final = 200
# Quantiles that stand for the distribution of the predictions.
_QUANTILES: Final = (np.arange(50) + 0.5) / 50
_HIGHEST_LIMIT: Final = 25.0


def cusum(y: BoolArray, p: FloatArray, shift: float) -> FloatArray:
    """Return the chart after each outcome.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        Whether each patient reached the outcome, in the order in which it became known.
    p : ndarray, shape (n,)
        What had been predicted, 0 to 1.
    shift : float
        The shift looked for, in log-odds: positive where too few responders are predicted.

    Returns
    -------
    ndarray, shape (n,)
        Never negative.

    Examples
    --------
    >>> cusum(np.array([True, True, False]), np.array([0.5, 0.5, 0.5]), 0.5).round(3).tolist()
    [0.219, 0.438, 0.157]
    """
    total = np.cumsum(_steps(y, p, shift))
    # The lowest sum so far, zero at the start included, is where the chart last stood at zero.
    chart: FloatArray = total - np.minimum(0.0, np.minimum.accumulate(total))
    return chart


def _steps(y: BoolArray, p: FloatArray, shift: float) -> FloatArray:
    ratios: FloatArray = y * shift - np.log1p(inside_unit_interval(p) * np.expm1(shift))
    return ratios


def alarm_chance(
    limit: float, p: FloatArray, n_outcomes: int, shift: float, true_shift: float = 0.0
) -> float:
    """Return the chance that a chart that starts at zero reaches its limit within n outcomes.

    Parameters
    ----------
    limit : float
        Where the alarm is given; positive.
    p : ndarray, shape (k,)
        Predictions, as they are distributed among the patients.
    n_outcomes : int
        At least one.
    shift : float
        The shift looked for, in log-odds.
    true_shift : float
        By how much the true log-odds differ from those predicted; 0 for the false alarms.
    """
    chain = _chain(limit, p, shift, true_shift)
    silent = np.zeros(_CELLS)
    silent[0] = 1.0
    for _ in range(n_outcomes):
        silent = silent @ chain
    return float(1 - silent.sum())


def average_run_length(limit: float, p: FloatArray, shift: float, true_shift: float = 0.0) -> float:
    """Return after how many outcomes, on average, a chart that starts at zero gives an alarm."""
    chain = _chain(limit, p, shift, true_shift)
    lengths = np.linalg.solve(np.eye(_CELLS) - chain, np.ones(_CELLS))
    return float(lengths[0])


def alarm_limit(p: FloatArray, n_outcomes: int, shift: float, false_alarms: float) -> float:
    """Return the limit that calibrated predictions reach within n outcomes with a stated chance.

    Parameters
    ----------
    p : ndarray, shape (k,)
        Predictions, as they are distributed among the patients.
    n_outcomes : int
        Such as a year's.
    shift : float
        The shift looked for, in log-odds.
    false_alarms : float
        The accepted chance, between 0 and 1.
    """

    def excess(limit: float) -> float:
        return alarm_chance(limit, p, n_outcomes, shift) - false_alarms

    return float(brentq(excess, 0.05, _HIGHEST_LIMIT, xtol=1e-3))


def _chain(limit: float, p: FloatArray, shift: float, true_shift: float) -> FloatArray:
    """Return the chances of going from one cell of the chart to another without an alarm."""
    typical = inside_unit_interval(np.quantile(p, _QUANTILES))
    odds = typical / (1 - typical) * np.exp(true_shift)
    responding = odds / (1 + odds)
    steps = np.concatenate(
        [_steps(np.full(len(typical), v), typical, shift) for v in (True, False)]
    )
    chances = np.concatenate([responding, 1 - responding]) / len(typical)
    width = limit / _CELLS
    # Half-way between two cells, half of the chance goes to each: no drift from rounding.
    position = np.maximum(np.arange(_CELLS)[:, None] + steps / width, 0.0)
    below = np.floor(position).astype(np.intp)
    upper_share = position - below
    chain = np.zeros((_CELLS, _CELLS + 1))
    start = np.broadcast_to(np.arange(_CELLS)[:, None], below.shape)
    for cell, share in ((below, 1 - upper_share), (below + 1, upper_share)):
        np.add.at(chain, (start, np.minimum(cell, _CELLS)), share * chances)
    inside: FloatArray = chain[:, :_CELLS]
    return inside
