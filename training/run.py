"""One training run, from a cohort folder to a report: the order of the work, and nothing else."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from data_schemas.errors import UsageError
from serving.predictor import ResponsePredictor
from training.characteristics import characteristics, site_counts
from training.cohort.read import read_cohort
from training.cohort.records import Cohort
from training.config import TrainingConfig, load_config
from training.dataset import TrainingTable, build_table
from training.findings import findings, too_few_sentence
from training.learning.fit import fit_predictor, population, provenance
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, MODEL_LABELS
from training.learning.splits import LEAVE_ONE_SITE_OUT, Split, count_sites, outer_splits
from training.learning.validation import (
    FoldResult,
    compared_models,
    model_columns,
    out_of_fold_frame,
    served_model,
    validate,
)
from training.performance.evaluation import compare_models, evaluate, headline, write_table
from training.report.build import build_report
from training.report.explain import explain, save_explanations
from training.summary import (
    EVALUATION_FILE,
    EXPLANATIONS_FILE,
    MODEL_FOLDER,
    OUT_OF_FOLD_FILE,
    RUN_FILE,
    FlowCount,
    ModelSummary,
    RunSummary,
)
from training.tracking.tracked_run import track_run

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RunResult:
    """What a finished run leaves behind.

    Attributes
    ----------
    folder, report : Path
        The run's folder and its report.
    run_id : str
        In MLflow.
    headline : str
        The main result in one sentence.
    always_abstains : str or None
        Why the model never answers, if so.
    """

    folder: Path
    report: Path
    run_id: str
    headline: str
    always_abstains: str | None


@dataclass(frozen=True)
class _Evaluated:
    split_name: str
    splits: list[Split]
    models: tuple[str, ...]
    results: list[FoldResult]
    out_of_fold: pd.DataFrame
    table: pd.DataFrame


def train_cohort(
    cohort_path: Path,
    *,
    data: Path | None = None,
    config_path: Path | None = None,
    out: Path | None = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Train, judge, explain, report and track one model.

    Parameters
    ----------
    cohort_path : Path
        A folder with `cohort.toml`, or one spec file.
    data : Path, optional
        The folder with the tables, where it is not that of the spec.
    config_path : Path, optional
        Settings that differ from `training/configs/default.toml`.
    out : Path, optional
        Folder of the run; `runs/<time>` without it.
    n_jobs : int, optional
        Processes; all that this process may use without it. No number depends on it.
    progress : callable, optional
        Called with the stage, what is done and what there is to do.

    Raises
    ------
    TmsResponseError
        For data, settings or folders that cannot be used.
    """
    config = load_config(config_path)
    report_on = progress or (lambda _stage, _done, _total: None)
    started = datetime.now(UTC)
    folder = _run_folder(out, started)
    with track_run(config, folder, started) as tracked:
        cohort = read_cohort(cohort_path, data, partial(report_on, "reading the cohort"))
        table = build_table(cohort, config, partial(report_on, "computing features"))
        evaluated = _evaluated(table, config, n_jobs or _available_cores(), report_on)
        predictor = _fitted(cohort, table, evaluated, config)
        summary = _summary(cohort, table, evaluated, predictor, config)
        _write(folder, table, evaluated, predictor, summary)
        report_on("writing the report", 0, 1)
        report = build_report(folder)
        report_on("writing the report", 1, 1)
        tracked.log()
    served = served_model(evaluated.models) if not summary.always_abstains else evaluated.models[-1]
    return RunResult(
        folder,
        report,
        tracked.run_id,
        headline(evaluated.table, served, config.validation.confidence),
        summary.always_abstains,
    )


def _run_folder(out: Path | None, started: datetime) -> Path:
    folder = out or Path("runs") / started.strftime("%Y%m%dT%H%M%SZ")
    # A run that failed leaves nothing but its run.json, and may be tried again.
    if folder.is_file() or (folder.is_dir() and {p.name for p in folder.iterdir()} - {RUN_FILE}):
        raise UsageError(f"{folder} exists already; give an empty or a new folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _evaluated(
    table: TrainingTable, config: TrainingConfig, n_jobs: int, progress: Progress
) -> _Evaluated:
    choices = config.validation
    too_few = table.smaller_class < config.minimum.smaller_class
    split_name, splits = outer_splits(
        table.y,
        table.site,
        minimum_sites=choices.minimum_sites,
        folds=choices.folds,
        repeats=choices.repeats,
        seed=config.seed,
    )
    models = compared_models(table, too_few=too_few)
    results = validate(
        table, splits, models, config,
        too_few=too_few, n_jobs=n_jobs, progress=partial(progress, "validating"),
    )  # fmt: skip
    held_out = out_of_fold_frame(table, results)
    judged = _judged(held_out, split_name, models, config, partial(progress, "judging"))
    return _Evaluated(split_name, splits, models, results, held_out, judged)


