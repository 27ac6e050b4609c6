"""Fits for one outcome, made on the engine and kept as they finish, and their evaluation table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from training.config import TrainingConfig
from training.dataset import JUDGED, TrainingTable
from training.engine.stage import run_stage
from training.judging.held_out_file import held_out_table, joined
from training.judging.parts import (
    LATER,
    OF_BYSTANDERS,
    PARTS,
    PERFORMANCE,
    TEMPORAL,
    Material,
    comparison_tasks,
    draws_of,
    measured,
)
from training.learning.models import BASE_RATE, LOGISTIC_CLINICAL
from training.learning.splits import Split, latest_split, outer_splits
from training.learning.validation import (
    FoldResult,
    bystander_frame,
    compared_models,
    out_of_fold_frame,
    served_model,
    validate,
)
from training.performance.evaluation import EXTERNAL, evaluate_external, table_of
from training.performance.judge import Row
from training.performance.missing_outcomes import evaluate_missing_outcomes
from training.performance.permutation import (
    permutation_table,
    permuted_performance,
    plan_permutations,
)
from training.performance.subgroup_levels import subgroups
from training.small_cells import may_be_shown
from training.workshop import Workshop


@dataclass(frozen=True)
class Judged:
    """What was fitted and measured for one outcome.

    Attributes
    ----------
    split_name : str
        Of the primary split.
    splits : list of Split
    models : tuple of str
        That were compared, in the order of the report.
    results : list of FoldResult
        Of the primary split.
    out_of_fold : DataFrame
        Held-out predictions of the patients who are learned from.
    held_out : DataFrame
        Those of everybody else, and of the latest patients; see `training.judging.held_out_file`.
    evaluation : DataFrame
        Rows of `evaluation.csv`, without the outcome.
    """

    split_name: str
    splits: list[Split]
    models: tuple[str, ...]
    results: list[FoldResult]
    out_of_fold: pd.DataFrame
    held_out: pd.DataFrame
    evaluation: pd.DataFrame


def judge(table: TrainingTable, workshop: Workshop) -> Judged:
    """Validate the models on the primary outcome and measure all that the report speaks of."""
    # First, so that a mistyped name does not cost the time of all fits.
    groups = subgroups(table, workshop.config.subgroups.columns, workshop.config.subgroups.cuts)
    fitted, material = _fit(table, workshop, "validating")
    material = replace(
        material,
        subgroups=groups,
        latest=_latest(table, fitted.models, workshop),
    )
    names = [*PARTS, *(OF_BYSTANDERS if len(material.bystanders) else ())]
    tasks = [
        *((PERFORMANCE, model) for model in fitted.models),
        *((name, model) for name in names for model in material.subjects),
        *(((LATER, model) for model in fitted.models) if len(material.latest) else ()),
        *comparison_tasks(fitted.models),
    ]
    parts = measured(material, tasks, workshop, "judging")
    permuted = _permutations(table, served_model(fitted.models), workshop)
    return replace(
        fitted,
        held_out=_beside_out_of_fold(material),
        evaluation=pd.concat([*parts, *permuted], ignore_index=True),
    )


def _beside_out_of_fold(material: Material) -> pd.DataFrame:
    outcome, sites = material.config.outcome, material.table.site
    return joined(
        held_out_table(predictions, outcome=outcome, split=split, sites=sites)
        for split, predictions in (
            (material.split_name, material.bystanders),
            (TEMPORAL, material.latest),
        )
        if len(predictions)
    )


def judge_secondary(table: TrainingTable, kind: str, workshop: Workshop) -> Judged:
    """Validate the same models on another outcome, with the main measures only."""
    fitted, material = _fit(table, workshop, f"validating {kind}")
    tasks = [
        *((PERFORMANCE, model) for model in fitted.models),
        *comparison_tasks(fitted.models),
    ]
    parts = measured(material, tasks, workshop, f"judging {kind}")
    held_out = held_out_table(
        fitted.out_of_fold, outcome=kind, split=fitted.split_name, sites=table.site
    )
    return replace(
        fitted, held_out=joined([held_out]), evaluation=pd.concat(parts, ignore_index=True)
    )


def judge_external(
    predictions: pd.DataFrame,
    patients: TrainingTable,
    served: str,
    abstained: int,
    workshop: Workshop,
) -> pd.DataFrame:
    """Return the rows of another cohort's patients.

    Parameters
    ----------
    predictions : DataFrame
        From `training.external.external_frame`.
    patients : TrainingTable
        Those patients; the bystanders are those of unknown outcome.
    served : str
        The model that is the artefact.
    abstained : int
        For how many of the patients of known outcome the artefact declines to answer.
    """
    config = workshop.config
    draws, thresholds = draws_of(config), config.validation.thresholds
    judged = predictions["group"] == JUDGED
    known, lost = predictions[judged], predictions[~judged]
    rows = evaluate_external(
        known, **draws, thresholds=thresholds, progress=workshop.stage("judging elsewhere")
    )
    subjects = dict.fromkeys([LOGISTIC_CLINICAL, served])
    assumed = evaluate_missing_outcomes(
        patients, known, lost, EXTERNAL, [name for name in subjects if name != BASE_RATE],
        **draws, thresholds=thresholds,
    )  # fmt: skip
    return pd.concat([rows, assumed, _abstained(served, abstained, len(patients.y))])


def _abstained(served: str, count: int, n: int) -> pd.DataFrame:
    """Return the row that counts who gets no answer; none where few do, or few do not."""
    if 0 < count < n and not all(may_be_shown([count, n - count])):
        return table_of([])
    return table_of([Row(served, EXTERNAL, "abstained", np.nan, count, np.nan, np.nan, n)])


def _fit(table: TrainingTable, workshop: Workshop, stage: str) -> tuple[Judged, Material]:
    config = workshop.config
    too_few = table.smaller_class < config.minimum.smaller_class
    split_name, splits = splits_of(table, config)
    models = compared_models(table, too_few=too_few)
    results = validate(
        table, splits, models, config,
        engine=workshop.engine, work=workshop.work, too_few=too_few, stage=stage,
        progress=workshop.stage(stage),
    )  # fmt: skip
    held_out = out_of_fold_frame(table, results)
    subjects = [LOGISTIC_CLINICAL, served_model(models)]
    material = Material(
        table=table,
        config=config,
        split_name=split_name,
        subjects=tuple(name for name in subjects if name != BASE_RATE),
        subgroups=(),
        out_of_fold=held_out,
        bystanders=bystander_frame(table, results),
        latest=pd.DataFrame(),
    )
    nothing = pd.DataFrame()
    return Judged(split_name, splits, models, results, held_out, nothing, nothing), material


def splits_of(table: TrainingTable, config: TrainingConfig) -> tuple[str, list[Split]]:
    """Return the name of the primary split and its parts; they follow from outcomes and sites."""
    choices = config.validation
    return outer_splits(
        table.y,
        table.site,
        minimum_sites=choices.minimum_sites,
        folds=choices.folds,
        repeats=choices.repeats,
        seed=config.seed,
    )


def _latest(table: TrainingTable, models: Sequence[str], workshop: Workshop) -> pd.DataFrame:
    """Return predictions of the patients treated last; empty where dates allow none."""
    config, stage = workshop.config, "validating by date"
    split = None
    if table.started is not None:
        split = latest_split(table.y, table.started, config.validation.latest_share)
    if split is None:
        return pd.DataFrame()
    results = validate(
        replace(table, bystanders=None), [split], models, config,
        engine=workshop.engine, work=workshop.work, stage=stage, progress=workshop.stage(stage),
        too_few=table.smaller_class < config.minimum.smaller_class,
    )  # fmt: skip
    return out_of_fold_frame(table, results)


def _permutations(table: TrainingTable, model: str, workshop: Workshop) -> list[pd.DataFrame]:
    config, stage = workshop.config, "permuting"
    if not config.validation.permutations or model == BASE_RATE:
        return []
    results = run_stage(
        workshop.engine, workshop.work, stage, permuted_performance,
        plan_permutations(table, model, config, too_few=False),
        range(config.validation.permutations + 1), workshop.stage(stage),
    )  # fmt: skip
    observed, *permuted = ({name: float(value) for name, value in r.items()} for r in results)
    return [
        permutation_table(
            model, observed, permuted, n=len(table.y), confidence=config.validation.confidence
        )
    ]
