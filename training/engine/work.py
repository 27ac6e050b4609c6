"""`work/` in a run's folder: the results of its finished tasks, until the run is finished."""

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import numpy.typing as npt

from data_schemas.errors import UsageError
from training.config import TrainingConfig
from training.engine.program import program_digest

WORK_FOLDER: Final = "work"
_ORIGIN_FILE: Final = "origin.json"
_CHANGED: Final = {
    "configuration": "the configuration has changed",
    "data": "the cohort's data have changed",
    "program": "the program or one of its libraries has changed",
}


@dataclass(frozen=True)
class Work:
    """Results of tasks, one file of arrays each.

    A file's name is a digest of the function, of all that it was given and of the task: so a result
    is found again only by the very same question.

    Attributes
    ----------
    folder : Path
        `work/` of the run; made with the first result.
    origin : dict of str to str
        Digests of what the results come from, kept beside them.
    """

    folder: Path
    origin: Mapping[str, str]

    def names(
        self, function: Callable[..., object], shared: object, tasks: Sequence[object]
    ) -> list[str]:
        """Return the names under which the tasks' results are kept."""
        asked = joblib.hash((function.__module__, function.__qualname__, shared), hash_name="sha1")
        return [f"{joblib.hash((asked, task), hash_name='sha1')}.npz" for task in tasks]

    def load(self, stage: str, name: str) -> dict[str, npt.NDArray[Any]] | None:
        """Return a kept result; None where there is none, or where it cannot be read."""
        path = self._stage_folder(stage) / name
        try:
            # Opened here, since NumPy would leave a file that is no archive open.
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                return dict(content)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, stage: str, name: str, result: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep a result: wholly or, when the process dies meanwhile, not at all."""
        folder = self._stage_folder(stage)
        if not folder.is_dir():
            folder.mkdir(parents=True)
            text = json.dumps(dict(self.origin), indent=1) + "\n"
            (self.folder / _ORIGIN_FILE).write_text(text, encoding="utf-8")
        unfinished = folder / f"{name}.{os.getpid()}"
        with unfinished.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **result)
        unfinished.replace(folder / name)

    def _stage_folder(self, stage: str) -> Path:
        return self.folder / re.sub(r"[^a-z0-9]+", "_", stage.lower())


@contextmanager
def open_work(run_folder: Path, config: TrainingConfig, fingerprint: str) -> Iterator[Work]:
    """Open `work/` of a run, new or left by an interruption, and remove it once the run is done.

    Parameters
    ----------
    run_folder : Path
        Of the run.
    config : TrainingConfig
        Of the run.
    fingerprint : str
        Of the cohort's data.

    Raises
    ------
    UsageError
        When what is there comes from other settings, other data or another program.
    """
    folder = run_folder / WORK_FOLDER
    origin = {
        "configuration": config.digest, "data": fingerprint, "program": program_digest(),
    }  # fmt: skip
    _check_origin(folder / _ORIGIN_FILE, origin)
    yield Work(folder, origin)
    shutil.rmtree(folder, ignore_errors=True)


def _check_origin(file: Path, origin: Mapping[str, str]) -> None:
    try:
        earlier = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # Nothing was kept yet, or not even this file was finished.
    changes = [words for name, words in _CHANGED.items() if earlier.get(name) != origin[name]]
    if changes:
        raise UsageError(
            f"The run in {file.parent.parent} cannot go on: {' and '.join(changes)} since it "
            "began, so that its results would not belong together. Restore what has changed, or "
            "train into another folder without --resume."
        )