def _judged(
    held_out: pd.DataFrame,
    split_name: str,
    models: Sequence[str],
    config: TrainingConfig,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:
    bootstraps, confidence = config.validation.bootstraps, config.validation.confidence
    judged = evaluate(
        held_out, split_name, bootstraps=bootstraps, confidence=confidence, seed=config.seed,
        progress=progress,
    )  # fmt: skip
    if LIGHTGBM_BOTH not in models:
        return judged
    pairs = [(LIGHTGBM_BOTH, LIGHTGBM_CLINICAL)]
    differences = compare_models(
        held_out, split_name, pairs, bootstraps=bootstraps, confidence=confidence, seed=config.seed
    )
    return pd.concat([judged, differences], ignore_index=True)


def _fitted(
    cohort: Cohort, table: TrainingTable, evaluated: _Evaluated, config: TrainingConfig
) -> ResponsePredictor:
    return fit_predictor(
        table,
        cohort.spec,
        config,
        served=served_model(evaluated.models),
        fingerprint=cohort.fingerprint,
        always_abstains=too_few_sentence(table, config.minimum.smaller_class),
    )


def _summary(
    cohort: Cohort,
    table: TrainingTable,
    evaluated: _Evaluated,
    predictor: ResponsePredictor,
    config: TrainingConfig,
) -> RunSummary:
    document = predictor.document
    return RunSummary(
        population=population(table, cohort.spec),
        outcome=document.outcome,
        arms_trained_on=cohort.spec.arms.train_on if cohort.spec.arms else (),
        flow=tuple(FlowCount(step=s.step, n_patients=s.remaining) for s in cohort.flow),
        sites=site_counts(table),
        characteristics=characteristics(table),
        split=_split_sentence(evaluated, table, config),
        split_name=evaluated.split_name,
        models=tuple(_model_summary(name, table, evaluated.results) for name in evaluated.models),
        served_model=served_model(evaluated.models),
        model_version=f"{document.version}+{document.digest}",
        always_abstains=document.abstention.always,
        connectomes=table.connectomes,
        findings=findings(cohort, table, evaluated.table, evaluated.models, document),
        config=config.model_dump(mode="json"),
        provenance=provenance(config, cohort.fingerprint),
    )


def _split_sentence(evaluated: _Evaluated, table: TrainingTable, config: TrainingConfig) -> str:
    if evaluated.split_name == LEAVE_ONE_SITE_OUT:
        return (
            f"Each of {len(evaluated.splits)} sites was held out in turn; everything was learned "
            "anew from the other sites."
        )
    repeats = 1 + max(split.repeat for split in evaluated.splits)
    n_sites = count_sites(table.site)
    sites = "is one site" if n_sites == 1 else f"are {n_sites} sites"
    return (
        f"{len(evaluated.splits) // repeats}-fold cross-validation of single patients, repeated "
        f"{repeats} times, since there {sites} of two patients or more and not "
        f"{config.validation.minimum_sites}; everything was learned anew in each fold."
    )


def _model_summary(name: str, table: TrainingTable, results: Sequence[FoldResult]) -> ModelSummary:
    columns = model_columns(name, table)
    seen = [number for number in columns if not pd.isna(table.X[:, number]).all()]
    chosen = pd.Series([r.settings for r in results if r.model == name and r.settings])
    counts = chosen.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    settings = "; ".join(f"{text} ({count} folds)" for text, count in counts.head(3).items())
    return ModelSummary(
        name=name, label=MODEL_LABELS[name], n_features=len(seen), settings=settings
    )


def _write(
    folder: Path,
    table: TrainingTable,
    evaluated: _Evaluated,
    predictor: ResponsePredictor,
    summary: RunSummary,
) -> None:
    predictor.save(folder / MODEL_FOLDER)
    write_table(evaluated.table, folder / EVALUATION_FILE)
    write_table(evaluated.out_of_fold, folder / OUT_OF_FOLD_FILE)
    names = [feature.name for feature in table.features]
    used = [names.index(feature.name) for feature in predictor.document.features]
    save_explanations(folder / EXPLANATIONS_FILE, explain(predictor, table.X[:, used], table.y))
    summary.save(folder)
