"""A challenger against the champion on the same patients, by paired bootstrap.

Both are judged in the same draws of patients, so that what is hard in a patient is hard for both.
Differences are the challenger's less the champion's; of calibration, differences of the distance
from what is perfect (a slope of 1, an intercept of 0), since either side of it is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan
from typing import Final

import numpy as np

from data_schemas.errors import DataError
from training.learning.rows import FloatArray
from training.performance import measures
from training.performance.held_out import HeldOut
from training.performance.intervals import percentile_interval
from training.performance.measures import Measured, MeasureSet, measure_set
from training.performance.resampling import Drawing, Sampled, among, resample
from training.performance.site_rows import in_sites_with_auroc

BRIER: Final = "brier"
AUROC: Final = "auroc"
SLOPE: Final = "calibration_slope"
INTERCEPT: Final = "calibration_intercept"

_DISTANCES: Final[dict[str, Callable[[FloatArray], FloatArray]]] = {
    BRIER: lambda values: values,
    AUROC: lambda values: values,
    SLOPE: lambda values: np.abs(values - 1),
    INTERCEPT: np.abs,
}


@dataclass(frozen=True)
class Compared:
    """One measure of both models; NaN where it is not defined.

    Attributes
    ----------
    metric : str
    champion, challenger : float
        Their own values.
    difference, lower, upper : float
        With its interval; see the module.
    """

    metric: str
    champion: float
    challenger: float
    difference: float
    lower: float = nan
    upper: float = nan

    @property
    def has_interval(self) -> bool:
        """Whether there were patients enough for one."""
        return not isnan(self.lower)


def compare(
    challenger: HeldOut, champion: HeldOut, drawing: Drawing, *, by_site: bool
) -> tuple[Compared, ...]:
    """Return Brier score, AUROC and calibration of two models on the same patients.

    Parameters
    ----------
    challenger, champion : HeldOut
        Predictions for patients whom neither model had learned from.
    drawing : Drawing
    by_site : bool
        Whether each site had a fit of its own: AUROC then ranks within sites, and the slope has an
        intercept for every site, as in `evaluation.csv`.

    Raises
    ------
    DataError
        When they are not of the same patients.
    """
    same = np.array_equal(challenger.row, champion.row) and np.array_equal(challenger.y, champion.y)
    if not same:
        raise DataError("The two models did not predict the same patients.")
    both = (challenger, champion)
    member = in_sites_with_auroc(champion) if by_site else np.ones(champion.n, dtype=np.bool_)
    slopes = member.any() and all(held.of(member).varies_within_folds for held in both)
    pooled = [_pooled(held) for held in both]
    if slopes:
        within = [_slope(held.of(member), by_site=by_site) for held in both]
        pooled = [_joined(one, among(member, w)) for one, w in zip(pooled, within, strict=True)]
    free = resample(pooled, np.zeros(champion.n, dtype=np.int64), drawing, "promotion|free")
    ranked: list[list[Sampled]] = [[], []]
    if member.any():
        ranking = [among(member, _ranking(held.of(member), by_site=by_site)) for held in both]
        ranked = resample(ranking, champion.y, drawing, "promotion|by outcome")
    pairs = zip(free[0] + ranked[0], free[1] + ranked[1], strict=True)
    found = [_compared(*pair, drawing.confidence) for pair in pairs if pair[0].metric in _DISTANCES]
    return tuple(each for each in found if not isnan(each.difference))


def _pooled(held: HeldOut) -> MeasureSet:
    return measure_set(held, held.fold, measures.score, measures.mean_calibration)


def _slope(held: HeldOut, *, by_site: bool) -> MeasureSet:
    if by_site:
        return measure_set(held, held.site_code, measures.slope_within)
    return measure_set(held, held.fold, measures.slope)


def _ranking(held: HeldOut, *, by_site: bool) -> MeasureSet:
    return measure_set(held, held.site_code if by_site else held.fold, measures.ranking)


def _joined(*sets: MeasureSet) -> MeasureSet:
    def measure(weights: FloatArray) -> list[Measured]:
        return [measured for each in sets for measured in each(weights)]

    return measure


def _compared(challenger: Sampled, champion: Sampled, confidence: float) -> Compared:
    distance = _DISTANCES[challenger.metric]
    difference = distance(challenger.estimate) - distance(champion.estimate)
    ends = (np.array([nan]), np.array([nan]))
    if len(challenger.draws):
        draws = distance(challenger.draws) - distance(champion.draws)
        ends = percentile_interval(draws, difference, confidence)
    return Compared(
        challenger.metric,
        float(champion.estimate[0]),
        float(challenger.estimate[0]),
        float(difference[0]),
        float(ends[0][0]),
        float(ends[1][0]),
    )
