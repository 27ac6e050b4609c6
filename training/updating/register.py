"""An updated model as a challenger: a folder for `promote`, a run in MLflow, a version there.

What MLflow is told of the local patients is how many they are, a fingerprint, and the figures of
the comparison; never a patient's value.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from data_schemas.errors import ModelError, UsageError
from serving.predictor import ResponsePredictor
from training.promotion.judged_update import UPDATE_FILE, JudgedUpdate
from training.summary import MODEL_FOLDER
from training.tracking.registered_model import (
    RegisteredVersion,
    is_tagged_as,
    log_model,
    register_model,
)
from training.tracking.run_folder import read_run_file, write_run_file
from training.tracking.store import open_client, plain_mlflow, without_password
from training.tracking.tracked_run import closed, source_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MODELS: Final = "models:/"


class RegisteredParent(NamedTuple):
    """The version in the registry that is updated, and the run that made it."""

    name: str
    version: str
    run_id: str


def registered_parent(reference: str, parent: ResponsePredictor) -> RegisteredParent:
    """Find the version of a model in the registry.

    Parameters
    ----------
    reference : str
        How the user named the model: `models:/NAME...`, or the folder of a run.
    parent : ResponsePredictor
        What was loaded from there; an alias may mean another version by now.

    Raises
    ------
    UsageError
        When the reference does not say under which name it is registered.
    ModelError
        When no version of the name is this model.
    ServiceError
        When MLflow fails.
    """
    name = _registered_name(reference)
    with plain_mlflow():
        for each in open_client().search_model_versions(f"name = '{name}'"):
            if is_tagged_as(parent, each.tags):
                return RegisteredParent(name, str(each.version), str(each.run_id))
    raise ModelError(
        f"MLflow holds no version of {name} that is this model; set MLFLOW_TRACKING_URI to the "
        "store that it was registered in."
    )


def register_update(
    judged: JudgedUpdate, updated: ResponsePredictor, parent: RegisteredParent, folder: Path
) -> RegisteredVersion:
    """Write an update's folder and register its model.

    Parameters
    ----------
    judged : JudgedUpdate
    updated : ResponsePredictor
        The model that it made.
    parent : RegisteredParent
        The version that it was made of.
    folder : Path
        New or empty: `model/`, `update.json` and `run.json` are written into it.

    Raises
    ------
    ServiceError
        When MLflow fails.
    """
    started = datetime.now(UTC)
    updated.save(folder / MODEL_FOLDER)
    judged.save(folder / UPDATE_FILE)
    with plain_mlflow():
        client = open_client()
        run_id = _new_run(client, judged, parent, folder, started)
        with closed(client, run_id):
            client.log_artifact(run_id, str(folder / UPDATE_FILE))
            model_id = log_model(client, run_id, folder / MODEL_FOLDER, updated.document)
            version = register_model(client, parent.name, run_id, model_id, updated)
            for key, value in _tags(judged, updated, parent).items():
                client.set_model_version_tag(parent.name, version.version, key, value)
    content = {
        "started": started.isoformat(timespec="seconds"),
        "folder": str(folder.resolve()),
        "tracking_uri": without_password(client.tracking_uri),
        "mlflow_run": run_id,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "registered_model": version.uri,
        "alias": version.alias,
    }
    write_run_file(folder, content)
    return version


def _registered_name(reference: str) -> str:
    uri = reference
    if not uri.startswith(_MODELS):
        folder = Path(reference)
        found = [read_run_file(each) for each in (folder, folder.parent)]
        uri = next(
            (str(each["registered_model"]) for each in found if "registered_model" in each), ""
        )
    name = uri.removeprefix(_MODELS).partition("@")[0].partition("/")[0]
    if not uri.startswith(_MODELS) or not name:
        raise UsageError(
            f"{reference} does not say under which name the model is registered; give "
            "models:/NAME@ALIAS, or the folder of a finished run, to --register an update of it."
        )
    return name


def _new_run(
    client: "MlflowClient",
    judged: JudgedUpdate,
    parent: RegisteredParent,
    folder: Path,
    started: datetime,
) -> str:
    from mlflow.entities import Metric, Param  # noqa: PLC0415

    moment = int(started.timestamp() * 1000)
    run = client.create_run(
        client.get_run(parent.run_id).info.experiment_id,
        start_time=moment,
        run_name=folder.name,
        tags={**source_tags("update"), "mlflow.parentRunId": parent.run_id},
    )
    run_id = str(run.info.run_id)
    update, compared = judged.update, judged.evidence.compared
    client.log_batch(
        run_id,
        metrics=[Metric(f"update/{e.metric}", e.challenger, moment, 0) for e in compared]
        + [Metric(f"update/{e.metric}_difference", e.difference, moment, 0) for e in compared],
        params=[Param(key, str(value)) for key, value in update.model_dump().items()],
    )
    return run_id


def _tags(
    judged: JudgedUpdate, updated: ResponsePredictor, parent: RegisteredParent
) -> dict[str, str]:
    update = judged.update
    [member] = [each for each in (updated, *updated.landmarks) if update in each.document.updates]
    return {
        "update.parent_version": parent.version,
        "update.parents": " ".join(each.parent for each in member.document.updates),
        "update.method": update.method,
        "update.place": update.place,
        "update.n_patients": str(update.n_patients),
        "update.n_events": str(update.n_events),
        "update.outcomes_fingerprint": update.fingerprint,
    }
