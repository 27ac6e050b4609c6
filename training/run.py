"""One training run, from a cohort folder to a report: the order of the work, and nothing else."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from serving.predictor import ResponsePredictor
from training.burden.burden import burden_of
from training.card.build import build_card
from training.card.evidence import checked_card_text
from training.checks.run import require_known_codes
from training.checks.sample_checks import too_few_sentence
from training.cohort.files import find_spec, load_spec
from training.cohort.read import read_cohort
from training.cohort.records import Cohort
from training.config import TrainingConfig, load_config
from training.course.landmarks import landmarks_of
from training.course.models import MadeCourse, make_course, write_course
from training.dataset import TrainingTable, build_table, with_outcome
from training.engine.engines import LOCAL, open_engine
from training.engine.work import open_work
from training.external import ExternalPatients, count_abstained, external_frame, read_external
from training.judging.held_out_file import held_out_table, joined
from training.judging.judge import Judged, judge, judge_external, judge_secondary
from training.learning.fit import fit_predictor, served_rows
from training.learning.models import MODEL_LABELS
from training.learning.validation import served_model
from training.performance.evaluation import EXTERNAL, headline, write_table
from training.report.attributions import attributions_of
from training.report.build import build_report
from training.report.explain import explain, save_explanations
from training.report.interactions import interaction_table
from training.run_summary import summarise
from training.stability.served import Stability, measure_stability
from training.summary import (
    CARD_TEXT_FILE,
    EVALUATION_FILE,
    EXPLANATIONS_FILE,
    HELD_OUT_FILE,
    MODEL_FOLDER,
    OUT_OF_FOLD_FILE,
    STABILITY_FILE,
    Finding,
    RunSummary,
)
from training.tracking.run_folder import new_folder, unfinished_folder
from training.tracking.tracked_run import track_run
from training.workshop import Workshop

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
    findings : tuple of Finding
        What the checks found.
    """

    folder: Path
    report: Path
    run_id: str
    headline: str
    always_abstains: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class MadeRun:
    """What a run has made before anything is written.

    Attributes
    ----------
    judged : Judged
        The primary outcome.
    predictor : ResponsePredictor
        The artefact.
    evaluation : DataFrame
        `evaluation.csv`.
    held_out : DataFrame
        `held_out.csv`; without rows where every prediction is in `out_of_fold.csv`.
    stability : Stability or None
        What the replicates say; None without any.
    external : ExternalPatients or None
        On whom the models were judged without a refit.
    course : MadeCourse or None
        The models in the course of treatment, where they are asked for.
    """

    judged: Judged
    predictor: ResponsePredictor
    evaluation: pd.DataFrame
    held_out: pd.DataFrame
    stability: Stability | None
    external: ExternalPatients | None
    course: MadeCourse | None = None


@dataclass(frozen=True)
class ExternalCohortPath:
    """Where a cohort for external validation lies: its folder or spec, and its data."""

    cohort: Path
    data: Path | None = None


