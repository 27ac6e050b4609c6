"""Following an alias of the MLflow registry, so that workers need not know MLflow."""

import logging
import os
import threading
from pathlib import Path
from typing import Final

from data_schemas.errors import ModelError
from serving.model_pointer import point_to
from serving.registry import DEFAULT_TRACKING_URI, aliased_version, resolve_model

logger = logging.getLogger("tms_response.model")

_SQLITE: Final = "sqlite:///"


class ChampionFollower:
    """Looks every few seconds which version an alias means, and downloads a new one.

    A pointer file then names its folder; the workers load and test it (`serving/current_model.py`).

    Parameters
    ----------
    reference : str
        `models:/NAME@ALIAS`.
    pointer : Path
        File to write; see `serving.model_pointer`.
    seconds : float
        Between two looks.
    """

    def __init__(self, reference: str, pointer: Path, seconds: float) -> None:
        self._reference = reference
        self._pointer = pointer
        self._seconds = seconds
        self._seen: str | None = None
        self._failure = ""

    def start(self) -> None:
        """Look in a thread of its own, until the process ends."""
        threading.Thread(target=self._run, name="champion-follower", daemon=True).start()

    def _run(self) -> None:
        waiting = threading.Event()
        while not waiting.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Download what the alias means now, where that is new; a failure is logged once."""
        try:
            version = aliased_version(self._reference)
            if version != self._seen:
                point_to(self._pointer, resolve_model(version))
                self._seen = version
            self._failure = ""
        except ModelError as error:
            if str(error) != self._failure:
                logger.error("The present model goes on answering. %s", error)  # noqa: TRY400
            self._failure = str(error)


def keep_store_in_place() -> None:
    """Make the address of a store in the working directory absolute, before that is left."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_TRACKING_URI)
    path = uri.removeprefix(_SQLITE)
    if path != uri and path and not Path(path).is_absolute():
        os.environ["MLFLOW_TRACKING_URI"] = f"{_SQLITE}{Path(path).absolute()}"
