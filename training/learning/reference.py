"""How the training patients were distributed, told so that no single one of them is told on."""

from collections.abc import Callable
from math import ceil, floor, log10, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from serving.abstention import TrainingReference
from serving.model_document import ReferenceDistribution
from training.learning.rows import FloatArray

PERCENTILES: Final = {"p1": 1, "p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99}
# What fewer patients share could be told of one of them: a common threshold of disclosure control.
SHARED_BY: Final = 5
# With fewer, not even the quartiles could be told.
MINIMUM_KNOWN_VALUES: Final = 25

# The middle one of five patients of whom the outermost has four others beyond, or beside.
_OUTERMOST: Final = SHARED_BY - 1 + SHARED_BY // 2
# Two and a half standard errors, relative, of the 99th percentile of a normal distribution:
# sqrt(0.01 * 0.99 / n) over its density there, 0.0267, over the percentile itself, 2.33.
_WIDENING: Final = 4.0
_ROUNDING: Final = 1e-6  # of a step, by which a sum of decimals may miss its multiple
_Z99: Final = NormalDist().inv_cdf(0.99)


def reference_distribution(column: FloatArray, factor: float) -> ReferenceDistribution | None:
    """Describe the known values of one feature without disclosing any patient's.

    A percentile is a value that five or more patients share, or else the mean of the five patients
    around it, in steps of about a hundredth of the spread, and then not the value of anybody. At or
    beyond the outer two lie five patients or more, so that in fewer than 600 patients they are
    less extreme than the 1st and 99th percentile.

    Parameters
    ----------
    column : ndarray of float, shape (n,)
        Values of the training patients, NaN where unknown.
    factor : float
        The accepted range reaches this many times as far from the median as the usual range.

    Returns
    -------
    ReferenceDistribution or None
        None where fewer than `MINIMUM_KNOWN_VALUES` values are known.

    Notes
    -----
    Where the outer percentiles are less extreme than their names, the usual range reaches further
    than they do, by as much as the 1st and 99th percentiles of a normal distribution lie further
    from its median than those used: it holds about 98 % in small cohorts too.

    The accepted range reaches `factor * (1 + 4 / sqrt(n))` times as far as the usual range, since
    percentiles of few patients are noisy. A side without width, as of a rare yes, is given the
    width of the other; where neither has any, every value is accepted.
    """
    values = np.sort(column[~np.isnan(column)])
    n = len(values)
    if n < MINIMUM_KNOWN_VALUES:
        return None
    cuts = _cuts(values)
    reached = NormalDist().inv_cdf(min(0.99, 1 - _OUTERMOST / (n - 1)))
    below, above = (_Z99 / reached * width for width in (cuts[3] - cuts[0], cuts[-1] - cuts[3]))
    usual = _range(cuts, below, above)
    limited = np.clip(values, cuts[0], cuts[-1])
    further = factor * _widening(n)
    accepted = _range(cuts, further * (below or above), further * (above or below))
    return ReferenceDistribution(
        **dict(zip(PERCENTILES, cuts, strict=True)),
        lowest_usual=usual[0],
        highest_usual=usual[1],
        mean=float(limited.mean()),
        sd=float(limited.std(ddof=1)),
        lowest_accepted=accepted[0] if below or above else None,
        highest_accepted=accepted[1] if below or above else None,
    )


def distance_limit(reference: TrainingReference, X: FloatArray, factor: float) -> float:
    """Return the distance from the training cohort beyond which a model declines to answer.

    Parameters
    ----------
    reference : TrainingReference
        Of the columns of X.
    X : ndarray of float, shape (n, p)
        The training patients.
    factor : float
        Multiplies the 99th percentile of their own distances, or the largest distance that five
        of them reach where that is less.

    Returns
    -------
    float
        Rounded up to one decimal, which is no patient's distance; at least 1, where typical
        patients lie.

    Notes
    -----
    `factor` is multiplied by `1 + 4 / sqrt(n)`: the fewer they are, the closer the percentiles lie
    to the very patients whose distances are taken.
    """
    distances = np.sort(reference.distance(X, np.isnan(X)))
    n = len(distances)
    place = max(0, min(round(0.99 * (n - 1)), n - SHARED_BY))
    limit = factor * _widening(n) * float(distances[place])
    return max(1.0, ceil(10 * limit) / 10)


def _widening(n: int) -> float:
    return 1 + _WIDENING / sqrt(n)


def _cuts(values: FloatArray) -> list[float]:
    """Return the percentiles of sorted values, ascending."""
    last = len(values) - 1
    places = [
        min(max(round(level / 100 * last), _OUTERMOST), last - _OUTERMOST)
        for level in PERCENTILES.values()
    ]
    step = _step(float(values[places[-1]] - values[places[0]]))
    # Outer percentiles are rounded inwards, so that five patients stay at or beyond them.
    rounding: list[Callable[[float], int]] = [ceil, *[round] * 5, floor]
    cuts = [_cut(values, each, step, whole) for each, whole in zip(places, rounding, strict=True)]
    ascending: list[float] = np.maximum.accumulate(np.clip(cuts, cuts[0], cuts[-1])).tolist()
    return ascending


def _cut(values: FloatArray, place: int, step: float, whole: Callable[[float], int]) -> float:
    """Return the value at a place if it is shared; else the mean around it, in whole steps."""
    if _holders(values, float(values[place])) >= SHARED_BY:
        return float(values[place])
    around = values[place - SHARED_BY // 2 : place + SHARED_BY // 2 + 1]
    cut = _plain(whole(float(np.mean(around)) / step) * step)
    # Never by chance the very value of a few.
    inwards = step if 2 * place < len(values) else -step
    while 0 < _holders(values, cut) < SHARED_BY:
        inwards /= 2
        cut = _plain(cut + inwards)
    return cut


def _holders(values: FloatArray, value: float) -> int:
    return int(np.searchsorted(values, value, "right") - np.searchsorted(values, value, "left"))


def _range(cuts: list[float], below: float, above: float) -> tuple[float, float]:
    """Return what lies so far below and above the median, rounded outwards."""
    step = _step(cuts[-1] - cuts[0])
    lowest = floor((cuts[3] - below) / step + _ROUNDING) * step
    highest = ceil((cuts[3] + above) / step - _ROUNDING) * step
    return min(_plain(lowest), cuts[0]), max(_plain(highest), cuts[-1])


def _step(spread: float) -> float:
    """Return the smallest of 1, 2 or 5 times a power of ten that is a hundredth of the spread."""
    wanted = (spread or 1.0) / 100
    power = 10.0 ** floor(log10(wanted))
    return next(times * power for times in (1, 2, 5, 10, 20) if times * power >= wanted)


def _plain(value: float) -> float:
    """Return a value without the last digits, in which products of decimals are never exact."""
    return float(f"{value:.15g}")
