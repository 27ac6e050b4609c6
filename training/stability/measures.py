"""How stable the served model is: rows of the evaluation table, and one line a patient.

The measures are those of Riley and Collins 2023, Biometrical Journal, doi:10.1002/bimj.202200302.
Replicates are judged on the *original* patients, of whom each learned from about 63 %: their
calibration, ranking and net benefit are *apparent*, and on average too good. What counts is how
far the replicates lie apart.

| metric                       | estimate                            | lower and upper         |
|------------------------------|-------------------------------------|-------------------------|
| `mape`                       | mean over patients                  | bootstrap over patients |
| `mape_95th_percentile`       | of the patients                     | bootstrap over patients |
| `share_interval_wider_than`  | share of patients, by threshold     | bootstrap over patients |
| `classification_instability` | mean over patients, by threshold    | bootstrap over patients |
| `share_without_signal`       | share of the replicates             | Wilson's interval       |
| `recalibration_slope`        | median of the replicates            | their central part      |
| `apparent_calibration_slope` | median of those with any slope      | their central part      |
| `apparent_calibration_curve` | median, by predicted probability    | their central part      |
| `apparent_auroc`             | median, within sites                | their central part      |
| `apparent_net_benefit`       | median, by threshold                | their central part      |

The split is `stability`, `n` the number of patients. A patient's MAPE is the mean absolute
difference of the replicates' probabilities from the served one; the interval whose width counts is
the central part of the replicates' probabilities, at the level of the served interval.
Classification instability is the share of replicates that put a patient on the other side of a
threshold than the served model; only thresholds that the user named are reported.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.learning.models import probability
from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.calibration import calibration_slope, fit_calibration_curve
from training.performance.discrimination import placements
from training.performance.held_out import HeldOut
from training.performance.judge import Judge, Row
from training.performance.measures import (
    DECISION_THRESHOLDS,
    Measured,
    MeasureSet,
    curve_grid,
)
from training.performance.metrics import threshold_counts, unit_weights, weighted_mean
from training.performance.resampling import Drawing
from training.stability.replicates import Replicates

STABILITY: Final = "stability"
# Widths of interest are a choice: a fifth and nearly a third of the whole scale.
WIDE_INTERVALS: Final = (0.2, 0.3)
# A point of the calibration curve that fewer replicates reach says little of them all.
_SMALLEST_SHARE_REACHING: Final = 0.5


def patient_table(replicates: Replicates, log_odds: FloatArray, level: float) -> pd.DataFrame:
    """Return the data of the instability plot: one line a training patient, in their order.

    Parameters
    ----------
    log_odds : ndarray of float, shape (n,)
        Of the served model.
    level : float
        Of the interval, such as 0.9.

    Returns
    -------
    DataFrame
        `row` (from 1), `probability` (served), `lower` and `upper` (central part of the
        replicates' probabilities; it need not hold the served one) and `mape`.
    """
    p, drawn = probability(log_odds), probability(replicates.log_odds)
    lower, upper = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    mape = np.mean(np.abs(drawn - p), axis=0)
    row = np.arange(1, len(p) + 1)
    return pd.DataFrame(
        {"row": row, "probability": p, "lower": lower, "upper": upper, "mape": mape}
    )


def stability_table(
    replicates: Replicates,
    table: TrainingTable,
    log_odds: FloatArray,
    model: str,
    config: TrainingConfig,
) -> pd.DataFrame:
    """Return the rows of the evaluation table that tell how stable the served model is.

    Parameters
    ----------
    replicates : Replicates
        Of the served model; at least one.
    table : TrainingTable
        The patients that it was trained on.
    log_odds : ndarray of float, shape (n,)
        Of the served model.
    model : str
        Its name.
    """
    p, n = probability(log_odds), len(log_odds)
    held = HeldOut(
        row=np.arange(1, n + 1),
        y=table.y,
        site=table.site,
        probability=p[None, :],
        fold=np.zeros((1, n), dtype=np.int64),
        has_connectome=table.has_connectome,
    )
    choices = config.validation
    drawing = Drawing(choices.bootstraps, choices.confidence, config.seed)
    judge = Judge(model, STABILITY, held, drawing)
    patients = patient_table(replicates, log_odds, config.interval.level)
    changes = _class_changes(p, replicates, np.unique(choices.thresholds))
    rows = [
        *judge.free_rows(_over_patients(patients, changes, np.unique(choices.thresholds))),
        *_over_replicates(judge, replicates),
    ]
    return pd.DataFrame(rows, columns=list(Row._fields))


def _class_changes(p: FloatArray, replicates: Replicates, thresholds: FloatArray) -> FloatArray:
    """Return the share of replicates that classify each patient otherwise, (n, thresholds)."""
    drawn = probability(replicates.log_odds)
    shares = [np.mean((drawn >= t) != (p >= t), axis=0) for t in thresholds]
    return np.array(shares).reshape(len(thresholds), len(p)).T


def _over_patients(
    patients: pd.DataFrame, changes: FloatArray, thresholds: FloatArray
) -> MeasureSet:
    mape = patients["mape"].to_numpy()
    width = (patients["upper"] - patients["lower"]).to_numpy()
    wide = np.array(WIDE_INTERVALS)
    is_wide = (width[:, None] > wide).astype(np.float64)

    def measure(weights: FloatArray) -> list[Measured]:
        count = weights.sum(axis=1, keepdims=True)
        measured = [
            Measured("mape", None, weighted_mean(mape, weights)[:, None]),
            Measured("mape_95th_percentile", None, _weighted_quantile(mape, weights, 0.95)),
            Measured("share_interval_wider_than", wide, weights @ is_wide / count),
        ]
        if len(thresholds):
            unstable = weights @ changes / count
            measured.append(Measured("classification_instability", thresholds, unstable))
        return measured

    return measure


def _weighted_quantile(x: FloatArray, weights: FloatArray, q: float) -> FloatArray:
    """Return the smallest value that a share q of each draw does not exceed, shape (draws, 1)."""
    order = np.argsort(x, kind="stable")
    share = np.cumsum(weights[:, order], axis=1) / weights.sum(axis=1, keepdims=True)
    found: FloatArray = x[order][np.argmax(share >= q - 1e-12, axis=1)][:, None]
    return found


def _over_replicates(judge: Judge, replicates: Replicates) -> Iterator[Row]:
    slopes = replicates.recalibration_slope
    none = int(np.count_nonzero(slopes == 0))
    ends = binomtest(none, len(slopes)).proportion_ci(judge.confidence, method="wilson")
    yield judge.row("share_without_signal", none / len(slopes), float(ends.low), float(ends.high))
    yield from _central(judge, Measured("recalibration_slope", None, slopes[:, None]))
    drawn = probability(replicates.log_odds)
    grid = curve_grid(judge.held.probability)
    group = judge.held.site_code[0]
    judged = [list(_apparent(judge.held.y, p, group, grid)) for p in drawn]
    for same in zip(*judged, strict=True):
        values = np.concatenate([one[2] for one in same])
        yield from _central(judge, same[0]._replace(values=values))


def _apparent(y: BoolArray, p: FloatArray, group: IntArray, grid: FloatArray) -> Iterator[Measured]:
    """Judge one replicate on the original patients; NaN where it is not defined."""
    once = unit_weights(len(p))
    yield Measured("apparent_auroc", None, placements(y, p, group, once).auroc[:, None])
    yield Measured("apparent_calibration_slope", None, calibration_slope(y, p, once)[:, None])
    curve = fit_calibration_curve(y, p, once).at(grid)
    # No replicate is judged at probabilities that it gives to nobody.
    within = (p.min() <= grid) & (grid <= p.max())
    yield Measured("apparent_calibration_curve", grid, np.where(within, curve, np.nan))
    benefit = threshold_counts(y, p, DECISION_THRESHOLDS, once).net_benefit
    yield Measured("apparent_net_benefit", DECISION_THRESHOLDS, benefit)


def _central(judge: Judge, measured: Measured) -> Iterator[Row]:
    """Yield median and central part over the replicates that have the measure."""
    metric, thresholds, values = measured
    tail = (1 - judge.confidence) / 2
    columns = np.full(values.shape[1], np.nan) if thresholds is None else thresholds
    for threshold, column in zip(columns, values.T, strict=True):
        known = column[~np.isnan(column)]
        if len(known) >= max(1, _SMALLEST_SHARE_REACHING * len(column)):
            lower, middle, upper = np.quantile(known, [tail, 0.5, 1 - tail])
            row = judge.row(metric, float(middle), float(lower), float(upper))
            yield row._replace(threshold=float(threshold))
