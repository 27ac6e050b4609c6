"""Tasks in this process and in several: same results, sentences for what goes wrong."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine_tasks import Shared, killed, n_threads, refused, summed

from data_schemas.errors import DataError, ServiceError, UsageError
from training.engine.engines import LocalEngine, check_engine_name, open_engine
from training.engine.stage import run_stage

SHARED = Shared(np.random.default_rng(0).normal(size=500))


def test_results_do_not_depend_on_the_processes() -> None:
    one, two = (run_stage(LocalEngine(n), None, "s", summed, SHARED, range(9)) for n in (1, 2))
    assert [str(result["text"]) for result in two] == [f"task {number}" for number in range(9)]
    for left, right in zip(one, two, strict=True):
        assert left.keys() == right.keys()
        assert all(left[name].tobytes() == right[name].tobytes() for name in left)


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    shared = Shared(SHARED.values, tmp_path, seconds=0.05)
    list(LocalEngine(2).run(summed, shared, range(8)))
    ran_in = {path.name.partition("-")[2] for path in tmp_path.iterdir()}
    assert len(ran_in) == 2
    assert str(os.getpid()) not in ran_in


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_task_has_one_thread(n_jobs: int) -> None:
    results = [result for _, result in LocalEngine(n_jobs).run(n_threads, SHARED, range(2))]
    assert results == [{"threads": 1}] * 2


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_of_ours_passes_through(n_jobs: int) -> None:
    with pytest.raises(DataError, match="A sentence"):
        list(LocalEngine(n_jobs).run(refused, None, range(6)))


def test_a_process_that_is_killed_is_a_sentence() -> None:
    with pytest.raises(ServiceError, match="run again with --resume"):
        list(LocalEngine(2).run(killed, None, range(4)))
    assert len(list(LocalEngine(2).run(summed, SHARED, range(4)))) == 4


def test_no_process_outlives_one_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:2]\n"
        "import os, signal, numpy as np\n"
        "from pathlib import Path\n"
        "from engine_tasks import Shared, summed\n"
        "from training.engine.engines import LocalEngine\n"
        "shared = Shared(np.ones(5), Path(sys.argv[2]), seconds=0.2)\n"
        "for _ in LocalEngine(2).run(summed, shared, range(99)): os.kill(os.getpid(), 9)\n"
    )
    folder = str(Path(__file__).parents[2])
    # The end of the pipe is reached only when nobody is left who could write to it.
    done = subprocess.run(
        [sys.executable, "-c", code, folder, str(tmp_path)],
        stdout=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) < 30


@pytest.mark.parametrize("name", ["local", "dask", "dask=tcp://10.0.0.5:8786"])
def test_engines_have_names(name: str) -> None:
    assert check_engine_name(name) == name


@pytest.mark.parametrize("name", ["", "ray", "local=", "local=2", "dask=", "dask= ", "Dask"])
def test_other_names_are_refused_with_those_allowed(name: str) -> None:
    with pytest.raises(UsageError, match="dask=ADDRESS"):
        check_engine_name(name)
    with pytest.raises(UsageError), open_engine(name):
        pytest.fail("opened")


def test_the_local_engine_takes_the_cores_of_this_process() -> None:
    with open_engine() as engine, open_engine("local", 3) as three:
        assert isinstance(engine, LocalEngine)
        assert isinstance(three, LocalEngine)
        assert (engine.n_jobs, three.n_jobs) == (len(os.sched_getaffinity(0)), 3)
