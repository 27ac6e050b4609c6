"""Nested validation: every model, fitted anew for every split, on that split's training rows only.

`validate` never hands a fit anything but `table.rows(split.train)`; so isolation of the folds is a
property of this one function, and is tested bit for bit through `FoldResult.state_digest`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import joblib
import numpy as np
import pandas as pd

from training.config import TrainingConfig
from training.dataset import TrainingTable
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
from training.learning.rows import FloatArray, IntArray, TrainingRows
from training.learning.splits import Split

Progress = Callable[[int, int], None]

MODELS_WHEN_TOO_FEW: Final = (BASE_RATE, LOGISTIC_CLINICAL)


@dataclass(frozen=True)
class FoldResult:
    """One model on one split.

    Attributes
    ----------
    log_odds : ndarray of float
        Calibrated, for the rows `split.test`.
    state_digest : str
        SHA-256 of all that was learned.
    settings : str
        What was tuned, in words.
    """

    model: str
    split: Split
    log_odds: FloatArray
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


def validate(
    table: TrainingTable,
    splits: Sequence[Split],
    models: Sequence[str],
    config: TrainingConfig,
    *,
    too_few: bool = False,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> list[FoldResult]:
    """Fit every model on every split.

    Parameters
    ----------
    too_few : bool
        The smaller class is too small to tune anything.
    n_jobs : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with the fits done and the fits in all.

    Returns
    -------
    list of FoldResult
        In the order of models, then splits.
    """
    tasks = [(name, split) for name in models for split in splits]
    call = joblib.delayed(_fit_one)
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    results = []
    for result in parallel(call(name, split, table, config, too_few) for name, split in tasks):
        results.append(result)
        if progress is not None:
            progress(len(results), len(tasks))
    return results


def _fit_one(
    name: str, split: Split, table: TrainingTable, config: TrainingConfig, too_few: bool
) -> FoldResult:
    columns = model_columns(name, table)
    rows = table.training_rows().columns(columns)
    learned_from = rows.rows(split.train)
    few = too_few or learned_from.smaller_class < config.minimum.smaller_class
    fitted = fit_model(name, learned_from, config, too_few=few)
    log_odds = fitted.log_odds(rows.X[split.test])
    return FoldResult(name, split, log_odds, fitted.state_digest(), fitted.settings())


def out_of_fold_frame(table: TrainingTable, results: Sequence[FoldResult]) -> pd.DataFrame:
    """Return the held-out predictions as the tidy table that `evaluate` reads.

    Columns: row (1 to n, in the order of the cohort), site, has_connectome, repeat, fold, y,
    model, probability, log_odds.
    """
    frames = [
        pd.DataFrame(
            {
                "row": result.split.test + 1,
                "site": table.site[result.split.test],
                "has_connectome": table.has_connectome[result.split.test],
                "repeat": result.split.repeat,
                "fold": result.split.fold,
                "y": table.y[result.split.test].astype(np.int64),
                "model": result.model,
                "probability": probability(result.log_odds),
                "log_odds": result.log_odds,
            }
        )
        for result in results
    ]
    return pd.concat(frames, ignore_index=True)
