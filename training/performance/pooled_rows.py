"""Rows of the evaluation table over all held-out patients of a split."""

from collections.abc import Iterator

from training.learning.rows import FloatArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance import measures
from training.performance.held_out import HeldOut
from training.performance.judge import Judge, Row
from training.performance.measures import Part, measure_set


def pooled_rows(judge: Judge, thresholds: FloatArray) -> Iterator[Row]:
    """Yield the whole performance set; no ranking where it would have to cross held-out sites.

    Parameters
    ----------
    thresholds : ndarray
        Where to report sensitivity, specificity and predictive values; may be empty.
    """
    held = judge.held
    free: list[Part] = [measures.accuracy, measures.scaled_score, measures.mean_calibration]
    by_outcome: list[Part] = [measures.distributions]
    if held.varies_within_folds:
        grid = measures.curve_grid(held.probability)
        free += [measures.slope, measures.flexible_calibration(grid)]
    free.append(measures.net_benefits)
    if judge.split != LEAVE_ONE_SITE_OUT:
        free.append(pooled_precision(held))
        by_outcome += [measures.ranking, measures.roc_curve]
    if len(thresholds):
        free.append(measures.predictive_values(thresholds))
        by_outcome.append(measures.flagging(thresholds))
    yield from judge.free_rows(measure_set(held, held.fold, *free))
    yield from judge.by_outcome_rows(measure_set(held, held.fold, *by_outcome))


def pooled_precision(held: HeldOut) -> Part:
    """Return the part for the precision-recall area: of everyone, where predictions vary at all.

    Stratified folds agree, so they are pooled. The base rate, though, differs between folds and
    only there.
    """
    return measures.precision if held.varies_within_folds else measures.precision_within
