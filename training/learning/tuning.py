"""Choose a booster's settings by their log loss on held-out folds, without finishing the hopeless.

`exhaustive` fits every candidate on every fold. `racing`, the default, is three to six times faster
by two rules:

1. In the first fold a booster is looked at wherever a candidate ends, and stops growing once its
   held-out loss has risen above its own lowest and above the best candidate's so far (early
   stopping; Prechelt 1998, doi:10.1007/3-540-49430-8_3). Candidates with more trees are out.
2. After each fold the better half of the candidates goes on (successive halving; Jamieson and
   Talwalkar 2016, arXiv:1502.07943), by the mean loss over the folds so far.

Racing may choose another of several candidates that do about equally well; `benchmarks/results.md`
shows that AUC does not suffer. In both modes candidates that differ in the number of trees alone
share one booster, and all candidates share a fold's bins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, product
from math import ceil, inf
from typing import Final

import numpy as np

from training.config import BoostingConfig
from training.learning.booster import BinnedRows, BoosterSettings
from training.learning.harmonising import harmonised
from training.learning.rows import BoolArray, FloatArray, TrainingRows
from training.learning.splits import Split

# Losses that differ by rounding alone are equal, and go to the smaller model.
_DECIMALS: Final = 9

Losses = dict[BoosterSettings, float]


def search_space(config: BoostingConfig) -> list[BoosterSettings]:
    """Return every combination of the configured settings."""
    sizes = product(config.num_leaves, config.min_patients_a_leaf, config.tree_counts)
    shared = (config.learning_rate, config.l2_penalty, config.feature_fraction)
    return [BoosterSettings(*size, *shared) for size in sizes]


def tune(
    rows: TrainingRows,
    splits: Sequence[Split],
    candidates: Iterable[BoosterSettings],
    config: BoostingConfig,
    seed: int,
) -> BoosterSettings:
    """Return the candidate with the least mean held-out log loss over the splits.

    Equal losses go to the smaller model; the order of the candidates does not matter.

    Parameters
    ----------
    splits : sequence of Split
        Both outcomes occur in each training part.
    candidates : iterable of BoosterSettings
        At least one.
    config : BoostingConfig
        Only `tuning` and `max_bin` are read.
    """
    racing = config.tuning == "racing"
    totals = dict.fromkeys(_smaller_first(candidates), 0.0)
    for number, split in enumerate(splits):
        if racing and number:
            totals = _better_half(totals)
        if len(totals) == 1:
            break
        fold = harmonised(rows, split.train)
        bins = BinnedRows(fold.rows(split.train), config.max_bin, seed)
        X, y = fold.X[split.test], rows.y[split.test]
        losses = _held_out_losses(bins, X, y, list(totals), stopping=racing and not number)
        totals = {settings: totals[settings] + loss for settings, loss in losses.items()}
    return _best_first(totals)[0]


def _held_out_losses(
    bins: BinnedRows,
    X: FloatArray,
    y: BoolArray,
    candidates: Sequence[BoosterSettings],
    *,
    stopping: bool,
) -> Losses:
    """Return the loss of each candidate in one fold; smaller trees are grown first.

    Parameters
    ----------
    stopping : bool
        Whether to leave out candidates whose booster stopped growing before.
    """
    losses: Losses = {}
    ends = sorted({settings.n_trees for settings in candidates})
    for _, group in groupby(sorted(candidates, key=_growth), key=_growth):
        by_trees = {settings.n_trees: settings for settings in group}
        largest = max(by_trees)
        booster = bins.growing(by_trees[largest], X)
        lowest = inf
        for n_trees in ends if stopping else sorted(by_trees):
            if n_trees > largest:
                break
            loss = _log_loss(booster.margin(n_trees), y)
            if stopping and loss > max(lowest, min(losses.values(), default=inf)):
                break
            lowest = min(lowest, loss)
            if n_trees in by_trees:
                losses[by_trees[n_trees]] = loss
    return losses


def _growth(settings: BoosterSettings) -> tuple[float, ...]:
    """Return what candidates that share one booster have in common."""
    return replace(settings, n_trees=0).complexity


def _log_loss(margin: FloatArray, y: BoolArray) -> float:
    return float(np.mean(np.logaddexp(0.0, np.where(y, -margin, margin))))


def _smaller_first(candidates: Iterable[BoosterSettings]) -> list[BoosterSettings]:
    return sorted(set(candidates), key=lambda settings: settings.complexity)


def _best_first(totals: Losses) -> list[BoosterSettings]:
    """Return the candidates by ascending loss, equals by ascending size."""
    return sorted(_smaller_first(totals), key=lambda settings: round(totals[settings], _DECIMALS))


def _better_half(totals: Losses) -> Losses:
    best = _best_first(totals)
    return {settings: totals[settings] for settings in best[: ceil(len(best) / 2)]}
