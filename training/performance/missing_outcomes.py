"""What the patients whose outcome is not known could do to the figures.

The primary analysis takes the patients of known outcome as they are. Beside it, under
`<primary>/outcomes=...`:

- `weighted`: patients who resemble those that were lost count more (inverse-probability weights,
  see `training.performance.outcome_known`). It holds where baseline and site explain who was lost;
  `effective_n` is how many equally weighted patients would tell as much;
- `none_reached`, `all_reached`: worst and best case, where nobody of the lost, or everybody, would
  have reached the outcome. O:E and the event rate lie between the two whatever happened; AUROC and
  slope need not;
- `auroc_lowest`, `auroc_highest`: the unknown outcomes given to the patients such that AUROC is as
  low, or as high, as they can make it (see `training.performance.auroc_extremes`), and nothing but
  AUROC. One fit, or the folds of one repeat, have no AUROC beyond these two whatever happened.
  Several repeats have their own each, and the mean is a bound. Held-out sites have their own each,
  at once: no site's AUROC lies beyond, nor an average with given weights; those of random effects
  move a little with the outcomes. The sites are those that have an AUROC by the known outcomes.
  Intervals take the outcomes as if they had been seen.

Each of the first three holds the performance set: proper scores, calibration, net benefit,
precision-recall area, AUROC; where sites are held out, AUROC (a random-effects mean),
precision-recall area and slope are those within sites. Everyone is drawn alike, the lost too, and
the weights are fitted anew in each draw. Only the AUROC of held-out sites is not drawn: its
interval takes the weights as known, and so leaves their own error out.

Of another study's patients the same stands under `external/outcomes=...`, everyone ranked together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from training.dataset import OUTCOME_UNKNOWN, TrainingTable
from training.learning.rows import BoolArray, FloatArray, IntArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance import measures
from training.performance.auroc_extremes import extreme_outcomes
from training.performance.evaluation import checked_thresholds, table_of
from training.performance.held_out import HeldOut, held_out_models, together
from training.performance.judge import Judge, Row
from training.performance.measures import Measured, MeasureSet, Part, measure_set
from training.performance.outcome_known import OutcomeWeights, effective_n, outcome_weights
from training.performance.pooled_rows import pooled_precision
from training.performance.resampling import Drawing, among, resample
from training.performance.site_rows import in_sites_with_auroc, summary_rows, within_site_auroc

WEIGHTED: Final = "weighted"
# Split -> whether those of unknown outcome are taken to have reached it.
CASES: Final = {"none_reached": 0, "all_reached": 1}
# Split -> whether AUROC is as high as it can be.
EXTREMES: Final = {"auroc_lowest": False, "auroc_highest": True}


def outcomes_split(split_name: str, assumption: str) -> str:
    """Return the name of a split of this analysis in the table."""
    return f"{split_name}/outcomes={assumption}"


def evaluate_missing_outcomes(
    table: TrainingTable,
    out_of_fold: pd.DataFrame,
    bystanders: pd.DataFrame,
    split_name: str,
    models: Sequence[str],
    *,
    bootstraps: int,
    confidence: float,
    seed: int,
    thresholds: Sequence[float] = (),
) -> pd.DataFrame:
    """Return the rows of the sensitivity analyses; none where every outcome is known.

    Parameters
    ----------
    table : TrainingTable
        Whose patients and bystanders were predicted.
    out_of_fold, split_name, bootstraps, confidence, seed, thresholds
        As in `training.performance.evaluation.evaluate`.
    bystanders : DataFrame
        The same columns and `group`; only those of unknown outcome count.
    models : sequence of str
        Which to judge.
    """
    weights = outcome_weights(table)
    if weights is None:
        return table_of([])
    named, drawing = checked_thresholds(thresholds), Drawing(bootstraps, confidence, seed)
    chosen = out_of_fold["model"].isin(list(models))
    known = held_out_models(out_of_fold[chosen])
    lost = bystanders[
        (bystanders["group"] == OUTCOME_UNKNOWN) & bystanders["model"].isin(list(models))
    ]
    judges = [Judge(name, split_name, held, drawing) for name, held in known.items()]
    rows = list(_weighted_rows(judges, weights, named))
    for case, reached in CASES.items():
        assumed = held_out_models(lost.assign(y=reached), both_outcomes=False)
        for judge in judges:
            held = together(judge.held, assumed[judge.model])
            whole = Judge(judge.model, outcomes_split(split_name, case), held, drawing)
            rows += whole.free_rows(_performance(whole, named, curves=False))
            rows += _within_site_rows(whole)
    undecided = held_out_models(lost.assign(y=0), both_outcomes=False)
    for case, highest in EXTREMES.items():
        for judge in judges:
            split = outcomes_split(split_name, case)
            rows += _extreme_rows(judge, undecided[judge.model], split, highest=highest)
    return table_of(rows)


def _weighted_rows(
    judges: Sequence[Judge], weights: OutcomeWeights, thresholds: FloatArray
) -> Iterator[Row]:
    in_sample = weights.of_draws(np.ones((1, len(weights.known))))[0]

    def weighted(measure: MeasureSet) -> MeasureSet:
        return lambda counts: measure(weights.of_draws(counts))

    split = outcomes_split(judges[0].split, WEIGHTED)
    sampled = resample(
        [weighted(_performance(judge, thresholds, curves=True)) for judge in judges],
        np.zeros(len(weights.known), dtype=np.int64), judges[0].drawing, split,
    )  # fmt: skip
    for judge, found in zip(judges, sampled, strict=True):
        here = judge.part(split, np.ones(judge.held.n, dtype=np.bool_))
        yield here.row("effective_n", effective_n(in_sample))
        yield from here.sampled_rows(found)
        yield from _within_site_rows(here, in_sample)


def _performance(judge: Judge, thresholds: FloatArray, *, curves: bool) -> MeasureSet:
    """Return the performance set as a function of the weights of the judge's patients."""
    held = judge.held
    parts: list[Part] = [measures.accuracy, measures.scaled_score, measures.mean_calibration]
    if curves and held.varies_within_folds:
        parts.append(measures.flexible_calibration(measures.curve_grid(held.probability)))
    parts.append(measures.net_benefits)
    if len(thresholds):
        parts += [measures.predictive_values(thresholds), measures.flagging(thresholds)]
    everyone, ranked = measure_set(held, held.fold, *parts), _ranked(judge)

    def measure(weights: FloatArray) -> list[Measured]:
        return [*everyone(weights), *ranked(weights)]

    return measure


