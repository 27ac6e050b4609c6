"""The engine that runs tasks on a Dask cluster: one that is running, or one of this machine."""

import logging
import re
import signal
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any, Final

from threadpoolctl import threadpool_limits

from data_schemas.errors import ConfigurationError, ServiceError
from training.engine.engines import Finished, Shared, Task, TaskFunction, Value
from training.engine.program import program_digest

try:
    import dask
    from distributed import (
        Client,
        Future,
        KilledWorker,
        LocalCluster,
        Security,
        Worker,
        WorkerPlugin,
        as_completed,
    )
except ModuleNotFoundError:
    raise ConfigurationError(
        "The engine 'dask' needs Dask, which is not installed; install the extra 'dask' of "
        "tms-response, or use --engine local."
    ) from None

SECONDS_TO_CONNECT: Final = 10
# Rounds in which not one task was finished, each ended by the loss of the data or of workers.
FRUITLESS_ROUNDS: Final = 3
# Enough that no worker waits for its next task.
_AHEAD: Final = 8
_FEWEST_AHEAD: Final = 64
_ADDRESS: Final = re.compile(r"((tcp|tls)://)?(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}")
_LAST_PORT: Final = 65535
_LOST: Final = (CancelledError, KilledWorker, OSError, TimeoutError)


@dataclass(frozen=True)
class _Failure:
    """What a task raised. An exception that reached Dask would be logged with its message."""

    error: Exception


class DaskEngine:
    """Runs tasks on the workers of a Dask cluster.

    What all tasks need is sent once to each worker, and again only where it was lost: Dask itself
    starts the tasks of a dead worker anew, but cannot restore data that only dead workers held.

    Parameters
    ----------
    client : distributed.Client
        Of a cluster whose workers run this very program.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    def run(
        self, function: TaskFunction[Shared, Task], shared: Shared, tasks: Sequence[Task]
    ) -> Iterator[Finished]:
        """Yield each task's place and its result; see `training.engine.engines.Engine.run`.

        Raises
        ------
        ServiceError
            When the cluster is gone, or its workers die again and again.
        """
        remaining = dict(enumerate(tasks))
        fruitless = 0
        while remaining:
            before = len(remaining)
            for place, result in self._round(function, shared, remaining.copy()):
                del remaining[place]
                yield place, result
            fruitless = fruitless + 1 if len(remaining) == before else 0
            if fruitless == FRUITLESS_ROUNDS:
                raise ServiceError(
                    "The Dask cluster is gone, or its workers die again and again, most often "
                    "because memory ran out. What is finished is kept: run again with --resume."
                )

    def _round(
        self, function: TaskFunction[Shared, Task], shared: Shared, tasks: Mapping[int, Task]
    ) -> Iterator[Finished]:
        """Yield what is finished before the data, or all workers, are lost.

        A few tasks a worker are submitted ahead, so that memory does not grow with their number.
        """
        waiting, futures = iter(tasks.items()), dict[Future[Any], int]()
        try:
            self.client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
            data = self.client.scatter(shared, broadcast=True, hash=False)
            ahead = max(_FEWEST_AHEAD, _AHEAD * sum(self.client.nthreads().values()))
            futures |= self._submitted(function, data, islice(waiting, ahead))
        except _LOST:
            return
        completed = as_completed(list(futures))
        try:
            for future in completed:
                try:
                    outcome = future.result()
                    new = self._submitted(function, data, islice(waiting, 1))
                except _LOST:
                    continue
                if isinstance(outcome, _Failure):
                    raise outcome.error
                futures |= new
                completed.update(list(new))
                yield futures.pop(future), outcome
        finally:
            with suppress(*_LOST):
                self.client.cancel(list(futures))

    def _submitted(
        self,
        function: TaskFunction[Shared, Task],
        data: Future[Any],
        tasks: Iterable[tuple[int, Task]],
    ) -> dict[Future[Any], int]:
        """Hand tasks to the cluster; return each one's future and its place."""
        return {
            self.client.submit(_outcome, function, data, task, pure=False): place
            for place, task in tasks
        }


