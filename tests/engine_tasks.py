"""Tasks for the tests of the engines: here, so that the processes of an engine can import them."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_info

from data_schemas.errors import DataError


@dataclass(frozen=True)
class Shared:
    """What all tasks of these tests share.

    Attributes
    ----------
    folder : Path or None
        Where each task leaves a file named after it and its process.
    seconds : float
        How long each task takes.
    """

    values: npt.NDArray[np.float64]
    folder: Path | None = None
    seconds: float = 0.0


class PickleCounter:
    """Counts how often it leaves this process."""

    pickled = 0

    def __reduce__(self) -> tuple[Any, ...]:
        PickleCounter.pickled += 1
        return PickleCounter, ()


def summed(shared: Shared, task: int) -> dict[str, Any]:
    """Return figures of a random sample, drawn by the task's own seed."""
    time.sleep(shared.seconds)
    sample = np.random.default_rng(task).choice(shared.values, len(shared.values))
    if shared.folder is not None:
        (shared.folder / f"{task}-{os.getpid()}").touch()
    return {
        "sample": sample, "mean": float(sample.mean()), "text": f"task {task}", "empty": "",
        "count": np.count_nonzero(sample > 0), "strided": sample[::3],
    }  # fmt: skip


def refused(_shared: object, task: int) -> dict[str, Any]:
    """Raise an error of ours for one task."""
    if task == 2:
        raise DataError("A sentence.")
    return {}


def failed(_shared: object, task: int) -> dict[str, Any]:
    """Fail, quoting a planted value."""
    raise ValueError(f"Q7-planted-value {task}")


def killed(_shared: object, task: int) -> dict[str, Any]:
    """Let one task's process die, as for want of memory."""
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def n_threads(_shared: object, _task: int) -> dict[str, Any]:
    """Return the most threads that any library of this process would use."""
    return {"threads": max(pool["num_threads"] for pool in threadpool_info())}


def process_number() -> str:
    """Return what differs between any two processes."""
    return str(os.getpid())


def nothing(_shared: object, _task: int) -> dict[str, Any]:
    """Return an empty result."""
    return {}


def an_object(_shared: object, _task: int) -> dict[str, Any]:
    """Return what only pickle could keep."""
    return {"value": np.array([{}], dtype=object)}
