"""Runs on the same patients with models of several qualities, and an MLflow store that has them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from held_out_predictions import BOTH, CLINICAL, LOSO, predictions
from tracked_runs import quiet_mlflow, tiny_predictor, write_run_folder

from serving.model_document import Calibration, LandmarkDocument, ModelDocument
from serving.predictor import ResponsePredictor
from training.config import load_config
from training.course.judging import COURSE
from training.course.landmarks import LandmarkCounts
from training.course.summary import COURSE_OUT_OF_FOLD_FILE, CourseSummary, LandmarkSummary
from training.promotion import evidence
from training.summary import RunSummary
from training.tracking.store import open_client, plain_mlflow
from training.tracking.tracked_run import track_run
from training.updating import judging

NAME = "tms-response"
CHAMPION = f"models:/{NAME}@champion"
GOOD, BAD = BOTH, CLINICAL  # among the predictions of `held_out_predictions`


def served_predictions(model: str, n: int = 160) -> pd.DataFrame:
    """Return the predictions of one model as those of the served one."""
    frame = predictions(n)
    return frame[frame["model"] == model].assign(model=BOTH)


def write_run(
    folder: Path,
    model: str,
    slope: float,
    *,
    document: dict[str, Any] | None = None,
    **summary: Any,
) -> Path:
    """Write a finished run whose held-out predictions are those of `model`.

    Parameters
    ----------
    slope : float
        Of the recalibration, by which the artefacts differ.
    document, **summary
        Fields of the model's document and of the run's summary that are changed.
    """
    write_run_folder(folder)
    tiny = tiny_predictor()
    changes = {"calibration": Calibration(slope=slope, intercept=0.0), **(document or {})}
    own = ResponsePredictor(tiny.document.model_copy(update=changes), tiny._booster_text)
    own.save(folder / "model")
    served_predictions(model).to_csv(folder / "out_of_fold.csv", index=False)
    changes = {"model_version": own.identity.version, "provenance": own.document.provenance,
               "split_name": LOSO, **summary}  # fmt: skip
    RunSummary.load(folder).model_copy(update=changes).save(folder)
    return folder


def add_week(folder: Path, model: str, slope: float) -> Path:
    """Put a model of week 1 beside that of a run, whose held-out predictions are those of `model`.

    Parameters
    ----------
    slope : float
        Of its recalibration, by which the artefacts differ.
    """
    before = ResponsePredictor.load(folder / "model")
    changes = {
        "landmark": LandmarkDocument(week=1, instrument="PHQ-9", sessions_a_week=5),
        "calibration": Calibration(slope=slope, intercept=0.0),
    }
    document = before.document.model_copy(update=changes)
    at_week = ResponsePredictor(document, before._booster_text)
    before.with_landmarks([at_week]).save(folder / "model")
    held_out = served_predictions(model).assign(model=COURSE, week=1.0)
    held_out.to_csv(folder / COURSE_OUT_OF_FOLD_FILE, index=False)
    landmark = LandmarkSummary(
        week=1, split_name=LOSO, model_version=at_week.identity.version, always_abstains=None,
        no_model=None, course_share=None, drivers=(),
        counts=LandmarkCounts(
            listed=160, stopped=0, stopped_known=0, stopped_events=None, not_scored=0,
            outcome_unknown=0, learned_from=160, events=80,
        ),
    )  # fmt: skip
    CourseSummary(
        instrument="PHQ-9", outcome="response", horizon="end of treatment", rule_week=2,
        rule_percent=20, ends_known=True, labels={}, landmarks=(landmark,),
    ).save(folder)  # fmt: skip
    return folder


def log_run(folder: Path) -> None:
    """Log a finished run to the store of the environment, as training does."""
    with track_run(load_config(), folder, datetime.now(UTC)) as tracked:
        tracked.log()


def write_store(home: Path) -> Path:
    """Make a store with a bad champion (version 1), a good (2) and a further bad model (3)."""
    home.mkdir(exist_ok=True)
    with store_at(home), quiet_mlflow():
        for name, model, slope in (("champion", BAD, 0.9), ("good", GOOD, 0.8), ("bad", BAD, 0.7)):
            log_run(write_run(home / name, model, slope))
    return home


def copied_store(template: Path, home: Path) -> Path:
    """Copy the database of a store; the files of its runs stay where they are."""
    home.mkdir(exist_ok=True)
    shutil.copy(template / "mlflow.db", home / "mlflow.db")
    return home


@contextmanager
def store_at(home: Path) -> Iterator[None]:
    """Let the environment name the store of a folder."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{home / 'mlflow.db'}"
    try:
        yield
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


@contextmanager
def few_draws() -> Iterator[None]:
    """Compare in few draws."""
    few = replace(evidence.DRAWING, bootstraps=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "DRAWING", few)
        patch.setattr(judging, "DRAWING", few)
        yield


def champion() -> str:
    """Return the version that the alias means, in the store of the environment."""
    with plain_mlflow():
        return str(open_client().get_model_version_by_alias(NAME, "champion").version)


def document_of(folder: Path) -> ModelDocument:
    """Return the document of a run's model."""
    return ResponsePredictor.load(folder / "model").document
