"""Measures of one model on one split, turned into rows of the evaluation table with intervals."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.held_out import HeldOut
from training.performance.intervals import bootstrap_weights, percentile_interval
from training.performance.measures import MeasureSet
from training.performance.metrics import unit_weights

# Fewer patients have too few distinct resamples for percentiles in the tails.
FEWEST_PATIENTS_FOR_INTERVAL: Final = 10


class Row(NamedTuple):
    """One line of the evaluation table; NaN where there is no threshold or no interval."""

    model: str
    split: str
    metric: str
    threshold: float
    estimate: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True)
class Judge:
    """One model on one split, and how its intervals are made.

    Attributes
    ----------
    model, split : str
        As in the table.
    held : HeldOut
        The patients that count; `n` of each row is their number.
    bootstraps : int
        Draws behind each interval.
    confidence : float
        Such as 0.95.
    seed : int
        Draws depend on it, on the split and on the patients, not on the model.
    """

    model: str
    split: str
    held: HeldOut
    bootstraps: int
    confidence: float
    seed: int

    def free_rows(self, measure: MeasureSet) -> Iterator[Row]:
        """Yield rows of measures that depend on the event rate: everyone is drawn alike."""
        return self._rows(measure, np.zeros(self.held.n, dtype=np.int64), "free")

    def by_outcome_rows(self, measure: MeasureSet) -> Iterator[Row]:
        """Yield rows of measures that do not: patients are drawn outcome by outcome."""
        return self._rows(measure, self.held.y, "by outcome")

    def row(
        self, metric: str, estimate: float, lower: float = np.nan, upper: float = np.nan
    ) -> Row:
        """Return a row whose interval was not made by bootstrap."""
        n = self.held.n
        return Row(self.model, self.split, metric, np.nan, estimate, lower, upper, n)

    def _rows(
        self, measure: MeasureSet, strata: BoolArray | IntArray, scheme: str
    ) -> Iterator[Row]:
        estimates = measure(unit_weights(self.held.n))
        batches = [measure(weights) for weights in self._draws(strata, scheme)]
        for number, (metric, thresholds, values) in enumerate(estimates):
            estimate = values[0]
            lower = upper = np.full_like(estimate, np.nan)
            if batches:
                draws = np.concatenate([batch[number].values for batch in batches])
                lower, upper = percentile_interval(draws, estimate, self.confidence)
            columns = np.full_like(estimate, np.nan) if thresholds is None else thresholds
            for threshold, *found in zip(columns, estimate, lower, upper, strict=True):
                if not np.isnan(found[0]):
                    yield self.row(metric, *map(float, found))._replace(threshold=float(threshold))

    def _draws(self, strata: BoolArray | IntArray, scheme: str) -> Iterator[FloatArray]:
        if self.held.n < FEWEST_PATIENTS_FOR_INTERVAL:
            return iter(())
        rng = np.random.default_rng([self.seed, crc32(f"{self.split}|{scheme}".encode())])
        return bootstrap_weights(strata, self.bootstraps, rng)
