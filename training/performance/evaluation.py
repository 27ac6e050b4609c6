"""The evaluation table: every measure of every model with its interval, in one tidy table.

Columns are `model, split, metric, threshold, estimate, lower, upper, n`; `threshold` is NaN where
the metric has none, `lower` and `upper` where no interval can be given (fewer than 10 patients),
and `n` is the number of patients. A measure that is not defined (the calibration slope of a
constant prediction) has no row; nor has a model that tells no two patients of a fold apart (the
base rate) a slope or curve: it differs between folds only, and against the outcome, since a fold
rich in events leaves fewer to learn from.

Splits:

- `repeated_nested_cv`: all of it. AUROC and ROC curve rank patients within their fold, the
  precision-recall area ranks all;
- `leave_one_site_out`: what pools held-out sites without ranking across them: accuracy,
  calibration, net benefit, distributions. No AUROC: pooled, it would be biased (see
  `training.performance.discrimination`);
- `leave_one_site_out/within_site`: `auroc` and `o_to_e` (random-effects means over sites), with
  `_tau` (SD between sites, on the logit and the log scale) and `_prediction_interval` (for a
  further site); `roc_sensitivity`, averaged over the patients with the outcome, the `auprc` that
  this curve implies at the event rate of these sites together, and `calibration_slope` with an
  intercept for every site, since the pooled slope comes out too small. Only sites with 5 patients
  of either outcome;
- `leave_one_site_out/site=NAME`: `auroc`, `brier`, `o_to_e`, `calibration_slope` of one site, small
  cells withheld;
- `external`: also `abstained`, for how many patients the served model declines to answer; they
  count in all other figures, with the chance that it would have given;
- `external`, `temporal`: all of it, ranking everyone, since one fit predicted everyone; from three
  sites on `/within_site`, without `auprc`, and `/site=NAME` as above;
- further rows of the same table: `training.performance.subgroups`, `scanned`, `other_arms`,
  `missing_outcomes` and `permutation`.

What an interval speaks of. Bootstrap intervals draw *patients*, never sites: they are where the
figure would lie for other patients of the same sites, and too narrow for a new site, whose event
rate differs. Intervals of `auroc` and `o_to_e` under `/within_site` are those of the average site;
the prediction intervals are where the figure of one further site is expected, and what a clinic
that is not in the cohort should read.

Intervals depend on the seed and the patients, not on the order of rows or on the other models.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from data_schemas.errors import ConfigurationError, DataError, did_you_mean
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CONNECTIVITY
from training.learning.rows import FloatArray
from training.learning.splits import LEAVE_ONE_SITE_OUT, REPEATED_NESTED_CV, count_sites
from training.performance import measures
from training.performance.corrected_t import corrected_t_rows
from training.performance.held_out import HeldOut, held_out_models
from training.performance.judge import Judge, Row
from training.performance.measures import measure_set
from training.performance.pooled_rows import pooled_rows
from training.performance.resampling import Drawing
from training.performance.site_rows import (
    SITE_PREFIX,
    WITHIN_SITE,
    in_sites_with_auroc,
    single_site_rows,
    within_site_rows,
)

EXTERNAL: Final = "external"
TEMPORAL: Final = "temporal"

# Fewer sites have no prediction interval.
_FEWEST_SITES: Final = 3
_USES_CONNECTIVITY: Final = frozenset({LIGHTGBM_CONNECTIVITY, LIGHTGBM_BOTH})


def evaluate(
    out_of_fold: pd.DataFrame,
    split_name: str,
    *,
    bootstraps: int,
    confidence: float,
    seed: int,
    thresholds: Sequence[float] = (),
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the evaluation table of every model among held-out predictions.

    Parameters
    ----------
    out_of_fold : DataFrame
        See `training.performance.held_out.held_out_models`.
    split_name : str
        `leave_one_site_out`, or what to call a split of single patients.
    bootstraps, confidence, seed
        Draws behind each interval, its level (such as 0.95), and where they start.
    thresholds : sequence of float
        Where to report sensitivity, specificity and predictive values, strictly between 0 and 1.
    progress : callable, optional
        Called with the models done and the models in all.

    Raises
    ------
    DataError
        When the predictions are not complete or cannot be judged.
    ConfigurationError
        When a threshold is out of range.
    """
    return _evaluated(
        held_out_models(out_of_fold),
        split_name,
        Drawing(bootstraps, confidence, seed),
        by_site=lambda _: split_name == LEAVE_ONE_SITE_OUT,
        thresholds=checked_thresholds(thresholds),
        progress=progress,
    )


