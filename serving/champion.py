"""Following an alias of the MLflow registry, so that workers need not know MLflow.

`tms-response serve` does it by itself. Where the service runs without MLflow, as in a container,
another process does it, and both share a folder:
`python -m serving.champion models:/tms-response@champion FOLDER` keeps `FOLDER/current` a pointer
to the champion, which the service is given as its model.
"""

import argparse
import logging
import os
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from data_schemas.errors import ModelError
from serving.logs import configure_logs
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
    keep : bool
        Whether models are copied beside the pointer, for other machines to read; else they lie in
        a folder of this process that ends with it.
    """

    def __init__(
        self, reference: str, pointer: Path, seconds: float, *, keep: bool = False
    ) -> None:
        self._reference = reference
        self._pointer = pointer
        self._seconds = seconds
        self._keep = keep
        self._seen: str | None = None
        self._failure = ""

    def start(self) -> None:
        """Look in a thread of its own, until the process ends."""
        threading.Thread(target=self.follow, name="champion-follower", daemon=True).start()

    def follow(self) -> None:
        """Look again and again, without end."""
        waiting = threading.Event()
        while not waiting.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Download what the alias means now, where that is new; a failure is logged once."""
        try:
            self.take()
            self._failure = ""
        except ModelError as error:
            if str(error) != self._failure:
                logger.error("The present model goes on answering. %s", error)  # noqa: TRY400
            self._failure = str(error)

    def take(self) -> None:
        """Download what the alias means now, where that is new.

        Raises
        ------
        ModelError
            When the registry cannot be asked, or what it holds is no model.
        """
        version = aliased_version(self._reference)
        if version == self._seen:
            return
        folder = resolve_model(version)
        if self._keep:
            name = version.rpartition("/")[2]
            shutil.copytree(folder, self._pointer.parent / name, dirs_exist_ok=True)
            folder = Path(name)
        point_to(self._pointer, folder)
        self._seen = version


def keep_store_in_place() -> None:
    """Make the address of a store in the working directory absolute, before that is left."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_TRACKING_URI)
    path = uri.removeprefix(_SQLITE)
    if path != uri and path and not Path(path).is_absolute():
        os.environ["MLFLOW_TRACKING_URI"] = f"{_SQLITE}{Path(path).absolute()}"


def main(arguments: Sequence[str]) -> int:
    """Follow an alias for services that share a folder, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serving.champion", description=__doc__)
    parser.add_argument("reference", help="models:/NAME@ALIAS")
    parser.add_argument("folder", type=Path, help="where models and the pointer `current` go")
    parser.add_argument("--seconds", type=float, default=10, help="between two looks")
    parser.add_argument("--once", action="store_true", help="look once, and end")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    pointer = given.folder / "current"
    follower = ChampionFollower(given.reference, pointer, given.seconds, keep=True)
    if given.once:
        try:
            follower.take()
        except ModelError as error:
            sys.stderr.write(f"error: {error}\n")
            return error.exit_code
        return 0
    configure_logs()
    follower.look()
    follower.follow()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
