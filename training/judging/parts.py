"""Held-out predictions judged in parts that do not depend on each other, side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.engine.stage import run_stage
from training.learning.models import (
    BASE_RATE,
    LIGHTGBM_BOTH,
    LIGHTGBM_CLINICAL,
    LOGISTIC_CLINICAL,
)
from training.learning.validation import served_model
from training.performance.evaluation import compare_models, evaluate, evaluate_external
from training.performance.missing_outcomes import evaluate_missing_outcomes
from training.performance.other_arms import evaluate_arms
from training.performance.scanned import evaluate_scanned
from training.performance.subgroup_levels import Subgroup
from training.performance.subgroups import evaluate_subgroups
from training.workshop import Workshop

TEMPORAL: Final = "temporal"


class Draws(TypedDict):
    """How intervals are made, as the functions of `training.performance` ask for it."""

    bootstraps: int
    confidence: float
    seed: int


def draws_of(config: TrainingConfig) -> Draws:
    """Return how a run's intervals are made."""
    validation = config.validation
    return Draws(
        bootstraps=validation.bootstraps, confidence=validation.confidence, seed=config.seed
    )


@dataclass(frozen=True)
class Material:
    """What the parts of a judgement are made from.

    Attributes
    ----------
    subjects : tuple of str
        Models that are looked at closely: the served one and the logistic comparator.
    out_of_fold, bystanders : DataFrame
        From `training.learning.validation`.
    latest : DataFrame
        Predictions of the patients treated last; empty where dates allow none.
    """

    table: TrainingTable
    config: TrainingConfig
    split_name: str
    subjects: tuple[str, ...]
    subgroups: tuple[Subgroup, ...]
    out_of_fold: pd.DataFrame
    bystanders: pd.DataFrame
    latest: pd.DataFrame

    @property
    def draws(self) -> Draws:
        """How intervals are made."""
        return draws_of(self.config)


def measured(
    material: Material, tasks: Sequence[tuple[str, str]], workshop: Workshop, stage: str
) -> list[pd.DataFrame]:
    """Return the rows of each task: a part's name, and a model's, or a pair's with ` - `."""
    # Not kept in `work`: it is quick, and all of its input is there.
    results = run_stage(
        workshop.engine, None, stage, _measure, material, tasks, workshop.stage(stage)
    )
    return [pd.DataFrame(result).astype({"n": np.int64}) for result in results]


def _measure(material: Material, task: tuple[str, str]) -> dict[str, npt.NDArray[np.generic]]:
    name, model = task
    table = _ALL_PARTS[name](material, model)
    texts = ("model", "split", "metric")
    return {
        str(column): table[column].to_numpy(np.str_ if column in texts else np.float64)
        for column in table
    }


def _performance(material: Material, model: str) -> pd.DataFrame:
    held_out = material.out_of_fold
    return evaluate(
        held_out[held_out["model"] == model], material.split_name,
        **material.draws, thresholds=material.config.validation.thresholds,
    )  # fmt: skip


def _comparison(material: Material, pair: str) -> pd.DataFrame:
    first, second = pair.split(" - ")
    held_out = material.out_of_fold
    if second in COMPARATORS:  # these ask about everyone who is served, scanned or not
        held_out = held_out.drop(columns="has_connectome", errors="ignore")
    return compare_models(
        held_out, material.split_name, [(first, second)],
        **material.draws,
    )  # fmt: skip


def _scanned(material: Material, model: str) -> pd.DataFrame:
    return evaluate_scanned(
        material.out_of_fold, material.split_name, [model],
        **material.draws,
    )  # fmt: skip


def _by_subgroup(material: Material, model: str) -> pd.DataFrame:
    return evaluate_subgroups(
        material.out_of_fold, material.split_name, material.subgroups, [model],
        **material.draws,
    )  # fmt: skip


def _by_arm(material: Material, model: str) -> pd.DataFrame:
    return evaluate_arms(
        material.out_of_fold, material.bystanders, material.split_name, [model],
        **material.draws,
    )  # fmt: skip


def _by_assumption(material: Material, model: str) -> pd.DataFrame:
    return evaluate_missing_outcomes(
        material.table, material.out_of_fold, material.bystanders, material.split_name, [model],
        **material.draws, thresholds=material.config.validation.thresholds,
    )  # fmt: skip


def _later(material: Material, model: str) -> pd.DataFrame:
    return evaluate_external(
        material.latest[material.latest["model"] == model], split_name=TEMPORAL,
        **material.draws, thresholds=material.config.validation.thresholds,
    )  # fmt: skip


def comparison_tasks(models: Sequence[str]) -> list[tuple[str, str]]:
    """Return the tasks that set models side by side.

    What the served model adds to the comparators, on all patients; and where connectivity was
    learned from, what it adds, on the patients with an accepted connectome, on whom every model is
    judged once more.
    """
    tasks: list[tuple[str, str]] = []
    if LIGHTGBM_BOTH in models:
        tasks = [(COMPARISON, f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}")]
        tasks += [(_SCANNED, model) for model in models]
    served = served_model(models)
    if served != BASE_RATE:
        tasks += [(COMPARISON, f"{served} - {other}") for other in COMPARATORS if other in models]
    return tasks


COMPARATORS: Final = (LOGISTIC_CLINICAL, BASE_RATE)
PERFORMANCE: Final = "performance"
COMPARISON: Final = "comparison"
_SCANNED: Final = "scanned patients"
LATER: Final = "later patients"
UNKNOWN_OUTCOMES: Final = "unknown outcomes"
PARTS: Final = ("subgroups",)
OF_BYSTANDERS: Final = ("arms", UNKNOWN_OUTCOMES)
_ALL_PARTS: Final[Mapping[str, Callable[[Material, str], pd.DataFrame]]] = {
    PERFORMANCE: _performance,
    COMPARISON: _comparison,
    _SCANNED: _scanned,
    LATER: _later,
    "subgroups": _by_subgroup,
    "arms": _by_arm,
    UNKNOWN_OUTCOMES: _by_assumption,
}
