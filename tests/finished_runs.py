"""The folder of a finished run, made the way training makes it, for the tests of the report."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from cohort_tables import minimal_spec, quick_config

from data_schemas.cohort import CohortSpec
from serving.predictor import ResponsePredictor
from training.characteristics import characteristics, site_counts
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.findings import too_few_sentence
from training.learning.fit import fit_predictor, population, provenance
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, MODEL_LABELS
from training.learning.splits import outer_splits
from training.learning.validation import (
    compared_models,
    model_columns,
    out_of_fold_frame,
    served_model,
    validate,
)
from training.performance.evaluation import compare_models, evaluate, write_table
from training.report.explain import explain, save_explanations
from training.summary import (
    EVALUATION_FILE,
    EXPLANATIONS_FILE,
    MODEL_FOLDER,
    Finding,
    FlowCount,
    ModelSummary,
    RunSummary,
)


@dataclass(frozen=True)
class FinishedRun:
    """What the tests want to know of a run beside its folder."""

    folder: Path
    table: TrainingTable
    predictor: ResponsePredictor
    evaluation: pd.DataFrame
    summary: RunSummary


def write_finished_run(
    folder: Path,
    table: TrainingTable,
    *,
    spec: CohortSpec | None = None,
    config: TrainingConfig | None = None,
    arms: tuple[str, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> FinishedRun:
    """Train and judge on a table, and write all that the report reads."""
    spec, config = spec or minimal_spec(), config or quick_config()
    reason = too_few_sentence(table, config.minimum.smaller_class)
    models = compared_models(table, too_few=reason is not None)
    split_name, evaluation = _judged(table, models, config, too_few=reason is not None)
    predictor = fit_predictor(
        table, spec, config,
        served=served_model(models), fingerprint="f" * 64, always_abstains=reason,
    )  # fmt: skip
    document = predictor.document
    summary = RunSummary(
        population=population(table, spec),
        outcome=document.outcome,
        arms_trained_on=arms,
        flow=(
            FlowCount(step="listed in t.csv", n_patients=len(table.y) + 9),
            FlowCount(step="HDRS-17 known before and after", n_patients=len(table.y)),
        ),
        sites=site_counts(table),
        characteristics=characteristics(table),
        split="Each site was held out in turn; everything was learned anew from the other sites.",
        split_name=split_name,
        models=tuple(
            ModelSummary(
                name=name, label=MODEL_LABELS[name], n_features=len(model_columns(name, table)),
                settings="",
            )
            for name in models
        ),
        served_model=served_model(models),
        model_version=f"{document.version}+{document.digest}",
        always_abstains=reason,
        connectomes=table.connectomes,
        findings=findings,
        config=config.model_dump(mode="json"),
        provenance=provenance(config, "f" * 64),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    predictor.save(folder / MODEL_FOLDER)
    write_table(evaluation, folder / EVALUATION_FILE)
    names = [feature.name for feature in table.features]
    used = [names.index(feature.name) for feature in document.features]
    save_explanations(folder / EXPLANATIONS_FILE, explain(predictor, table.X[:, used], table.y))
    summary.save(folder)
    return FinishedRun(folder, table, predictor, evaluation, summary)


def _judged(
    table: TrainingTable, models: tuple[str, ...], config: TrainingConfig, *, too_few: bool
) -> tuple[str, pd.DataFrame]:
    choices = config.validation
    split_name, splits = outer_splits(
        table.y, table.site,
        minimum_sites=choices.minimum_sites, folds=choices.folds, repeats=choices.repeats,
        seed=config.seed,
    )  # fmt: skip
    results = validate(table, splits, models, config, too_few=too_few)
    held_out = out_of_fold_frame(table, results)
    bootstraps, confidence, seed = choices.bootstraps, choices.confidence, config.seed
    judged = evaluate(held_out, split_name, bootstraps=bootstraps, confidence=confidence, seed=seed)
    if LIGHTGBM_BOTH not in models:
        return split_name, judged
    compared = compare_models(
        held_out, split_name, [(LIGHTGBM_BOTH, LIGHTGBM_CLINICAL)],
        bootstraps=bootstraps, confidence=confidence, seed=seed,
    )  # fmt: skip
    return split_name, pd.concat([judged, compared])
