"""A training run in MLflow: parameters, tags, headline metrics, tables, report and model.

What is logged is counts, aggregates and text. Single patients' inputs (`explanations.npz`) stay in
the run's folder; `out_of_fold.csv` names patients by row number only.
"""

import json
import math
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pandas as pd

from data_schemas.errors import DataError
from serving.model_document import ModelDocument
from serving.predictor import DOCUMENT_FILE
from training.config import TrainingConfig
from training.summary import (
    EVALUATION_FILE,
    MODEL_FOLDER,
    OUT_OF_FOLD_FILE,
    REPORT_FILE,
    RUN_FILE,
    SUMMARY_FILE,
    RunSummary,
)
from training.tracking.registered_model import RegisteredVersion, log_model, register_model
from training.tracking.store import (
    experiment_id,
    open_client,
    plain_mlflow,
    store_error,
    without_password,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TABLES: Final = (EVALUATION_FILE, OUT_OF_FOLD_FILE, SUMMARY_FILE, REPORT_FILE)
_INTERVALS: Final = {"estimate": "", "lower": "_lower", "upper": "_upper"}


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
    """

    client: "MlflowClient"
    run_id: str
    config: TrainingConfig
    folder: Path
    started: datetime

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
        document = ModelDocument.from_text((artefact / DOCUMENT_FILE).read_text("utf-8"))
        with plain_mlflow():
            self._log_numbers(summary)
            for name in _TABLES:
                self.client.log_artifact(self.run_id, str(self.folder / name))
            model_id = log_model(self.client, self.run_id, artefact, document)
            name = self.config.tracking.model_name
            version = register_model(self.client, name, self.run_id, model_id, document)
        self.write_run_file(version)
        return version

    def _log_numbers(self, summary: RunSummary) -> None:
        from mlflow.entities import Metric, RunTag  # noqa: PLC0415

        now = int(time.time() * 1000)
        table = pd.read_csv(self.folder / EVALUATION_FILE)
        metrics = [
            Metric(name, value, now, 0)
            for name, value in headline_metrics(table, summary.split_name).items()
        ]
        tags = [RunTag(name, value) for name, value in _tags(summary).items()]
        self.client.log_batch(self.run_id, metrics=metrics, tags=tags)

    def write_run_file(self, version: RegisteredVersion | None = None) -> None:
        """Write `run.json`: once when the run begins, and again with what it became."""
        content: dict[str, object] = {
            "started": self.started.isoformat(timespec="seconds"),
            "folder": str(self.folder.resolve()),
            "git_commit": git_commit(),
            "tracking_uri": without_password(self.client.tracking_uri),
            "mlflow_run": self.run_id,
        }
        if version is not None:
            content["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
            content["registered_model"] = version.uri
            content["alias"] = version.alias
        (self.folder / RUN_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@contextmanager
def track_run(config: TrainingConfig, folder: Path, started: datetime) -> Iterator[TrackedRun]:
    """Open a run in MLflow around training, and close it as what it became.

    The store is `MLFLOW_TRACKING_URI`, else `mlflow.db` in the working directory. A run ends as
    FINISHED, as FAILED where an error leaves the block, and as KILLED on an interrupt or a request
    to terminate.

    Parameters
    ----------
    config : TrainingConfig
        Its settings become the run's parameters.
    folder : Path
        Of the run; its name becomes the run's.
    started : datetime
        When the run began.

    Raises
    ------
    ServiceError
        When the store cannot be reached, before anything is trained.
    """
    with plain_mlflow():
        client, run_id = _open_run(config, folder, started)
    status = "FAILED"
    try:
        with _termination_raises():
            tracked = TrackedRun(client, run_id, config, folder, started)
            tracked.write_run_file()
            yield tracked
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        _close_run(client, run_id, status)


def _open_run(
    config: TrainingConfig, folder: Path, started: datetime
) -> "tuple[MlflowClient, str]":
    from mlflow.entities import Param  # noqa: PLC0415

    client = open_client()
    run = client.create_run(
        experiment_id(client, config.tracking.experiment),
        start_time=int(started.timestamp() * 1000),
        run_name=folder.name,
        tags=_source_tags(),
    )
    run_id = str(run.info.run_id)
    params = [Param(name, value) for name, value in flat_parameters(config).items()]
    client.log_batch(run_id, params=params)
    return client, run_id


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


def flat_parameters(config: TrainingConfig) -> dict[str, str]:
    """Return the settings under dotted names, such as `validation.folds`."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in _flattened("", config.model_dump(mode="json"))
    }


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, part in value.items():
        yield from _flattened(f"{prefix}.{name}" if prefix else name, part)


def headline_metrics(table: pd.DataFrame, split_name: str) -> dict[str, float]:
    """Return the figures of `evaluation.csv` that stand for a whole model.

    Parameters
    ----------
    table : DataFrame
        `evaluation.csv`.
    split_name : str
        The main split. Single sites and curves are left to the table.

    Returns
    -------
    dict of str to float
        `MODEL/METRIC`, such as `lightgbm_both/auroc`, and the same with `_lower` and `_upper` for
        its interval. A figure combined over sites goes before one that pools them.
    """
    metrics: dict[str, float] = {}
    for split in (split_name, f"{split_name}/within_site"):
        chosen = table[(table["split"] == split) & table["threshold"].isna()]
        for row in chosen.to_dict("records"):
            name = _valid(f"{row['model']}/{row['metric']}")
            for column, suffix in _INTERVALS.items():
                if math.isfinite(row[column]):
                    metrics[name + suffix] = float(row[column])
    return metrics


def _valid(name: str) -> str:
    """Return a name that MLflow takes, and that its search takes without quotation marks."""
    return re.sub(r"[^\w./-]", "_", name.replace(" - ", "_minus_"), flags=re.ASCII)


def _tags(summary: RunSummary) -> dict[str, str]:
    population = summary.population
    return {
        "cohort": population.cohort,
        "cohort_fingerprint": summary.provenance.data_fingerprint,
        "simulated": str(population.simulated).lower(),
        "is_tms": str(population.is_tms).lower(),
        "outcome": summary.outcome.describe(),
        "split": summary.split_name,
        "served_model": summary.served_model,
        "model_version": summary.model_version,
        "config_hash": summary.provenance.config_hash,
        "mlflow.note.content": f"Research use only. {population.sentence()}.",
    }


def _source_tags() -> dict[str, str]:
    tags = {"mlflow.source.name": "tms-response train", "mlflow.source.type": "LOCAL"}
    commit = git_commit()
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags


def git_commit(file: Path = Path(__file__)) -> str | None:
    """Return the commit of the checkout that tracks a file; None without one, or without git."""
    git = ["git", "-C", str(file.resolve().parent)]
    try:
        # An installed copy may lie in somebody else's checkout: the file itself must be tracked.
        _output([*git, "ls-files", "--error-unmatch", file.name])
        return _output([*git, "rev-parse", "HEAD"])
    except (OSError, subprocess.SubprocessError):
        return None


def _output(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)  # noqa: S603
    return done.stdout.strip()
