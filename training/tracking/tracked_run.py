"""A training run in MLflow: parameters, tags, headline metrics, tables, report and model.

What is logged is counts, aggregates and text. Single patients' inputs (`explanations.npz`) stay in
the run's folder; `out_of_fold.csv` and `held_out.csv` name patients by row number only.

A run that was interrupted and goes on keeps its identifier in MLflow: what comes out is what the
uninterrupted run would have given, so two entries would count one result twice. Its tag `resumed`
says when it went on.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import pandas as pd

from data_schemas.errors import DataError
from serving.predictor import ResponsePredictor
from serving.stored_card import HTML_FILE, JSON_FILE, MARKDOWN_FILE
from training.config import TrainingConfig
from training.course.summary import (
    COURSE_EVALUATION_FILE,
    COURSE_OUT_OF_FOLD_FILE,
    COURSE_SUMMARY_FILE,
)
from training.summary import (
    CARD_TEXT_FILE,
    DEPENDENCE_FILE,
    DOMAINS_FILE,
    EVALUATION_FILE,
    HELD_OUT_FILE,
    IMPORTANCE_FILE,
    INTERACTIONS_FILE,
    MODEL_FOLDER,
    OUT_OF_FOLD_FILE,
    REPORT_FILE,
    STABILITY_FILE,
    SUMMARY_FILE,
    RunSummary,
)
from training.tracking.figures import (
    burden_metrics,
    flat_parameters,
    headline_metrics,
    summary_tags,
)
from training.tracking.registered_model import RegisteredVersion, log_model, register_model
from training.tracking.run_folder import (
    git_commit,
    locked,
    read_run_file,
    run_of,
    write_run_file,
)
from training.tracking.store import (
    experiment_id,
    open_client,
    plain_mlflow,
    store_error,
    without_password,
)
from training.tracking.watch import watched

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TABLES: Final = (EVALUATION_FILE, OUT_OF_FOLD_FILE, SUMMARY_FILE, REPORT_FILE)
_NOT_IN_EVERY_RUN: Final = (
    HELD_OUT_FILE, STABILITY_FILE,
    IMPORTANCE_FILE, DOMAINS_FILE, DEPENDENCE_FILE, INTERACTIONS_FILE,
    HTML_FILE, MARKDOWN_FILE, JSON_FILE, CARD_TEXT_FILE,
    COURSE_EVALUATION_FILE, COURSE_OUT_OF_FOLD_FILE, COURSE_SUMMARY_FILE,
)  # fmt: skip
# A watcher that marks the run as killed holds its folder for a moment.
_SECONDS_FOR_A_WATCHER: Final = 5.0


@dataclass(frozen=True)
class TrackedRun:
    """A run that MLflow has begun.

    Attributes
    ----------
    client : MlflowClient
        Of the store.
    run_id : str
        In MLflow.
    config : TrainingConfig
        Of the run.
    folder : Path
        Of the run, filled by training.
    started : datetime
        When it began.
    cohort : Path, optional
        As the user named it.
    """

    client: "MlflowClient"
    run_id: str
    config: TrainingConfig
    folder: Path
    started: datetime
    cohort: Path = field(default_factory=Path)

    def log(self) -> RegisteredVersion:
        """Log the finished folder, register its model, and write `run.json` beside them.

        Raises
        ------
        DataError, ModelError
            When the folder is not that of a finished run.
        ServiceError
            When MLflow fails.
        """
        missing = [name for name in _TABLES if not (self.folder / name).is_file()]
        if missing:
            raise DataError(f"The run's folder {self.folder} holds no {', '.join(missing)}.")
        summary = RunSummary.load(self.folder)
        artefact = self.folder / MODEL_FOLDER
        predictor = ResponsePredictor.load(artefact)
        with plain_mlflow():
            self._log_numbers(summary)
            for name in files_to_log(self.folder):
                self.client.log_artifact(self.run_id, str(self.folder / name))
            model_id = log_model(self.client, self.run_id, artefact, predictor.document)
            name = self.config.tracking.model_name
            version = register_model(self.client, name, self.run_id, model_id, predictor)
        self.write_run_file(version)
        return version

    def _log_numbers(self, summary: RunSummary) -> None:
        from mlflow.entities import Metric, RunTag  # noqa: PLC0415

        now = int(time.time() * 1000)
        table = pd.read_csv(self.folder / EVALUATION_FILE)
        figures = headline_metrics(table, summary.split_name, summary.outcome.kind)
        figures |= burden_metrics(summary.burden)
        metrics = [Metric(name, value, now, 0) for name, value in figures.items()]
        tags = [RunTag(name, value) for name, value in summary_tags(summary).items()]
        self.client.log_batch(self.run_id, metrics=metrics, tags=tags)

    def write_run_file(self, version: RegisteredVersion | None = None) -> None:
        """Write `run.json`: once when the run begins, and again with what it became."""
        content: dict[str, object] = {
            "started": self.started.isoformat(timespec="seconds"),
            "folder": str(self.folder.resolve()),
            **run_of(self.cohort, self.config),
            "git_commit": git_commit(),
            "tracking_uri": without_password(self.client.tracking_uri),
            "mlflow_run": self.run_id,
        }
        if version is not None:
            content["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
            content["registered_model"] = version.uri
            content["alias"] = version.alias
        write_run_file(self.folder, content)


def files_to_log(folder: Path) -> list[str]:
    """Return the files of a run that MLflow keeps, beside the model."""
    return [*_TABLES, *(name for name in _NOT_IN_EVERY_RUN if (folder / name).is_file())]


@contextmanager
def track_run(
    config: TrainingConfig,
    folder: Path,
    started: datetime,
    *,
    cohort: Path | None = None,
    resume: bool = False,
) -> Iterator[TrackedRun]:
    """Open a run in MLflow around training, and close it as what it became.

    The store is `MLFLOW_TRACKING_URI`, else `mlflow.db` in the working directory. A run ends as
    FINISHED, as FAILED where an error leaves the block, and as KILLED on an interrupt, a request
    to terminate, or when its process vanishes.

    Parameters
    ----------
    config : TrainingConfig
        Its settings become the run's parameters.
    folder : Path
        Of the run; its name becomes the run's.
    started : datetime
        When the run began; of a run that goes on, `run.json` says it.
    cohort : Path, optional
        As the user named it; by it an interrupted run is found again.
    resume : bool
        Go on with the run that the folder's `run.json` names, if MLflow still has it.

    Raises
    ------
    ServiceError
        When the store cannot be reached, before anything is trained.
    UsageError
        When another process is at work in the folder.
    """
    with locked(folder, _SECONDS_FOR_A_WATCHER):
        with plain_mlflow():
            before = read_run_file(folder) if resume else {}
            earlier = str(before.get("mlflow_run", ""))
            started = datetime.fromisoformat(str(before.get("started", started)))
            client = open_client()
            run_id = _resumed_run(client, earlier) or _new_run(
                client, config, folder, started, earlier
            )
        with watched(run_id, folder), closed(client, run_id):
            tracked = TrackedRun(client, run_id, config, folder, started, cohort or Path())
            tracked.write_run_file()
            yield tracked


def _resumed_run(client: "MlflowClient", run_id: str) -> str | None:
    """Set an interrupted run running again; None where MLflow has it no more."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    if not run_id:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException:
        return None
    if run.info.lifecycle_stage != "active":
        return None
    client.update_run(run_id, status="RUNNING")
    client.set_tag(run_id, "resumed", datetime.now(UTC).isoformat(timespec="seconds"))
    return run_id


