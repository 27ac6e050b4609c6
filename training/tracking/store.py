"""The MLflow store of this process: where it is, quiet, without telemetry, its errors sentences."""

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from data_schemas.errors import ServiceError
from serving.registry import DEFAULT_TRACKING_URI

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE: Final = "sqlite:///"
_NOISY: Final = ("mlflow", "alembic", "sqlalchemy")


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or `mlflow.db` in the working directory; files by full path.

    MLflow keeps one store an address, so that a relative one would go on meaning the directory in
    which it was first opened.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    if not uri.startswith(_SQLITE):
        return uri
    return _SQLITE + str(Path(uri.removeprefix(_SQLITE)).resolve())


def open_client() -> "MlflowClient":
    """Return a client of the store, which is created where it is a database that is not there."""
    from mlflow import MlflowClient  # noqa: PLC0415

    return MlflowClient(tracking_uri(), os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri())


def experiment_id(client: "MlflowClient", name: str) -> str:
    """Return the identifier of an experiment, which is created where it is new.

    Raises
    ------
    ServiceError
        When it was deleted.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    found = client.get_experiment_by_name(name)
    if found is None:
        with suppress(MlflowException):  # Another run may create it at this moment.
            return str(client.create_experiment(name, _artifact_folder(tracking_uri())))
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise ServiceError(
            f"The experiment '{name}' was deleted in MLflow; restore it there, or name another "
            "under [tracking] in the configuration."
        )
    return str(found.experiment_id)


def _artifact_folder(uri: str) -> str | None:
    """Return `mlartifacts` beside an SQLite file; None leaves the choice to the server."""
    if not uri.startswith(_SQLITE):
        return None
    return (Path(uri.removeprefix(_SQLITE)).parent / "mlartifacts").as_uri()


@contextmanager
def plain_mlflow() -> Iterator[None]:
    """Silence the remarks of MLflow and its database layers; make their errors our sentences."""
    _configure()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=rf"({'|'.join(_NOISY)})(\.|$)")
        # Importing MLflow sets its log level, so it comes before ours.
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        levels = {name: logging.getLogger(name).level for name in _NOISY}
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise store_error(error) from None
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def _configure() -> None:
    # Read when MLflow is imported: no usage statistics leave the clinic.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # MLflow's own seven attempts take minutes to say that a server is not there.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


def store_error(error: Exception) -> ServiceError:
    """Return what MLflow says as a sentence, without passwords."""
    uri = tracking_uri()
    sentence = re.split(r"\n|(?<=\.)\s+(?=[A-Z])", str(error))[0].rstrip(".")
    return ServiceError(
        f"MLflow at {without_password(uri)} failed: "
        f"{sentence[:300].replace(uri, without_password(uri))}. "
        "Set MLFLOW_TRACKING_URI to a store that can be written to."
    )


def without_password(uri: str) -> str:
    """Return an address without user name and password."""
    parts = urlsplit(uri)
    return uri.replace(parts.netloc, parts.netloc.rpartition("@")[2]) if parts.netloc else uri