def evaluate_external(
    predictions: pd.DataFrame,
    *,
    bootstraps: int,
    confidence: float,
    seed: int,
    thresholds: Sequence[float] = (),
    split_name: str = EXTERNAL,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the evaluation table of models on patients whom one fit predicted: no refit, no folds.

    AUROC ranks all of them, whatever their site; from three sites on there are rows within sites
    too, with the prediction interval for a further one.

    Parameters
    ----------
    predictions : DataFrame
        As `out_of_fold` of `evaluate`, with one repeat and one fold.
    split_name : str
        `external`, or `temporal` for the latest patients of the same cohort.
    bootstraps, confidence, seed, thresholds, progress
        As in `evaluate`.

    Raises
    ------
    DataError, ConfigurationError
        As in `evaluate`.
    """
    return _evaluated(
        held_out_models(predictions.assign(fold=0)),
        split_name,
        Drawing(bootstraps, confidence, seed),
        by_site=lambda held: count_sites(held.site) >= _FEWEST_SITES,
        thresholds=checked_thresholds(thresholds),
        progress=progress,
    )


def _evaluated(
    models: dict[str, HeldOut],
    split_name: str,
    drawing: Drawing,
    *,
    by_site: Callable[[HeldOut], bool],
    thresholds: FloatArray,
    progress: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    rows: list[Row] = []
    for done, (model, held) in enumerate(models.items(), start=1):
        judge = Judge(model, split_name, held, drawing)
        rows += pooled_rows(judge, thresholds)
        if by_site(held):
            rows += within_site_rows(judge)
            rows += single_site_rows(judge)
        if progress is not None:
            progress(done, len(models))
    return table_of(rows)


def checked_thresholds(thresholds: Sequence[float]) -> FloatArray:
    """Return decision thresholds, ascending, each once.

    Raises
    ------
    ConfigurationError
        When one is not strictly between 0 and 1.
    """
    if not all(0 < threshold < 1 for threshold in thresholds):
        raise ConfigurationError(
            "A decision threshold is a probability strictly between 0 and 1; change the thresholds."
        )
    return np.unique(np.array(thresholds, dtype=np.float64))


def compare_models(
    out_of_fold: pd.DataFrame,
    split_name: str,
    pairs: Sequence[tuple[str, str]],
    *,
    bootstraps: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Return differences between models on the same patients, by paired bootstrap.

    AUROC ranks patients within site (leave-one-site-out) or fold, averaged over the patients with
    the outcome; Brier score, log loss and net benefit pool all patients. The difference is the
    first model's value minus the second's, so a better first model has a positive difference in
    AUROC and net benefit and negative ones in the other two. Over folds, not sites, the corrected
    resampled t stands beside it (`training.performance.corrected_t`).

    Parameters
    ----------
    out_of_fold, split_name, bootstraps, confidence, seed
        As in `evaluate`. Where `out_of_fold` has a column `has_connectome`, a pair with a model
        that uses connectivity is compared on the patients with an accepted connectome only.
    pairs : sequence of (str, str)
        Names of models.

    Returns
    -------
    DataFrame
        As of `evaluate`, with `model` such as `lightgbm_both - lightgbm_clinical` and metrics
        `auroc`, `brier`, `log_loss`, `net_benefit`, `auroc_corrected_t`, `brier_corrected_t`. A
        pair has no rows when the patients to compare on do not have both outcomes.

    Raises
    ------
    DataError
        When a model is not among the predictions, or two did not predict the same patients.
    """
    models = held_out_models(out_of_fold)
    rows: list[Row] = []
    for pair in pairs:
        first, second = _same_patients(models, pair)
        if "has_connectome" in out_of_fold and _USES_CONNECTIVITY.intersection(pair):
            first, second = first.of(first.has_connectome), second.of(second.has_connectome)
        if first.has_both_outcomes:
            drawing = Drawing(bootstraps, confidence, seed)
            judge = Judge(" - ".join(pair), split_name, first, drawing)
            rows += _difference_rows(judge, second)
            if split_name != LEAVE_ONE_SITE_OUT:
                rows += corrected_t_rows(judge, second)
    return table_of(rows)


def _same_patients(models: dict[str, HeldOut], pair: tuple[str, str]) -> tuple[HeldOut, HeldOut]:
    for name in pair:
        if name not in models:
            raise DataError(
                f"There are no held-out predictions of {name}.{did_you_mean(name, models)}"
            )
    first, second = (models[name] for name in pair)
    same_shape = first.probability.shape == second.probability.shape
    if not same_shape or (first.row != second.row).any() or (first.y != second.y).any():
        names = " and ".join(pair)
        raise DataError(f"{names} did not predict the same patients; they cannot be compared.")
    return first, second


def _difference_rows(judge: Judge, second: HeldOut) -> Iterator[Row]:
    first = judge.held
    yield from judge.free_rows(
        measures.difference(
            measure_set(first, first.fold, measures.accuracy, measures.decisions),
            measure_set(second, second.fold, measures.accuracy, measures.decisions),
        )
    )
    by_site = judge.split == LEAVE_ONE_SITE_OUT
    if by_site:
        member = in_sites_with_auroc(first)
        first, second = first.of(member), second.of(member)
        judge = replace(judge, split=WITHIN_SITE, held=first)
    if first.n > 0:
        groups = [held.site_code if by_site else held.fold for held in (first, second)]
        yield from judge.by_outcome_rows(
            measures.difference(
                measure_set(first, groups[0], measures.ranking),
                measure_set(second, groups[1], measures.ranking),
            )
        )


def headline(evaluation: pd.DataFrame, model: str, confidence: float = 0.95) -> str:
    """Return a model's discrimination on the primary split in one sentence without a full stop.

    Parameters
    ----------
    evaluation : DataFrame
        As `evaluate` returns it, or read again from its file.
    model : str
        Name of a model in it.
    confidence : float
        That of the table's intervals.

    Examples
    --------
    >>> row = Row("mine", "repeated_nested_cv", "auroc", float("nan"), 0.6, 0.5, 0.7, 80)
    >>> headline(pd.DataFrame([row]), "mine")
    'AUROC 0.60 (95 % interval 0.50 to 0.70) in held-out patients'
    """
    auroc = evaluation[(evaluation["model"] == model) & (evaluation["metric"] == "auroc")]
    of_one_site = auroc["split"].str.startswith(SITE_PREFIX)
    overall = auroc[auroc["split"].isin([WITHIN_SITE, REPEATED_NESTED_CV])]
    if overall.empty:
        return "AUROC not estimable: too few patients of either outcome were held out together"
    estimate, lower, upper = overall[["estimate", "lower", "upper"]].iloc[0]
    if lower == upper == 0.5:
        return "No model was learned: everyone gets the base rate (AUROC 0.5)"
    where = "in held-out patients"
    if of_one_site.any():
        count = int(of_one_site.sum())
        where = f"within {count} held-out sites" if count > 1 else "within one held-out site"
    interval = f"{100 * confidence:g} % interval {lower:.2f} to {upper:.2f}"
    if np.isnan(lower):
        interval = "too few patients for an interval"
    return f"AUROC {estimate:.2f} ({interval}) {where}"


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV: the same bytes for the same numbers, which read back exactly."""
    table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as an evaluation table, which has its columns even where there are none."""
    return pd.DataFrame(rows, columns=list(Row._fields))