def _outcome(
    function: TaskFunction[Shared, Task], shared: Shared, task: Task
) -> Mapping[str, Value] | _Failure:
    """Run one task on a worker."""
    _use_one_thread()
    try:
        return function(shared, task)
    except Exception as error:  # noqa: BLE001
        error.add_note(traceback.format_exc())
        return _Failure(error)


@cache
def _use_one_thread() -> None:
    # Once and for good: a worker may run several tasks side by side, in threads.
    threadpool_limits(1)


class _Uninterrupted(WorkerPlugin):
    """Ctrl-C reaches all processes of a terminal; the one that asked alone says what follows."""

    def setup(self, worker: Worker) -> None:  # noqa: ARG002
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def open_dask(address: str | None, n_workers: int) -> Iterator[DaskEngine]:
    """Connect to a Dask cluster, or start one on this machine for as long as the context lasts.

    Parameters
    ----------
    address : str or None
        Of a scheduler, such as `tcp://10.0.0.5:8786`; None starts a cluster that listens to this
        machine only.
    n_workers : int
        Processes of a cluster that is started.

    Raises
    ------
    ConfigurationError
        When the address is none.
    ServiceError
        When nobody answers there, there are no workers, or they run another program.
    """
    with ExitStack() as stack:
        stack.enter_context(_quiet_dask())
        if address is None:
            # A worker that has its next task already keeps it from one that is idle at the end.
            stack.enter_context(dask.config.set({"distributed.scheduler.worker-saturation": 1.0}))
            client = stack.enter_context(Client(_local_cluster(n_workers, stack)))
            client.register_plugin(_Uninterrupted())
        else:
            client = stack.enter_context(_connected(address))
            _check_workers(client, address)
        yield DaskEngine(client)


@contextmanager
def _quiet_dask() -> Iterator[None]:
    """Silence Dask's remarks on workers that come and go; what matters becomes an error of ours."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _local_cluster(n_workers: int, stack: ExitStack) -> LocalCluster:
    folder = TemporaryDirectory(prefix="tms-response-", ignore_cleanup_errors=True)
    cluster: LocalCluster = LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        host="127.0.0.1",
        # No dashboard; the address is that of the scheduler's own HTTP server, on any free port.
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        # With a limit, Dask would write patients' data to disk before it is reached.
        memory_limit=0,
        local_directory=stack.enter_context(folder),
        silence_logs=logging.CRITICAL,
    )
    stack.enter_context(cluster)
    return cluster


def _connected(address: str) -> Client:
    # Beforehand: a client that cannot be made stays half made, and holds up the program.
    if not _ADDRESS.fullmatch(address) or int(address.rpartition(":")[2]) > _LAST_PORT:
        raise ConfigurationError(
            f"'{address}' is not the address of a Dask scheduler; it looks like "
            "tcp://10.0.0.5:8786."
        )
    if address.startswith("tls") and not Security().get_connection_args("client")["ssl_context"]:
        raise ConfigurationError(
            f"{address} is encrypted, and Dask's own configuration names no certificates; set "
            "distributed.comm.tls there."
        )
    try:
        return Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, TimeoutError):
        raise ServiceError(
            f"No Dask scheduler answers at {address}; start one with `dask scheduler`, or give "
            "--engine dask=ADDRESS the address that it prints."
        ) from None


def _check_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
        found = client.run(program_digest)
    except TimeoutError:
        raise ServiceError(
            f"The Dask scheduler at {address} has no workers; start some with "
            f"`dask worker {address}`."
        ) from None
    except ImportError:
        raise ServiceError(
            f"The workers of the Dask cluster at {address} have no tms-response; install the same "
            "version there, with the extra 'train'."
        ) from None
    if set(found.values()) != {program_digest()}:
        raise ServiceError(
            f"Workers of the Dask cluster at {address} run another program or other versions of "
            "its libraries, so that their numbers could differ. Install the same there, and "
            "restart them."
        )
