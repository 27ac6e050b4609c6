"""Measures of one or of several groups of patients in the same bootstrap draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.intervals import bootstrap_weights, percentile_interval
from training.performance.measures import MeasureSet
from training.performance.metrics import unit_weights

# Fewer patients have too few distinct resamples for percentiles in the tails.
FEWEST_PATIENTS_FOR_INTERVAL: Final = 10


@dataclass(frozen=True)
class Drawing:
    """How intervals are made.

    Attributes
    ----------
    bootstraps : int
        Draws behind each interval.
    confidence : float
        Such as 0.95.
    seed : int
        Draws depend on it, on what is drawn and on the patients, not on the model.
    """

    bootstraps: int
    confidence: float
    seed: int


class Sampled(NamedTuple):
    """One measure in the sample and in every draw.

    `estimate` has shape (thresholds,), `draws` (bootstraps, thresholds), with no rows where there
    are too few patients; one threshold where the measure has none.
    """

    metric: str
    thresholds: FloatArray | None
    estimate: FloatArray
    draws: FloatArray

    def interval(self, confidence: float) -> tuple[FloatArray, FloatArray]:
        """Return the percentile interval at each threshold; NaN where none can be given."""
        if len(self.draws) == 0:
            return np.full_like(self.estimate, np.nan), np.full_like(self.estimate, np.nan)
        return percentile_interval(self.draws, self.estimate, confidence)


def resample(
    measures: Sequence[MeasureSet], strata: BoolArray | IntArray, drawing: Drawing, name: str
) -> list[list[Sampled]]:
    """Return every measure in the sample and in the same draws of it.

    Parameters
    ----------
    measures : sequence of MeasureSet
        Functions of weights, shape (draws, n).
    strata : ndarray, shape (n,)
        Patients are drawn within each stratum, whose size is held.
    name : str
        What is drawn, such as the split: other names are drawn otherwise.
    """
    rng = np.random.default_rng([drawing.seed, crc32(name.encode())])
    batches = (
        bootstrap_weights(strata, drawing.bootstraps, rng)
        if len(strata) >= FEWEST_PATIENTS_FOR_INTERVAL
        else ()
    )
    in_sample = [measure(unit_weights(len(strata))) for measure in measures]
    in_draws = [[measure(weights) for measure in measures] for weights in batches]
    return [
        [
            Sampled(
                found.metric, found.thresholds, found.values[0],
                np.concatenate([batch[which][number].values for batch in in_draws])
                if in_draws else np.empty((0, found.values.shape[1])),
            )
            for number, found in enumerate(own)
        ]
        for which, own in enumerate(in_sample)
    ]  # fmt: skip


def among(member: BoolArray, measure: MeasureSet) -> MeasureSet:
    """Return the measure of some of the patients as a function of everybody's weights."""
    return lambda weights: measure(weights[:, member])


def logarithm(sampled: Sampled) -> Sampled:
    """Return a measure on the log scale; undefined where it is 0."""
    estimate, draws = (np.where(x > 0, x, np.nan) for x in (sampled.estimate, sampled.draws))
    return sampled._replace(estimate=np.log(estimate), draws=np.log(draws))