def _new_run(
    client: "MlflowClient",
    config: TrainingConfig,
    folder: Path,
    started: datetime,
    earlier: str,
) -> str:
    from mlflow.entities import Param  # noqa: PLC0415

    run = client.create_run(
        experiment_id(client, config.tracking.experiment),
        start_time=int(started.timestamp() * 1000),
        run_name=folder.name,
        tags={**source_tags("train"), **({"resumed_from": earlier} if earlier else {})},
    )
    run_id = str(run.info.run_id)
    params = [Param(name, value) for name, value in flat_parameters(config).items()]
    client.log_batch(run_id, params=params)
    return run_id


@contextmanager
def closed(client: "MlflowClient", run_id: str) -> Iterator[None]:
    """Close a run of MLflow as what became of the block: finished, failed or killed."""
    status = "FAILED"
    try:
        with _termination_raises():
            yield
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        _close_run(client, run_id, status)


def _close_run(client: "MlflowClient", run_id: str, status: str) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        client.set_terminated(run_id, status)
    except MlflowException as error:
        # What went wrong inside the block matters more than what goes wrong here.
        if status == "FINISHED":
            raise store_error(error) from None


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Let a request to terminate leave by an exception, so that the run can be closed."""
    in_charge = threading.current_thread() is threading.main_thread()
    if not in_charge or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def source_tags(command: str) -> dict[str, str]:
    """Return what made a run of MLflow: a command of ours, and the commit of its code."""
    tags = {"mlflow.source.name": f"tms-response {command}", "mlflow.source.type": "LOCAL"}
    commit = git_commit()
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags
