"""Whether a pipeline finds signal where there is none: outcomes permuted, everything learned anew.

What is tested: that, at each site, outcome and features are independent of each other. The outcome
is permuted within sites, whether whole sites are held out or single patients, so that sites keep
their event rates, and nothing but the tie between a patient's features and outcome is broken. That
sites differ, in outcomes and in features alike, is part of the null and no evidence against it: a
model that knows no more than the site has no small p. (Outcomes permuted across sites would test
that too, and reject where only sites differ.) A small p says that something was learned that
carries over to the patients held out, and nothing of how much: that is for the AUROC and its
interval.

Splits, tuning, recalibration: all is done again on each permuted outcome (Ojala and Garriga 2010,
Journal of Machine Learning Research 11:1833). Splits of whole sites are the same in each
permutation; folds of single patients are stratified by the outcome, and so drawn for the permuted
one.

Rows, under `permutation`: `auroc_p` and `brier_p`, with the interval that comes from permuting a
finite number of times; `auroc_permuted` and `brier_permuted`, quantiles of the null distribution,
the quantile as threshold; `permutations`, their number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import beta

from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.learning.harmonising import harmonised
from training.learning.models import probability
from training.learning.rows import BoolArray, FloatArray, SiteArray, TrainingRows
from training.learning.splits import LEAVE_ONE_SITE_OUT, outer_splits
from training.learning.validation import fit_model, model_columns
from training.performance.discrimination import placements
from training.performance.evaluation import table_of
from training.performance.held_out import HeldOut
from training.performance.judge import Row
from training.performance.metrics import brier, unit_weights
from training.performance.site_rows import in_sites_with_auroc, within_site_auroc

PERMUTATION: Final = "permutation"
NULL_QUANTILES: Final = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)

# Metric -> whether larger is better.
_METRICS: Final = {"auroc": True, "brier": False}


@dataclass(frozen=True)
class PermutationPlan:
    """What one permutation needs: the rows and columns of one model, and the configuration.

    Attributes
    ----------
    model : str
        Which is fitted.
    rows : TrainingRows
        Its columns only.
    too_few : bool
        The smaller class is too small to tune anything.
    """

    model: str
    rows: TrainingRows
    config: TrainingConfig
    too_few: bool


def plan_permutations(
    table: TrainingTable, model: str, config: TrainingConfig, *, too_few: bool
) -> PermutationPlan:
    """Return the plan for one of the compared models; tasks are the numbers from 0 on."""
    rows = table.training_rows().columns(model_columns(model, table))
    return PermutationPlan(model, rows, config, too_few)


def permuted_performance(plan: PermutationPlan, number: int) -> dict[str, float]:
    """Return `auroc` and `brier` of the whole pipeline on one permutation of the outcome.

    Whole sites are held out where the configuration asks for it, else folds of single patients,
    drawn for the permuted outcome and once only: repeats narrow the observed value, and are not
    worth their time here. AUROC is NaN where no site, or fold, has one.

    Parameters
    ----------
    number : int
        0 leaves the outcome as it is: what the others are compared with.
    """
    rows, config = plan.rows, plan.config
    y = rows.y
    if number:
        y = permuted_within_sites(y, rows.site, np.random.default_rng([config.seed, number]))
    held, split_name = _held_out(plan, y)
    return {"auroc": _auroc(held, split_name), "brier": _brier(held)}


def permuted_within_sites(y: BoolArray, site: SiteArray, rng: np.random.Generator) -> BoolArray:
    """Return the outcomes, each given to some patient of the same site."""
    permuted = y.copy()
    for name in np.unique(site):
        member = np.flatnonzero(site == name)
        permuted[member] = y[rng.permutation(member)]
    return permuted


def _held_out(plan: PermutationPlan, y: BoolArray) -> tuple[HeldOut, str]:
    config, rows = plan.config, plan.rows
    split_name, splits = outer_splits(
        y, rows.site,
        minimum_sites=config.validation.minimum_sites, folds=config.validation.folds, repeats=1,
        seed=config.seed,
    )  # fmt: skip
    permuted = replace(rows, y=y)
    log_odds, fold = np.empty(len(y)), np.empty(len(y), dtype=np.int64)
    for split in splits:
        everyone = harmonised(permuted, split.train)
        learned_from = everyone.rows(split.train)
        few = plan.too_few or learned_from.smaller_class < config.minimum.smaller_class
        fitted = fit_model(plan.model, learned_from, config, too_few=few)
        log_odds[split.test] = fitted.log_odds(everyone.X[split.test])
        fold[split.test] = split.fold
    numbers = np.arange(1, len(y) + 1)
    nobody = np.zeros(len(y), dtype=np.bool_)
    p = probability(log_odds)
    return HeldOut(numbers, y, rows.site, p[None], fold[None], nobody), split_name


def _auroc(held: HeldOut, split_name: str) -> float:
    """Return the AUROC that the evaluation table gives for the whole split."""
    if split_name != LEAVE_ONE_SITE_OUT:
        ranked = placements(held.y, held.probability[0], held.fold[0], unit_weights(held.n))
        return float(ranked.auroc[0])
    within = held.of(in_sites_with_auroc(held))
    return within_site_auroc(within, 0.95).mean if within.n else np.nan


def _brier(held: HeldOut) -> float:
    return float(brier(held.y, held.probability[0], unit_weights(held.n))[0])


def permutation_table(
    model: str,
    observed: Mapping[str, float],
    permuted: Sequence[Mapping[str, float]],
    *,
    n: int,
    confidence: float,
) -> pd.DataFrame:
    """Return the rows of a permutation test.

    Parameters
    ----------
    observed : mapping
        `permuted_performance(plan, 0)`.
    permuted : sequence of mapping
        `permuted_performance(plan, number)` for the numbers from 1 on.
    n : int
        Patients.
    confidence : float
        Of the intervals of the p values.
    """
    rows = [_row(model, "permutations", len(permuted), n)]
    for metric, larger_is_better in _METRICS.items():
        null = np.array([float(each[metric]) for each in permuted])
        sign = 1.0 if larger_is_better else -1.0
        if len(null) == 0 or np.isnan([float(observed[metric]), *null]).any():
            continue
        p = permutation_p(sign * float(observed[metric]), sign * null, confidence)
        rows.append(_row(model, f"{metric}_p", p[0], n)._replace(lower=p[1], upper=p[2]))
        quantiles = np.quantile(null, NULL_QUANTILES)
        rows += [
            _row(model, f"{metric}_permuted", float(value), n)._replace(threshold=q)
            for q, value in zip(NULL_QUANTILES, quantiles, strict=True)
        ]
    return table_of(rows)


def permutation_p(
    observed: float, permuted: FloatArray, confidence: float
) -> tuple[float, float, float]:
    """Return the p value `(b + 1) / (m + 1)` and its Monte Carlo interval.

    b of m permutations did as well as what was observed; the 1 is the observed order, itself one
    of the permutations, without which p could be 0 (Phipson and Smyth 2010, Statistical
    Applications in Genetics and Molecular Biology 9:39, doi:10.2202/1544-6115.1585). The interval
    is that of Clopper and Pearson for the share that infinitely many permutations would give.

    Parameters
    ----------
    observed : float
        Larger is better.
    permuted : ndarray, shape (m,)
        At least one.
    """
    m = len(permuted)
    # Equal statistics may differ by rounding.
    b = int(np.count_nonzero(permuted >= observed - 1e-12))
    tail = (1 - confidence) / 2
    lower = float(beta.ppf(tail, b, m - b + 1)) if b else 0.0
    upper = float(beta.ppf(1 - tail, b + 1, m - b)) if b < m else 1.0
    p = (b + 1) / (m + 1)
    return p, min(lower, p), max(upper, p)


def _row(model: str, metric: str, estimate: float, n: int) -> Row:
    return Row(model, PERMUTATION, metric, np.nan, estimate, np.nan, np.nan, n)
