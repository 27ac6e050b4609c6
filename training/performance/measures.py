"""The performance set: the measures that are reported, in parts that are put together for a split.

A *part* measures one repeat: from y, p, group and weights it yields `Measured` values for every
draw (see `training.performance.metrics` for these arguments, `training.performance.discrimination`
for the group). `measure_set` joins parts and averages them over the repeats of a cross-validation,
within each draw, so that a patient's repeats stay together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.calibration import (
    calibration_errors,
    calibration_intercept,
    calibration_slope,
    fit_calibration_curve,
)
from training.performance.discrimination import adjusted_auprc, auprc, placements
from training.performance.held_out import HeldOut
from training.performance.metrics import (
    binned_shares,
    brier,
    brier_scaled,
    log_loss,
    observed_to_expected,
    threshold_counts,
)

# Divisions of whole numbers, so that 0.07 is written as 0.07.
DECISION_THRESHOLDS: Final = np.arange(5, 81) / 100
FALSE_POSITIVE_RATES: Final = np.arange(51) / 50
DISTRIBUTION_EDGES: Final = np.arange(20) / 20
CURVE_PROBABILITIES: Final = np.arange(1, 100) / 100


class Measured(NamedTuple):
    """One measure in every draw: values of shape (draws, thresholds), or (draws, 1) without."""

    metric: str
    thresholds: FloatArray | None
    values: FloatArray


Part = Callable[[BoolArray, FloatArray, IntArray, FloatArray], Iterator[Measured]]
MeasureSet = Callable[[FloatArray], list[Measured]]


def measure_set(held: HeldOut, group: IntArray, *parts: Part) -> MeasureSet:
    """Return the parts' measures of one model as a function of weights, shape (draws, n).

    Parameters
    ----------
    group : ndarray of int, shape (repeats, n)
        Who is ranked among whom.
    """

    def measure(weights: FloatArray) -> list[Measured]:
        return _averages(
            [m for part in parts for m in part(held.y, p, own, weights)]
            for p, own in zip(held.probability, group, strict=True)
        )

    return measure


def averaged(sets: Sequence[MeasureSet]) -> MeasureSet:
    """Return the same measures of several sets, such as repeats, averaged within each draw."""
    return lambda weights: _averages(measure(weights) for measure in sets)


def _averages(repeats: Iterable[Sequence[Measured]]) -> list[Measured]:
    return [
        same[0]._replace(values=np.mean([m.values for m in same], axis=0))
        for same in zip(*repeats, strict=True)
    ]


def difference(first: MeasureSet, second: MeasureSet) -> MeasureSet:
    """Return the measures of two models in the same draws, first minus second."""

    def measure(weights: FloatArray) -> list[Measured]:
        pairs = zip(first(weights), second(weights), strict=True)
        return [a._replace(values=a.values - b.values) for a, b in pairs]

    return measure


def accuracy(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the proper scores."""
    yield _scalar("brier", brier(y, p, w))
    yield _scalar("log_loss", log_loss(y, p, w))


def score(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the Brier score alone."""
    yield _scalar("brier", brier(y, p, w))


def scaled_score(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the scaled Brier score."""
    yield _scalar("brier_scaled", brier_scaled(y, p, w))


def event_ratio(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield O:E."""
    yield _scalar("o_to_e", observed_to_expected(y, p, w))


def mean_calibration(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield O:E and the calibration intercept."""
    yield _scalar("o_to_e", observed_to_expected(y, p, w))
    yield _scalar("calibration_intercept", calibration_intercept(y, p, w))


def slope(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the calibration slope with one intercept for all."""
    yield _scalar("calibration_slope", calibration_slope(y, p, w))


def flexible_calibration(grid: FloatArray) -> Part:
    """Return the part for ICI, E50, E90 and the curve on a grid of predicted probabilities."""

    def measure(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
        curve = fit_calibration_curve(y, p, w)
        errors = calibration_errors(curve, p, w)
        for metric, values in zip(("ici", "e50", "e90"), errors, strict=True):
            yield _scalar(metric, values)
        yield Measured("calibration_curve", grid, curve.at(grid))

    return measure


def ranking(y: BoolArray, p: FloatArray, group: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the AUROC."""
    yield _scalar("auroc", placements(y, p, group, w).auroc)


def roc_curve(y: BoolArray, p: FloatArray, group: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the ROC curve: sensitivity where 1 - specificity is the threshold."""
    sensitivity = placements(y, p, group, w).sensitivity_at(FALSE_POSITIVE_RATES)
    yield Measured("roc_sensitivity", FALSE_POSITIVE_RATES, sensitivity)


def precision(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the area under the precision-recall curve, ranking everyone."""
    yield _scalar("auprc", auprc(y, p, w))


def precision_within(
    y: BoolArray, p: FloatArray, group: IntArray, w: FloatArray
) -> Iterator[Measured]:
    """Yield the area under the precision-recall curve, ranking within groups."""
    yield _scalar("auprc", adjusted_auprc(y, p, group, w))


def slope_within(y: BoolArray, p: FloatArray, group: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the calibration slope with an intercept for every group."""
    yield _scalar("calibration_slope", calibration_slope(y, p, w, group))


def net_benefits(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the decision curve and its two references."""
    counts = threshold_counts(y, p, DECISION_THRESHOLDS, w)
    yield Measured("net_benefit", DECISION_THRESHOLDS, counts.net_benefit)
    yield Measured("net_benefit_treat_all", DECISION_THRESHOLDS, counts.net_benefit_treat_all)
    nobody = np.zeros_like(counts.net_benefit)
    yield Measured("net_benefit_treat_none", DECISION_THRESHOLDS, nobody)


def decisions(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield the decision curve alone."""
    counts = threshold_counts(y, p, DECISION_THRESHOLDS, w)
    yield Measured("net_benefit", DECISION_THRESHOLDS, counts.net_benefit)


def distributions(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
    """Yield histograms of the predictions with and without the outcome."""
    for metric, member in (("distribution_event", y), ("distribution_nonevent", ~y)):
        shares = binned_shares(p[member], DISTRIBUTION_EDGES, w[:, member])
        yield Measured(metric, DISTRIBUTION_EDGES, shares)


def flagging(thresholds: FloatArray) -> Part:
    """Return the part for sensitivity and specificity at thresholds that the user named."""

    def measure(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
        counts = threshold_counts(y, p, thresholds, w)
        yield Measured("sensitivity", thresholds, counts.sensitivity)
        yield Measured("specificity", thresholds, counts.specificity)

    return measure


def predictive_values(thresholds: FloatArray) -> Part:
    """Return the part for predictive values at thresholds that the user named."""

    def measure(y: BoolArray, p: FloatArray, _: IntArray, w: FloatArray) -> Iterator[Measured]:
        counts = threshold_counts(y, p, thresholds, w)
        yield Measured("ppv", thresholds, counts.positive_predictive_value)
        yield Measured("npv", thresholds, counts.negative_predictive_value)

    return measure


def curve_grid(probability: FloatArray) -> FloatArray:
    """Return the hundredths that lie within the predictions of every repeat: no extrapolation."""
    lowest, highest = probability.min(axis=1).max(), probability.max(axis=1).min()
    inside = (lowest <= CURVE_PROBABILITIES) & (highest >= CURVE_PROBABILITIES)
    grid: FloatArray = CURVE_PROBABILITIES[inside]
    return grid


def _scalar(metric: str, values: FloatArray) -> Measured:
    return Measured(metric, None, values[:, None])
