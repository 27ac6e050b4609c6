"""Measures of one model on one split, turned into rows of the evaluation table with intervals."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from training.learning.rows import BoolArray, IntArray
from training.performance.held_out import HeldOut
from training.performance.measures import MeasureSet
from training.performance.resampling import (
    FEWEST_PATIENTS_FOR_INTERVAL,
    Drawing,
    Sampled,
    resample,
)


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
    drawing : Drawing
    """

    model: str
    split: str
    held: HeldOut
    drawing: Drawing

    @property
    def confidence(self) -> float:
        """Level of every interval, such as 0.95."""
        return self.drawing.confidence

    def free_rows(self, measure: MeasureSet) -> Iterator[Row]:
        """Yield rows of measures that depend on the event rate: everyone is drawn alike."""
        return self._rows(measure, np.zeros(self.held.n, dtype=np.int64), "free")

    def by_outcome_rows(self, measure: MeasureSet) -> Iterator[Row]:
        """Yield rows of measures that do not: patients are drawn outcome by outcome."""
        return self._rows(measure, self.held.y, "by outcome")

    def part(self, split: str, member: BoolArray) -> "Judge":
        """Return the judge of some of the patients, under a split of their own."""
        return replace(self, split=split, held=self.held.of(member))

    def row(
        self, metric: str, estimate: float, lower: float = np.nan, upper: float = np.nan
    ) -> Row:
        """Return a row whose interval was not made by bootstrap."""
        n = self.held.n
        return Row(self.model, self.split, metric, np.nan, estimate, lower, upper, n)

    def sampled_rows(self, sampled: Iterable[Sampled]) -> Iterator[Row]:
        """Yield the rows of measures that were drawn already; none where one is undefined."""
        few = self.held.n < FEWEST_PATIENTS_FOR_INTERVAL
        for found in sampled:
            lower, upper = found.interval(self.confidence)
            columns = np.full_like(lower, np.nan) if found.thresholds is None else found.thresholds
            for threshold, *ends in zip(columns, found.estimate, lower, upper, strict=True):
                estimate, *interval = map(float, ends)
                if not np.isnan(estimate):
                    row = self.row(found.metric, estimate, *([np.nan] * 2 if few else interval))
                    yield row._replace(threshold=float(threshold))

    def _rows(
        self, measure: MeasureSet, strata: BoolArray | IntArray, scheme: str
    ) -> Iterator[Row]:
        (sampled,) = resample([measure], strata, self.drawing, f"{self.split}|{scheme}")
        return self.sampled_rows(sampled)
