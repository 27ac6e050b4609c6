"""Where a model is: a folder, or a reference to the MLflow registry that is downloaded to one.

Only files are fetched. MLflow's `load_model`, which executes what the store holds, is never called.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from data_schemas.errors import ModelError
from serving.predictor import DOCUMENT_FILE

DEFAULT_TRACKING_URI: Final = "sqlite:///mlflow.db"
_SCHEMES: Final = ("models:/", "runs:/")
# Where the artefact lies in a model that training has logged.
_LOGGED_ARTEFACT: Final = Path("artifacts", "model")


def resolve_model(reference: str | Path) -> Path:
    """Return the local folder of a model.

    Parameters
    ----------
    reference : str or Path
        A folder that holds `model.json`, or that holds `model/` (a finished run); or
        `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/RUN/PATH`, downloaded from the store
        at `MLFLOW_TRACKING_URI` (by default `mlflow.db` in the working directory).

    Raises
    ------
    ModelError
        When there is no such model, or the registry cannot be used.
    """
    folder = Path(reference)
    if str(reference).startswith(_SCHEMES):
        return find_artefact(_downloaded(str(reference)), str(reference))
    if not folder.is_dir():
        raise ModelError(
            f"There is no model folder {folder}. Give a folder that training wrote, or "
            "models:/NAME@ALIAS."
        )
    return find_artefact(folder, str(folder))


def find_artefact(folder: Path, reference: str) -> Path:
    """Return the folder with `model.json` at or below a folder.

    Raises
    ------
    ModelError
        Naming the reference, when there is none.
    """
    for candidate in (folder, folder / "model", folder / _LOGGED_ARTEFACT):
        if (candidate / DOCUMENT_FILE).is_file():
            return candidate.resolve()
    raise ModelError(f"{reference} holds no {DOCUMENT_FILE}, so it is not a tms-response model.")


def is_alias(reference: str) -> bool:
    """Return whether a reference is `models:/NAME@ALIAS`, which may come to mean another model."""
    return reference.startswith("models:/") and "@" in reference


def aliased_version(reference: str) -> str:
    """Return `models:/NAME/VERSION` for what `models:/NAME@ALIAS` means now.

    Raises
    ------
    ModelError
        When the registry cannot be asked.
    """
    name, _, alias = reference.removeprefix("models:/").partition("@")
    from mlflow import MlflowClient  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        version = MlflowClient().get_model_version_by_alias(name, alias).version
    except (MlflowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{reference} cannot be looked up: {reason}") from None
    return f"models:/{name}/{version}"


def _downloaded(reference: str) -> Path:
    """Return a new private folder with all files of a logged model."""
    uri = os.environ.setdefault("MLFLOW_TRACKING_URI", DEFAULT_TRACKING_URI)
    store = uri.removeprefix("sqlite:///")
    if store != uri and not Path(store).is_file():
        # MLflow would create an empty store and then not find the model in it.
        raise ModelError(
            f"There is no MLflow store {store}, so {reference} cannot be found. Train a model "
            "first, or set MLFLOW_TRACKING_URI."
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    try:
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
    except ImportError:
        raise ModelError(
            f"{reference} needs MLflow, which is not installed. Install this project with its "
            "extra 'registry' (pip install '.[registry]'), or give a folder."
        ) from None
    target = tempfile.mkdtemp(prefix="tms-response-model-")
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    try:
        return Path(download_artifacts(artifact_uri=reference, dst_path=target))
    except (MlflowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{reference} cannot be downloaded: {reason}") from None
