"""Folders of runs: made once, found again where they were interrupted, held by one process."""

import multiprocessing
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cohort_tables import quick_config

from data_schemas.errors import UsageError
from training.config import TrainingConfig
from training.tracking.run_folder import (
    is_finished,
    locked,
    new_folder,
    run_of,
    unfinished_folder,
    write_run_file,
)

NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
CONFIG = quick_config()


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def begun(
    name: str, started: str, *, cohort: str = "cohort", config: TrainingConfig = CONFIG,
    finished: bool = False, worked: bool = True,
) -> Path:  # fmt: skip
    """Leave the folder of a run as training leaves it."""
    folder = Path("runs", name)
    folder.mkdir(parents=True)
    ended = {"finished": started} if finished else {}
    write_run_file(folder, {"started": started, **run_of(Path(cohort), config), **ended})
    if worked:
        (folder / "work").mkdir()
    return folder


def test_a_new_folder_is_named_by_its_time() -> None:
    assert new_folder(None, NOW) == Path("runs/20261122T213000Z")
    assert new_folder(Path("a/b"), NOW).is_dir()


def test_a_folder_with_a_run_or_a_file_is_not_overwritten() -> None:
    Path("file").touch()
    for out in (begun("a", "1", finished=True), Path("file")):
        with pytest.raises(UsageError, match="exists already"):
            new_folder(out, NOW)
    with pytest.raises(UsageError, match="was interrupted; go on with it by --resume"):
        new_folder(begun("b", "1"), NOW)
    assert new_folder(begun("failed-early", "1", worked=False), NOW).is_dir()


def test_the_newest_unfinished_run_of_the_cohort_and_configuration_is_found() -> None:
    begun("other-cohort", "5", cohort="elsewhere")
    begun("other-configuration", "4", config=quick_config(seed=8))
    begun("finished", "3", finished=True)
    newest = begun("b", "2", worked=False)
    begun("a", "1")
    assert unfinished_folder(None, Path("cohort"), CONFIG) == newest
    assert unfinished_folder(Path("runs/a"), Path("../" + Path.cwd().name + "/cohort"), CONFIG)


def test_what_cannot_be_resumed_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="there is no interrupted run of this cohort"):
        unfinished_folder(None, Path("cohort"), CONFIG)
    for out, said in (
        (Path("nowhere"), "holds no run to go on with"),
        (begun("a", "1", finished=True), "is finished; there is nothing to resume"),
        (begun("b", "1", cohort="elsewhere"), "another cohort or with another configuration"),
        (begun("c", "1", config=quick_config(seed=8)), "another cohort or with another"),
    ):
        with pytest.raises(UsageError, match=said):
            unfinished_folder(out, Path("cohort"), CONFIG)


def test_a_run_file_that_cannot_be_read_is_that_of_no_finished_run() -> None:
    folder = begun("a", "1", finished=True)
    assert is_finished(folder)
    (folder / "run.json").write_text("{", encoding="utf-8")
    assert not is_finished(folder)


def _hold(folder: Path) -> None:
    with locked(folder):
        (folder / "held").touch()
        time.sleep(60)


def test_one_process_holds_a_folder_until_it_ends_or_dies() -> None:
    folder = begun("a", "1")
    with locked(folder), pytest.raises(UsageError, match="Another process"), locked(folder):
        pytest.fail("held twice")
    with locked(folder):
        pass
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(folder,))
    other.start()
    while not (folder / "held").exists():
        time.sleep(0.02)
    with pytest.raises(UsageError, match="Another process"), locked(folder, seconds=0.2):
        pytest.fail("held twice")
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    with locked(folder, seconds=10):
        other.join()
