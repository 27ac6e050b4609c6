"""The watcher: a run whose process vanished is KILLED, and nothing else is touched."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tracked_runs import quiet_mlflow

from training.config import load_config
from training.tracking.run_folder import locked, read_run_file
from training.tracking.store import open_client
from training.tracking.tracked_run import track_run
from training.tracking.watch import mark_killed, watched

SECONDS = 60

VANISHING = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from training.config import load_config
from training.tracking.tracked_run import track_run
folder = Path(sys.argv[1])
folder.mkdir()
with track_run(load_config(), folder, datetime.now(UTC)):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def _in_the_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    with quiet_mlflow():
        yield


def status(run_id: str) -> str:
    with sqlite3.connect("mlflow.db") as database:
        [[found]] = database.execute("select status from runs where run_uuid = ?", (run_id,))
    return str(found)


def test_a_run_whose_process_was_killed_is_marked_and_can_go_on() -> None:
    folder = Path("run")
    done = subprocess.run([sys.executable, "-c", VANISHING, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    begun = read_run_file(folder)
    run_id = str(begun["mlflow_run"])
    until = time.monotonic() + SECONDS
    while status(run_id) == "RUNNING" and time.monotonic() < until:
        time.sleep(0.2)
    assert status(run_id) == "KILLED"
    with track_run(load_config(), folder, datetime.now(UTC), resume=True) as tracked:
        assert tracked.run_id == run_id
        assert read_run_file(folder) == begun
        assert status(run_id) == "RUNNING"
    assert status(run_id) == "FINISHED"
    assert "resumed" in open_client().get_run(run_id).data.tags


def test_a_run_that_mlflow_has_lost_goes_on_as_a_new_one_that_names_it(tmp_path: Path) -> None:
    with track_run(load_config(), tmp_path, datetime.now(UTC)) as first:
        pass
    open_client().delete_run(first.run_id)
    with track_run(load_config(), tmp_path, datetime.now(UTC), resume=True) as second:
        pass
    assert second.run_id != first.run_id
    assert open_client().get_run(second.run_id).data.tags["resumed_from"] == first.run_id


def test_only_a_running_run_that_nobody_holds_is_marked(tmp_path: Path) -> None:
    client = open_client()
    run_id = client.create_run(client.create_experiment("e")).info.run_id
    with locked(tmp_path):
        mark_killed(run_id, tmp_path)
    assert status(run_id) == "RUNNING"
    client.set_terminated(run_id, "FAILED")
    mark_killed(run_id, tmp_path)
    assert status(run_id) == "FAILED"
    client.update_run(run_id, status="RUNNING")
    mark_killed(run_id, tmp_path)
    assert status(run_id) == "KILLED"


def processes_with(arguments: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            if arguments in (process / "cmdline").read_bytes():
                found.append(process.name)
    return found


def test_a_watcher_is_small_and_leaves_with_the_run(tmp_path: Path) -> None:
    with watched("0" * 32, tmp_path):
        # A process that was just started may not have its arguments yet.
        until, found = time.monotonic() + 30, list[str]()
        while not found and time.monotonic() < until:
            found = processes_with(b"training.tracking.watch\x00" + b"0" * 32)
        [watcher] = found
        assert os.getsid(int(watcher)) == int(watcher)
        time.sleep(1.0)
        pages = int(Path(f"/proc/{watcher}/statm").read_text().split()[1])
        assert pages * os.sysconf("SC_PAGE_SIZE") < 30 * 2**20
    assert not Path(f"/proc/{watcher}").exists()
