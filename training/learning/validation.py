"""Nested validation: every model, fitted anew for every split, on that split's training rows only.

`validate` never hands a fit anything but `table.rows(split.train)`; so isolation of the folds is a
property of this one function, and is tested bit for bit through `FoldResult.state_digest`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.engine.engines import Engine, LocalEngine, Value
from training.engine.stage import Progress, TaskResult, run_stage
from training.engine.work import Work
from training.learning.harmonising import fit_harmoniser
from training.learning.models import (
    BASE_RATE,
    LIGHTGBM_BOTH,
    LIGHTGBM_CLINICAL,
    LIGHTGBM_CONNECTIVITY,
    LOGISTIC_CLINICAL,
    FittedModel,
    fit_base_rate,
    fit_boosted,
    fit_logistic,
    probability,
)
from training.learning.rows import BoolArray, FloatArray, IntArray, SiteArray, TrainingRows
from training.learning.splits import SINGLE_PATIENT_SITES, Split

MODELS_WHEN_TOO_FEW: Final = (BASE_RATE, LOGISTIC_CLINICAL)
PREDICTION_COLUMNS: Final = (
    "row", "site", "has_connectome", "repeat", "fold", "y", "model", "probability", "log_odds",
)  # fmt: skip


@dataclass(frozen=True)
class FoldResult:
    """One model on one split.

    Attributes
    ----------
    log_odds : ndarray of float
        Calibrated, for the rows `split.test`.
    bystanders : ndarray of int
        Rows of the table's bystanders whom this fit is asked about; see `asked_bystanders`.
    bystander_log_odds : ndarray of float
        Calibrated, for those rows.
    state_digest : str
        SHA-256 of all that was learned.
    settings : str
        What was tuned, in words.
    """

    model: str
    split: Split
    log_odds: FloatArray
    bystanders: IntArray
    bystander_log_odds: FloatArray
    state_digest: str
    settings: str


def compared_models(table: TrainingTable, *, too_few: bool) -> tuple[str, ...]:
    """Return the models that this cohort supports, in the order of the report."""
    if too_few:
        return MODELS_WHEN_TOO_FEW
    if len(table.columns_of("connectivity")) == 0:
        return (BASE_RATE, LOGISTIC_CLINICAL, LIGHTGBM_CLINICAL)
    return (
        BASE_RATE, LOGISTIC_CLINICAL, LIGHTGBM_CLINICAL, LIGHTGBM_CONNECTIVITY, LIGHTGBM_BOTH,
    )  # fmt: skip


def served_model(models: Sequence[str]) -> str:
    """Return which of the compared models becomes the artefact: LightGBM on all there is."""
    boosted = [name for name in (LIGHTGBM_BOTH, LIGHTGBM_CLINICAL) if name in models]
    return boosted[0] if boosted else BASE_RATE


def model_columns(name: str, table: TrainingTable) -> IntArray:
    """Return the columns of X that a model may see."""
    if name == BASE_RATE:
        return np.empty(0, dtype=np.int64)
    if name in {LOGISTIC_CLINICAL, LIGHTGBM_CLINICAL}:
        return table.columns_of("clinical")
    if name == LIGHTGBM_CONNECTIVITY:
        return table.columns_of("connectivity")
    return np.arange(len(table.features))


def fit_model(
    name: str, rows: TrainingRows, config: TrainingConfig, *, too_few: bool
) -> FittedModel:
    """Fit one of the compared models on rows that hold its own columns only.

    With too few patients in the rarer outcome nothing is tuned, and LightGBM is the base rate.
    """
    if name == BASE_RATE or (too_few and name != LOGISTIC_CLINICAL):
        return fit_base_rate(rows.y)
    if name == LOGISTIC_CLINICAL:
        return fit_logistic(rows, config, tuned=not too_few)
    return fit_boosted(rows, config)


@dataclass(frozen=True)
class _Shared:
    """What all fits of a validation need; each takes of it what is its own.

    Attributes
    ----------
    bystanders : TrainingRows
        Their features and sites; their outcomes are left out.
    columns : dict of str to ndarray of int
        What each model may see.
    asked : tuple of ndarray of int
        For each split, the bystanders whom its fits are asked about.
    """

    rows: TrainingRows
    bystanders: TrainingRows
    splits: tuple[Split, ...]
    asked: tuple[IntArray, ...]
    columns: dict[str, IntArray]
    config: TrainingConfig
    too_few: bool


def validate(
    table: TrainingTable,
    splits: Sequence[Split],
    models: Sequence[str],
    config: TrainingConfig,
    *,
    engine: Engine | None = None,
    work: Work | None = None,
    too_few: bool = False,
    stage: str = "validating",
    progress: Progress | None = None,
) -> list[FoldResult]:
    """Fit every model on every split.

    Parameters
    ----------
    engine : Engine, optional
        Where the fits run; in this process without it. The numbers do not depend on it.
    work : Work, optional
        Where finished fits are kept and found again.
    too_few : bool
        The smaller class is too small to tune anything.
    stage : str
        Name of this validation in `work`.
    progress : callable, optional
        Called with the fits done and the fits in all.

    Returns
    -------
    list of FoldResult
        In the order of models, then splits.
    """
    shared = _Shared(
        rows=table.training_rows(),
        bystanders=table.bystander_rows(),
        splits=tuple(splits),
        asked=tuple(asked_bystanders(table, splits)),
        columns={name: model_columns(name, table) for name in models},
        config=config,
        too_few=too_few,
    )
    tasks = [(name, number) for name in models for number in range(len(splits))]
    # The dearest models stand last; begun first, they leave no process idle at the end.
    dearest_first = tasks[::-1]
    results = run_stage(
        engine or LocalEngine(), work, stage, _fit_one, shared, dearest_first, progress
    )
    return [
        _fold_result(name, shared.splits[number], shared.asked[number], result)
        for (name, number), result in zip(tasks, results[::-1], strict=True)
    ]


def _fit_one(shared: _Shared, task: tuple[str, int]) -> dict[str, Value]:
    name, number = task
    split, columns = shared.splits[number], shared.columns[name]
    measured = shared.rows.columns(columns)
    harmoniser = fit_harmoniser(measured, split.train)
    rows = harmoniser.applied(measured)
    learned_from = rows.rows(split.train)
    few = shared.too_few or learned_from.smaller_class < shared.config.minimum.smaller_class
    fitted = fit_model(name, learned_from, shared.config, too_few=few)
    asked = shared.bystanders.rows(shared.asked[number]).columns(columns)
    # In rows, as one patient is: the last bits of a linear model depend on the layout.
    bystanders = np.ascontiguousarray(harmoniser.applied(asked).X)
    return {
        "log_odds": fitted.log_odds(rows.X[split.test]),
        "bystander_log_odds": fitted.log_odds(bystanders) if len(bystanders) else np.empty(0),
        "state_digest": harmoniser.digest_with(fitted.state_digest()),
        "settings": fitted.settings(),
    }


def _fold_result(name: str, split: Split, asked: IntArray, result: TaskResult) -> FoldResult:
    return FoldResult(
        model=name,
        split=split,
        log_odds=result["log_odds"],
        bystanders=asked,
        bystander_log_odds=result["bystander_log_odds"],
        state_digest=str(result["state_digest"]),
        settings=str(result["settings"]),
    )


def asked_bystanders(table: TrainingTable, splits: Sequence[Split]) -> list[IntArray]:
    """Return, for each split, the bystanders whom its fits predict: each one once a repeat.

    A bystander of a site that a split holds out as a whole is predicted by that split's fits,
    which saw nobody of his site; any other by fold `row % n_folds`.
    """
    if table.bystanders is None:
        return [np.empty(0, dtype=np.int64) for _ in splits]
    site = table.bystanders.site
    single = np.setdiff1d(table.site_names, table.site)
    site = np.where(np.isin(site, single), SINGLE_PATIENT_SITES, site)
    asked: dict[int, IntArray] = {}
    for repeat in {split.repeat for split in splits}:
        numbers = [n for n, split in enumerate(splits) if split.repeat == repeat]
        fold = np.arange(len(site)) % len(numbers)
        for place, number in enumerate(numbers):
            fold[np.isin(site, _sites_held_out(table, splits[number]))] = place
        for place, number in enumerate(numbers):
            asked[number] = np.flatnonzero(fold == place)
    return [asked[number] for number in range(len(splits))]


def _sites_held_out(table: TrainingTable, split: Split) -> list[str]:
    """Return the sites of which a fit of this split sees nobody."""
    held_out = np.setdiff1d(table.site[split.test], table.site[split.train])
    return [str(name) for name in held_out]


def out_of_fold_frame(table: TrainingTable, results: Sequence[FoldResult]) -> pd.DataFrame:
    """Return the held-out predictions as the tidy table that `evaluate` reads.

    Columns: row (1 to n, in the order of the cohort), site, has_connectome, repeat, fold, y,
    model, probability, log_odds.
    """
    y = table.y.astype(np.int64)
    frames = [
        _frame(result, result.split.test, result.log_odds, table.site, table.has_connectome, y)
        for result in results
    ]
    return pd.concat(frames, ignore_index=True)


def bystander_frame(table: TrainingTable, results: Sequence[FoldResult]) -> pd.DataFrame:
    """Return the predictions of the bystanders, the columns those of `out_of_fold_frame`.

    Rows are counted from 1 among the bystanders; y is a float, NaN where the outcome is unknown. A
    further column, group, says why nobody learns from them. Empty where there are none.
    """
    others = table.bystanders
    if others is None:
        return pd.DataFrame(columns=[*PREDICTION_COLUMNS, "group"])
    known = ~np.isnan(others.X[:, table.columns_of("connectivity")])
    scanned: BoolArray = np.any(known, axis=1)
    frames = [
        _frame(r, r.bystanders, r.bystander_log_odds, others.site, scanned, others.y).assign(
            group=others.group[r.bystanders]
        )
        for r in results
    ]
    return pd.concat(frames, ignore_index=True)


def _frame(  # noqa: PLR0917
    result: FoldResult,
    rows: IntArray,
    log_odds: FloatArray,
    site: SiteArray,
    has_connectome: BoolArray,
    y: FloatArray | IntArray,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": rows + 1,
            "site": site[rows],
            "has_connectome": has_connectome[rows],
            "repeat": result.split.repeat,
            "fold": result.split.fold,
            "y": y[rows],
            "model": result.model,
            "probability": probability(log_odds),
            "log_odds": log_odds,
        }
    )
