"""How a model does in groups of patients, and whether it does differently.

Rows, for a primary split such as `leave_one_site_out`:

- `<primary>/subgroup=NAME:LEVEL`: `events`, `brier`, `o_to_e`, `calibration_intercept`,
  `calibration_slope`, `auroc`. AUROC and, where sites are held out, the slope compare patients whom
  one fit predicted;
- `<primary>/subgroup=NAME:LEVEL-REFERENCE`: `auroc` and `log_o_to_e` of a level minus those of the
  largest one;
- `<primary>/subgroup=NAME`: `auroc_heterogeneity_p` and `o_to_e_heterogeneity_p`, whether all known
  levels could be alike (Cochran's Q with bootstrap variances), and the same with `_holm`, corrected
  for all such looks at this model. Patients of unknown level are described, but not compared: why a
  value is unknown is mostly a matter of the site.

What is withheld, since reports leave the clinic: levels of fewer than five patients, and those
from which such a level could be had by subtraction; in levels where fewer than five reached the
outcome, or did not, all but the Brier score; and numbers of events from which those could be had.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd

from training.learning.rows import BoolArray, FloatArray
from training.performance.evaluation import table_of
from training.performance.held_out import held_out_models
from training.performance.heterogeneity import heterogeneity_p, holm
from training.performance.intervals import LARGEST_UNDEFINED_SHARE
from training.performance.judge import Judge, Row
from training.performance.parts import Part, difference_rows, sample_parts
from training.performance.resampling import Drawing, Sampled, logarithm
from training.performance.subgroup_levels import UNKNOWN, Subgroup
from training.small_cells import SMALLEST_CELL, may_be_shown

# Metric of a level -> metric of a difference between levels.
_COMPARED: Final = {"auroc": "auroc", "o_to_e": "log_o_to_e"}

_Measured = tuple[Part, Sampled]


def evaluate_subgroups(
    out_of_fold: pd.DataFrame,
    split_name: str,
    subgroups: Sequence[Subgroup],
    models: Sequence[str],
    *,
    bootstraps: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Return the rows of subgroups.

    Parameters
    ----------
    out_of_fold, split_name, bootstraps, confidence, seed
        As in `training.performance.evaluation.evaluate`; row 1 is the first patient.
    subgroups : sequence of Subgroup
        Of all patients, in their order.
    models : sequence of str
        Which to judge.
    """
    chosen = out_of_fold[out_of_fold["model"].isin(list(models))]
    drawing = Drawing(bootstraps, confidence, seed)
    rows: list[Row] = []
    for model, held in held_out_models(chosen).items():
        judge = Judge(model, split_name, held, drawing)
        tests: list[Row] = []
        for subgroup in subgroups:
            found, looks = _subgroup_rows(judge, subgroup)
            rows += found
            tests += looks
        corrected = holm([test.estimate for test in tests])
        for test, p in zip(tests, corrected, strict=True):
            rows += [test, test._replace(metric=f"{test.metric}_holm", estimate=p)]
    return table_of(rows)


def subgroup_split(split_name: str, subgroup: str, level: str = "") -> str:
    """Return the name of a subgroup's split in the table."""
    return f"{split_name}/subgroup={subgroup}" + (f":{level}" if level else "")


def _subgroup_rows(judge: Judge, subgroup: Subgroup) -> tuple[list[Row], list[Row]]:
    """Return the rows of one subgroup, and its tests, which are still to be corrected."""
    split = subgroup_split(judge.split, subgroup.name)
    levels, hidden_events = _levels(judge, subgroup)
    sampled = sample_parts(judge, levels, split)
    rows: list[Row] = []
    tests: list[Row] = []
    for level, found in zip(levels, sampled, strict=True):
        rows += [level.events_row()] if level.name not in hidden_events else []
        rows += level.judge.sampled_rows(found)
    for metric in _COMPARED:
        compared = list(_compared(levels, sampled, metric))
        if len(compared) > 1:
            rows += _differences(judge, split, compared)
            tests += _heterogeneity(judge, split, compared, metric)
    return rows, tests


def _levels(judge: Judge, subgroup: Subgroup) -> tuple[list[Part], set[str]]:
    """Return the levels that may be shown, and those whose number of events may not."""
    level_of = subgroup.level[judge.held.row - 1]
    members: dict[str, BoolArray] = {name: level_of == name for name in subgroup.levels}
    members[UNKNOWN] = level_of == UNKNOWN
    levels = [
        Part(name, judge.part(subgroup_split(judge.split, subgroup.name, name), member), member)
        for name, member in members.items()
        if member.any()
    ]
    known = [level for level in levels if level.name != UNKNOWN]
    shown = may_be_shown([level.judge.held.n for level in known])
    # Few patients of unknown level stay out, and take no other level with them.
    shown += [level.judge.held.n >= SMALLEST_CELL for level in levels[len(known) :]]
    counted = may_be_shown([level.judge.held.smaller_class for level in levels])
    return (
        [level for level, ok in zip(levels, shown, strict=True) if ok],
        {level.name for level, ok in zip(levels, counted, strict=True) if not ok},
    )


def _compared(
    levels: Sequence[Part], sampled: Sequence[Sequence[Sampled]], metric: str
) -> Iterator[_Measured]:
    for level, measured in zip(levels, sampled, strict=True):
        for found in measured:
            if level.name != UNKNOWN and found.metric == metric and len(found.draws):
                logged = logarithm(found) if metric == "o_to_e" else found
                yield level, logged._replace(metric=_COMPARED[metric])


def _differences(judge: Judge, split: str, compared: Sequence[_Measured]) -> Iterator[Row]:
    base, base_sampled = max(compared, key=lambda each: each[0].judge.held.n)
    for level, sampled in compared:
        if level is not base:
            pair = f"{split}:{level.name}-{base.name}"
            yield from difference_rows(judge, pair, (level, base), (sampled, base_sampled))


def _heterogeneity(
    judge: Judge, split: str, compared: Sequence[_Measured], metric: str
) -> Iterator[Row]:
    estimates = np.array([sampled.estimate[0] for _, sampled in compared])
    variances = np.array([_variance(sampled.draws[:, 0]) for _, sampled in compared])
    # A constant prediction ranks nobody, without any sampling error; a perfect one has none either.
    if np.isfinite(estimates).all() and (variances > 1e-12).all():
        member = np.any([level.member for level, _ in compared], axis=0)
        p = heterogeneity_p(estimates, variances)
        yield judge.part(split, member).row(f"{metric}_heterogeneity_p", p)


def _variance(draws: FloatArray) -> float:
    known = draws[~np.isnan(draws)]
    if len(known) < (1 - LARGEST_UNDEFINED_SHARE) * len(draws):
        return np.nan
    return float(np.var(known, ddof=1))
