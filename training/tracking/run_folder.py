"""The folder of a run, and `run.json` in it: when it ran, on what, and where MLflow keeps it."""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from data_schemas.errors import UsageError
from training.config import TrainingConfig
from training.engine.work import WORK_FOLDER
from training.summary import RUN_FILE

RUNS_FOLDER: Final = Path("runs")


def new_folder(out: Path | None, started: datetime) -> Path:
    """Make the folder of a new run.

    Parameters
    ----------
    out : Path or None
        As the user named it; `runs/<time>` without it.

    Raises
    ------
    UsageError
        When it holds something already.
    """
    folder = out or RUNS_FOLDER / started.strftime("%Y%m%dT%H%M%SZ")
    if (folder / WORK_FOLDER).is_dir() and not is_finished(folder):
        raise UsageError(
            f"{folder} holds a run that was interrupted; go on with it by --resume, or give a new "
            "folder with --out."
        )
    # A run that failed early leaves nothing but its run.json, and may be tried again.
    if folder.is_file() or (folder.is_dir() and {p.name for p in folder.iterdir()} - {RUN_FILE}):
        raise UsageError(f"{folder} exists already; give an empty or a new folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def unfinished_folder(out: Path | None, cohort: Path, config: TrainingConfig) -> Path:
    """Return the folder of an interrupted run, to go on with.

    Parameters
    ----------
    out : Path or None
        The folder; without it the newest under `runs/` of this cohort and configuration.
    cohort : Path
        As the user named it.

    Raises
    ------
    UsageError
        When there is no such run, it is finished, or it is of another cohort or configuration.
    """
    wanted = run_of(cohort, config)
    if out is None:
        found = [folder for folder in _unfinished() if _same(read_run_file(folder), wanted)]
        if not found:
            raise UsageError(
                f"Under {RUNS_FOLDER}/ there is no interrupted run of this cohort with this "
                "configuration; name its folder with --out, or train without --resume."
            )
        return max(found, key=lambda folder: str(read_run_file(folder)["started"]))
    if not (out / RUN_FILE).is_file():
        raise UsageError(f"{out} holds no run to go on with; train without --resume.")
    if is_finished(out):
        raise UsageError(f"The run in {out} is finished; there is nothing to resume.")
    if not _same(read_run_file(out), wanted):
        raise UsageError(
            f"The run in {out} cannot go on: it was begun on another cohort or with another "
            "configuration. Give the same ones, or train into another folder without --resume."
        )
    return out


def run_of(cohort: Path, config: TrainingConfig) -> dict[str, str]:
    """Return what tells whether two runs are of the same cohort and configuration."""
    return {"cohort": str(cohort.resolve()), "config_hash": config.digest}


def _same(run: Mapping[str, object], wanted: Mapping[str, str]) -> bool:
    return all(run.get(name) == value for name, value in wanted.items())


def _unfinished() -> list[Path]:
    files = RUNS_FOLDER.glob(f"*/{RUN_FILE}")
    return [file.parent for file in files if not is_finished(file.parent)]


def is_finished(folder: Path) -> bool:
    """Tell whether a run was trained, written and logged to its end."""
    return "finished" in read_run_file(folder)


def read_run_file(folder: Path) -> dict[str, object]:
    """Return the content of `run.json`; empty where there is none that can be read."""
    try:
        content = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_run_file(folder: Path, content: Mapping[str, object]) -> None:
    """Write `run.json`: wholly or, when the process dies meanwhile, not at all."""
    unfinished = folder / f"{RUN_FILE}.{os.getpid()}"
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder / RUN_FILE)


@contextmanager
def locked(folder: Path, seconds: float = 0.0) -> Iterator[None]:
    """Hold a run's folder for this process; the system lets go of it when the process dies.

    Parameters
    ----------
    seconds : float
        How long to wait for another process that holds it.

    Raises
    ------
    UsageError
        When another process still holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder, time.monotonic() + seconds)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise UsageError(
                    f"Another process is at work on the run in {folder}; wait until it has ended."
                ) from None
            time.sleep(0.1)
        else:
            return


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
