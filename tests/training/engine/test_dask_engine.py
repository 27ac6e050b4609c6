"""Dask: the same numbers, nothing lost with a worker, data sent once, sentences."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from engine_tasks import (
    PickleCounter,
    Shared,
    failed,
    killed,
    n_threads,
    nothing,
    process_number,
    refused,
    summed,
)

from data_schemas.errors import ConfigurationError, DataError, ServiceError
from training.engine import dask_engine
from training.engine.dask_engine import DaskEngine
from training.engine.engines import LocalEngine, open_engine
from training.engine.stage import run_stage

SHARED = Shared(np.random.default_rng(0).normal(size=500))


@pytest.fixture(scope="module")
def dask() -> Iterator[DaskEngine]:
    with open_engine("dask", 2) as engine:
        assert isinstance(engine, DaskEngine)
        yield engine


def scheduler_address(engine: DaskEngine) -> str:
    return str(engine.client.scheduler_info(n_workers=0)["address"])


def worker_processes(engine: DaskEngine) -> list[int]:
    return list(engine.client.run(os.getpid).values())


def test_numbers_are_those_of_the_local_engine(dask: DaskEngine) -> None:
    here = run_stage(LocalEngine(), None, "s", summed, SHARED, range(12))
    there = run_stage(dask, None, "s", summed, SHARED, range(12))
    for left, right in zip(here, there, strict=True):
        assert left.keys() == right.keys()
        assert all(left[name].tobytes() == right[name].tobytes() for name in left)


def test_it_listens_to_this_machine_only(dask: DaskEngine) -> None:
    assert scheduler_address(dask).startswith("tcp://127.0.0.1:")
    workers = dask.client.scheduler_info(n_workers=-1)["workers"]
    assert len(workers) == 2
    assert all(address.startswith("tcp://127.0.0.1:") for address in workers)
    assert {worker["nthreads"] for worker in workers.values()} == {1}


def test_data_leave_this_process_once(dask: DaskEngine) -> None:
    PickleCounter.pickled = 0
    assert len(list(dask.run(nothing, PickleCounter(), range(40)))) == 40
    assert PickleCounter.pickled == 1


def test_a_task_has_one_thread(dask: DaskEngine) -> None:
    results = [result for _, result in dask.run(n_threads, None, range(3))]
    assert results == [{"threads": 1}] * 3


@pytest.mark.parametrize("n_killed", [1, 2])
def test_workers_that_are_killed_lose_nothing(dask: DaskEngine, n_killed: int) -> None:
    # Two of two: with them die the only copies of the data.
    shared = Shared(SHARED.values, seconds=0.1)
    finished: dict[int, Any] = {}
    for place, result in dask.run(summed, shared, range(14)):
        finished[place] = result
        if len(finished) == 3:
            for process in worker_processes(dask)[:n_killed]:
                os.kill(process, signal.SIGKILL)
    expected = dict(LocalEngine().run(summed, SHARED, range(14)))
    assert finished.keys() == expected.keys()
    assert all(finished[place]["mean"] == expected[place]["mean"] for place in expected)


def test_a_task_that_kills_its_workers_is_given_up(
    dask: DaskEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "FRUITLESS_ROUNDS", 1)
    with pytest.raises(ServiceError, match="its workers die again and again"):
        list(dask.run(killed, None, [2]))
    assert len(list(dask.run(summed, SHARED, range(4)))) == 4


def test_an_error_of_ours_passes_through(dask: DaskEngine) -> None:
    with pytest.raises(DataError, match="A sentence"):
        list(dask.run(refused, None, range(6)))


def test_a_fault_is_raised_here_and_logged_nowhere(
    dask: DaskEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="Q7-planted-value") as caught:
        list(dask.run(failed, None, range(2)))
    assert "in failed" in "".join(caught.value.__notes__)
    logs = str(dask.client.get_worker_logs())
    assert "planted" not in logs + "".join(capfd.readouterr())


def test_who_stops_reading_leaves_nothing_behind(dask: DaskEngine) -> None:
    shared = Shared(SHARED.values, seconds=0.1)
    running = dask.run(summed, shared, range(50))
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert len(list(dask.run(summed, SHARED, range(4)))) == 4


def test_a_running_cluster_is_used_by_its_address(dask: DaskEngine) -> None:
    with open_engine(f"dask={scheduler_address(dask)}") as engine:
        results = run_stage(engine, None, "s", summed, SHARED, range(3))
    assert [str(result["text"]) for result in results] == ["task 0", "task 1", "task 2"]
    assert len(list(dask.run(summed, SHARED, range(3)))) == 3


def test_workers_with_another_program_are_refused(
    dask: DaskEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "program_digest", process_number)
    with (
        pytest.raises(ServiceError, match="run another program"),
        open_engine(f"dask={scheduler_address(dask)}"),
    ):
        pytest.fail("opened")


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("cluster", ConfigurationError, "is not the address"),
        ("ftp://10.0.0.5:8786", ConfigurationError, "is not the address"),
        ("10.0.0.5:99999", ConfigurationError, "is not the address"),
        ("tls://127.0.0.1:8786", ConfigurationError, "names no certificates"),
        ("tcp://127.0.0.1:1", ServiceError, "No Dask scheduler answers"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_sentence(
    address: str, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "SECONDS_TO_CONNECT", 1)
    with pytest.raises(error, match=said), open_engine(f"dask={address}"):
        pytest.fail("opened")


def test_without_dask_a_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from training.engine.engines import open_engine\n"
        "with open_engine('dask', 1): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigurationError: The engine 'dask' needs Dask" in done.stderr


def test_the_local_engine_does_not_load_dask() -> None:
    code = (
        "import sys; from training.engine.engines import open_engine\n"
        "with open_engine('local', 1): print({'dask', 'distributed'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
