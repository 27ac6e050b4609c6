"""Engines: which processes run the tasks of a stage. Results never depend on the engine."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import BrokenProcessPool
from threadpoolctl import threadpool_limits

from data_schemas.errors import ServiceError, UsageError

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Value = npt.NDArray[Any] | np.generic | str | float
TaskFunction = Callable[[Shared, Task], Mapping[str, Value]]
Finished = tuple[int, Mapping[str, Value]]

_SECONDS_BETWEEN_LOOKS: Final = 0.5
LOCAL: Final = "local"
DASK: Final = "dask"
ENGINES_ALLOWED: Final = "local, dask, or dask=ADDRESS such as dask=tcp://10.0.0.5:8786"


class Engine(Protocol):
    """Something that runs tasks."""

    def run(
        self, function: TaskFunction[Shared, Task], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Finished]:
        """Yield each task's place in `tasks` and its result, as soon as it is there.

        Parameters
        ----------
        function : callable
            Defined at the top of a module and pure: a result depends on `shared` and the task
            alone, and neither is written to.
        shared : object
            What all tasks need; it is sent to each worker once.
        tasks : sequence
            Small, and different from each other.
        """


class LocalEngine:
    """Runs tasks in this process, or in several of this machine.

    Parameters
    ----------
    n_jobs : int
        Processes; 1 stays in this one. Each keeps BLAS and OpenMP to one thread: on a few hundred
        rows more are slower, and sums would depend on how many there are.
    """

    def __init__(self, n_jobs: int = 1) -> None:
        self.n_jobs = n_jobs

    def run(
        self, function: TaskFunction[Shared, Task], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Finished]:
        """Yield each task's place and its result; see `Engine.run`.

        Raises
        ------
        ServiceError
            When a process is killed.
        """
        if self.n_jobs == 1 or len(tasks) < 2:
            for place, task in enumerate(tasks):
                with threadpool_limits(1):
                    result = function(shared, task)
                yield place, result
            return
        with parallel_config(
            backend="loky", inner_max_num_threads=1, initializer=_serve, initargs=(os.getpid(),)
        ):
            # Large arrays of `shared` are mapped from one file, not copied to each worker.
            parallel = Parallel(self.n_jobs, return_as="generator_unordered", batch_size=1)
        calls = (delayed(_placed)(function, shared, place, t) for place, t in enumerate(tasks))
        try:
            with closing(parallel(calls)) as finished:
                yield from finished
        except BrokenProcessPool:
            raise ServiceError(
                "A process that fitted models was killed, most often because memory ran out. What "
                "is finished is kept: free some memory and run again with --resume."
            ) from None


def _serve(parent: int) -> None:
    """Have this process end with its parent, also one that is killed, and not by Ctrl-C."""
    # A terminal interrupts all processes; the parent alone says what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _placed(
    function: TaskFunction[Shared, Task], shared: Shared, place: int, task: Task
) -> Finished:
    return place, function(shared, task)


def check_engine_name(name: str) -> str:
    """Return the name of an engine if it is well formed.

    Raises
    ------
    UsageError
        When it is not `local`, `dask` or `dask=ADDRESS`.
    """
    kind, equals, address = name.partition("=")
    if kind not in {LOCAL, DASK} or (equals and (kind == LOCAL or not address.strip())):
        raise UsageError(f"There is no such engine; allowed for --engine: {ENGINES_ALLOWED}.")
    return name


@contextmanager
def open_engine(name: str = LOCAL, n_jobs: int | None = None) -> Iterator[Engine]:
    """Open an engine by name, and close it again.

    Parameters
    ----------
    name : str
        `local`; `dask` for a Dask cluster on this machine, started for the purpose; or
        `dask=ADDRESS` for one that is running.
    n_jobs : int, optional
        Processes on this machine; without it as many as cores that this process may use. The
        workers of a running cluster are its own matter.

    Raises
    ------
    UsageError
        When there is no such engine.
    ConfigurationError
        When Dask is not installed, or the address is none.
    ServiceError
        When the cluster cannot be used.
    """
    check_engine_name(name)
    jobs = n_jobs or available_cores()
    if name == LOCAL:
        yield LocalEngine(jobs)
        return
    # Dask is optional, and importing it takes a second.
    from training.engine.dask_engine import open_dask  # noqa: PLC0415

    with open_dask(name.partition("=")[2].strip() or None, jobs) as engine:
        yield engine


def available_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