def _ranked(judge: Judge) -> MeasureSet:
    """Return what is taken within sites, or within folds; AUROC not where it is summarised."""
    held = judge.held
    if _by_site(judge):
        member = in_sites_with_auroc(held)
        within = held.of(member)
        parts: list[Part] = [measures.precision_within] if within.n else []
        parts += [measures.slope_within] if within.varies_within_folds else []
        return among(member, measure_set(within, within.site_code, *parts))
    parts = [measures.ranking, pooled_precision(held)]
    parts += [measures.slope] if held.varies_within_folds else []
    return measure_set(held, held.fold, *parts)


def _within_site_rows(judge: Judge, weights: FloatArray | None = None) -> Iterator[Row]:
    member = in_sites_with_auroc(judge.held)
    if _by_site(judge) and member.any():
        within = judge.part(judge.split, member)
        own = None if weights is None else weights[member]
        yield from summary_rows(
            within, "auroc", within_site_auroc(within.held, judge.confidence, own)
        )


def _extreme_rows(judge: Judge, lost: HeldOut, split: str, *, highest: bool) -> Iterator[Row]:
    by_site = _by_site(judge)
    known, held = judge.held, together(judge.held, lost)
    unknown = np.arange(held.n) >= known.n
    if by_site:
        judged = np.unique(known.site[in_sites_with_auroc(known)])
        member = np.isin(held.site, judged)
        held, unknown = held.of(member), unknown[member]
    apart = [held.site == name for name in np.unique(held.site)] if by_site else [slice(None)]
    assumed = [
        replace(held, y=y, probability=p[None], fold=fold[None])
        for p, fold in zip(held.probability, held.fold, strict=True)
        for y in [_assumed(held.y, p, fold, unknown, apart, highest=highest)]
    ]
    whole = replace(judge, split=split, held=held)
    if not by_site:
        ranked = [measure_set(one, one.fold, measures.ranking) for one in assumed]
        yield from whole.free_rows(measures.averaged(ranked))
    elif held.n:
        within = replace(whole, held=assumed[0])
        yield from summary_rows(within, "auroc", within_site_auroc(within.held, judge.confidence))


def _assumed(
    y: BoolArray,
    p: FloatArray,
    fold: IntArray,
    unknown: BoolArray,
    apart: Sequence[BoolArray | slice],
    *,
    highest: bool,
) -> BoolArray:
    """Return the outcomes at one end, of each part of the patients on its own."""
    assumed = y.copy()
    for m in apart:
        assumed[m] = extreme_outcomes(y[m], p[m], fold[m], unknown[m], highest=highest)
    return assumed


def _by_site(judge: Judge) -> bool:
    return judge.split.startswith(LEAVE_ONE_SITE_OUT)