def train_cohort(
    cohort_path: Path,
    *,
    data: Path | None = None,
    config_path: Path | None = None,
    out: Path | None = None,
    external: ExternalCohortPath | None = None,
    course: bool = False,
    resume: bool = False,
    engine: str = LOCAL,
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
    external : ExternalCohortPath, optional
        Another cohort, on which the models are judged without a refit.
    course : bool
        Train models in the course of treatment as well; see `training.course`.
    resume : bool
        Go on with the interrupted run in `out`, or with the newest of this cohort under `runs/`.
    engine : str
        Where models are fitted; see `training.engine.engines.open_engine`. No number depends on it.
    n_jobs : int, optional
        Processes of this machine; as many as cores without it.
    progress : callable, optional
        Called with the stage, what is done and what there is to do.

    Raises
    ------
    TmsResponseError
        For data, settings or folders that cannot be used.
    """
    config = load_config(config_path)
    require_known_codes(config.checks)
    # What the user mistyped must leave neither a folder nor a failed run behind.
    spec_path = find_spec(cohort_path)
    spec, _ = load_spec(spec_path)
    card_text = checked_card_text(spec_path.parent)
    if course:
        landmarks_of(spec, config.course)
    report_on = progress or (lambda _stage, _done, _total: None)
    started = datetime.now(UTC)
    folder = unfinished_folder(out, cohort_path, config) if resume else new_folder(out, started)
    with (
        open_engine(engine, n_jobs) as opened,
        track_run(config, folder, started, cohort=cohort_path, resume=resume) as tracked,
    ):
        cohort = read_cohort(cohort_path, data, partial(report_on, "reading the cohort"))
        with open_work(folder, config, cohort.fingerprint) as work:
            workshop = Workshop(config, opened, work, report_on)
            table = build_table(cohort, config, workshop=workshop)
            elsewhere = _read_external(external, table, workshop)
            made = make_run(cohort, table, elsewhere, workshop)
            if course:
                made = with_course(made, make_course(cohort, table, workshop))
            summary = write_run(folder, cohort, table, made, config)
            report_on("writing the report", 0, 1)
            if card_text is not None:
                (folder / CARD_TEXT_FILE).write_bytes(card_text)
            report = build_report(folder)
            build_card(folder)
            report_on("writing the report", 1, 1)
            tracked.log()
    speaks = made.judged.models[-1] if summary.always_abstains else summary.served_model
    words = headline(made.judged.evaluation, speaks, config.validation.confidence)
    return RunResult(
        folder,
        report,
        tracked.run_id,
        f"{MODEL_LABELS[speaks]}: {words}",
        summary.always_abstains,
        summary.findings,
    )


def _read_external(
    external: ExternalCohortPath | None, table: TrainingTable, workshop: Workshop
) -> ExternalPatients | None:
    if external is None:
        return None
    return read_external(external.cohort, external.data, table, workshop)


def make_run(
    cohort: Cohort, table: TrainingTable, external: ExternalPatients | None, workshop: Workshop
) -> MadeRun:
    """Fit and judge everything, and write nothing."""
    config = workshop.config
    judged = judge(table, workshop)
    served = served_model(judged.models)
    predictor = fit_predictor(
        table, cohort.spec, config,
        served=served, fingerprint=cohort.fingerprint,
        always_abstains=too_few_sentence(table, config.minimum.smaller_class),
    )  # fmt: skip
    stability = measure_stability(predictor, table, served, workshop)
    parts = [judged.evaluation] + ([stability.rows] if stability else [])
    held_out = [judged.held_out]
    if external is not None:
        predictions = external_frame(
            external, table, judged.models, predictor, served=served, config=config
        )
        abstained = count_abstained(external, table, predictor)
        patients = external.table(table)
        parts.append(judge_external(predictions, patients, served, abstained, workshop))
        held_out.append(held_out_table(predictions, outcome=config.outcome, split=EXTERNAL))
    others = dict(_secondary(cohort, table, workshop))
    tables = {kind: other.evaluation for kind, other in others.items()}
    held_out += [other.held_out for other in others.values()]
    return MadeRun(
        judged=judged,
        predictor=stability.predictor if stability else predictor,
        evaluation=_with_outcomes({config.outcome: pd.concat(parts), **tables}),
        held_out=joined(held_out),
        stability=stability,
        external=external,
    )


def with_course(made: MadeRun, course: MadeCourse) -> MadeRun:
    """Return a run with the models of the course beside the one before treatment."""
    return replace(made, course=course, predictor=made.predictor.with_landmarks(course.predictors))


def _secondary(
    cohort: Cohort, table: TrainingTable, workshop: Workshop
) -> Iterator[tuple[str, Judged]]:
    for kind in workshop.config.secondary_outcomes:
        other = with_outcome(table, cohort, kind)
        if kind != workshop.config.outcome and other is not None:
            yield kind, judge_secondary(other, kind, workshop)


def _with_outcomes(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [part.assign(outcome=outcome) for outcome, part in tables.items()]
    return pd.concat(parts, ignore_index=True)


def write_run(
    folder: Path, cohort: Cohort, table: TrainingTable, made: MadeRun, config: TrainingConfig
) -> RunSummary:
    """Write the artefact and every table of a run, and return its summary."""
    predictor = made.predictor
    summary = summarise(
        cohort, table, made.judged, made.evaluation, predictor.document,
        config=config, external=made.external,
        burden=burden_of(table, made.judged, made.course, config),
    )  # fmt: skip
    predictor.save(folder / MODEL_FOLDER)
    write_table(made.evaluation, folder / EVALUATION_FILE)
    write_table(made.judged.out_of_fold, folder / OUT_OF_FOLD_FILE)
    if len(made.held_out):
        write_table(made.held_out, folder / HELD_OUT_FILE)
    if made.stability is not None:
        write_table(made.stability.patients, folder / STABILITY_FILE)
    if made.course is not None:
        write_course(folder, made.course)
    X = served_rows(table, predictor).X
    explanations = explain(predictor, X, table.y)
    save_explanations(folder / EXPLANATIONS_FILE, explanations)
    if explanations.any_signal:
        attributions_of(
            explanations, predictor.features, interaction_table(predictor, X),
            made.stability.attribution if made.stability else None, config.validation.confidence,
        ).write(folder)  # fmt: skip
    summary.save(folder)
    return summary
