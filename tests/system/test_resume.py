"""A run that is interrupted, then killed, then goes on: the same bytes, and true statuses."""

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from fresh_process import COMMAND, Spine, environment, tms_response

pytestmark = pytest.mark.system

# As the quick configuration of these tests, but with fits enough to be interrupted between.
STEADY = """
secondary_outcomes = []
[validation]
minimum_sites = 20
folds = 5
repeats = 2
inner_folds = 4
bootstraps = 100
[stability]
replicates = 10
[boosting]
bag_repeats = 2
tree_counts = [10, 40]
num_leaves = [2, 4]
min_patients_a_leaf = [20]
penalties = [0.03]
"""
SECONDS = 120


@pytest.fixture(scope="module")
def folder(spine: Spine) -> Path:
    """Where all commands run; the cohort of the other tests is in it."""
    (spine.folder / "steady.toml").write_text(STEADY, encoding="utf-8")
    return spine.folder


def kept_fits(folder: Path) -> int:
    return len(list((folder / "disturbed" / "work" / "validating").glob("*.npz")))


def stopped(folder: Path, number: int, *options: str) -> tuple[int, str]:
    """Train, send a signal once three more fits are kept, and return exit code and stderr."""
    wanted = kept_fits(folder) + 3
    process = subprocess.Popen(
        [COMMAND, "train", "cohort", "--config", "steady.toml", "--out", "disturbed", *options],
        cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + SECONDS
    while kept_fits(folder) < wanted and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to the workers too
    else:
        os.kill(process.pid, number)
    _, said = process.communicate(timeout=SECONDS)
    return process.returncode, said


def status(folder: Path) -> str:
    with sqlite3.connect(folder / "mlflow.db") as database:
        [[found]] = database.execute("select status from runs where name = 'disturbed'").fetchall()
    return str(found)


def content(run: Path) -> dict[str, bytes]:
    """Return what a run leaves, but for what says when and where it was made."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name not in {"run.json", "report.html"}
    }


def test_an_interrupted_and_killed_run_gives_the_bytes_of_an_undisturbed_one(
    folder: Path,
) -> None:
    code, said = stopped(folder, signal.SIGINT)
    assert (code, status(folder)) == (130, "KILLED"), said
    assert "go on with --resume" in said
    assert "Traceback" not in said

    code, said = stopped(folder, signal.SIGKILL, "--resume")
    assert code == -signal.SIGKILL, said
    until = time.monotonic() + SECONDS
    while status(folder) == "RUNNING" and time.monotonic() < until:
        time.sleep(0.2)
    assert status(folder) == "KILLED"
    assert 6 <= kept_fits(folder) < 50
    assert not (folder / "disturbed" / "evaluation.csv").exists()

    options = ("cohort", "--config", "steady.toml", "--out")
    tms_response("train", *options, "disturbed", "--resume", cwd=folder)
    assert status(folder) == "FINISHED"
    tms_response("train", *options, "undisturbed", cwd=folder)
    disturbed = content(folder / "disturbed")
    assert disturbed == content(folder / "undisturbed")
    assert {"evaluation.csv", "out_of_fold.csv", "model/model.json"} <= disturbed.keys()


def test_what_cannot_go_on_is_refused_with_a_sentence(folder: Path, spine: Spine) -> None:
    for options, said in (
        (("--resume",), "there is no interrupted run of this cohort"),
        (("--resume", "--out", spine.run.name), "is finished; there is nothing to resume"),
    ):
        done = tms_response("train", "cohort", *options, cwd=folder, code=2)
        assert said in done.stderr
