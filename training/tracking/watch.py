"""Marks a run as KILLED in MLflow whose process vanished: `python -m training.tracking.watch`.

A process that is killed outright, or whose memory runs out, cannot say so itself. Hence each run
has a watcher, a process that does nothing but wait at the end of a pipe: where the pipe ends
without the word that the run was closed, its process has died. Until then it loads nothing.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_CLOSED: Final = b"closed"
_SECONDS_TO_LEAVE: Final = 10
# For a database that is locked, or a server that is not there for a moment.
_SECONDS_BETWEEN_ATTEMPTS: Final = (0, 2, 10, 30)


@contextmanager
def watched(run_id: str, folder: Path) -> Iterator[None]:
    """Have a run of this process watched; leaving the context, by an error too, ends it.

    Parameters
    ----------
    run_id : str
        In the MLflow store of this process.
    folder : Path
        Of the run, which this process holds; see `training.tracking.run_folder.locked`.
    """
    # -P: a folder `training` in the working directory is not ours. A session of its own: Ctrl-C
    # and the end of a terminal do not reach it.
    watcher = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", "training.tracking.watch", run_id, str(folder.resolve())],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        with suppress(OSError, subprocess.TimeoutExpired):
            watcher.communicate(_CLOSED, timeout=_SECONDS_TO_LEAVE)


def mark_killed(run_id: str, folder: Path) -> None:
    """Close a run as KILLED, unless it is closed or another process goes on with it.

    Raises
    ------
    ServiceError
        When MLflow fails.
    """
    from data_schemas.errors import UsageError  # noqa: PLC0415
    from training.tracking.run_folder import locked  # noqa: PLC0415
    from training.tracking.store import open_client, plain_mlflow  # noqa: PLC0415

    with plain_mlflow():
        client = open_client()
        with suppress(UsageError), locked(folder):
            if client.get_run(run_id).info.status == "RUNNING":
                client.set_terminated(run_id, "KILLED")


def main() -> None:
    """Wait for the end of the pipe, and act on it."""
    run_id, folder = sys.argv[1:]
    if sys.stdin.buffer.read() == _CLOSED:
        return
    from data_schemas.errors import ServiceError  # noqa: PLC0415

    for seconds in _SECONDS_BETWEEN_ATTEMPTS:
        time.sleep(seconds)
        with suppress(ServiceError):
            mark_killed(run_id, Path(folder))
            return


if __name__ == "__main__":
    main()
