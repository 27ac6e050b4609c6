"""The command line and the service in processes of their own, for the system tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx

COMMAND = Path(sys.executable).with_name("tms-response")
SECONDS_TO_START = 90
# Single patients held out: a few sites are too few to see across them in so small a cohort.
QUICK_CONFIG = """
[validation]
minimum_sites = 20
folds = 3
repeats = 1
inner_folds = 3
bootstraps = 100
[boosting]
bag_repeats = 1
tree_counts = [10, 30]
num_leaves = [4]
min_patients_a_leaf = [20]
penalties = [0.03]
[stability]
replicates = 5
[course]
landmark_weeks = [1, 3]
[burden]
rescoring_week = 3
"""


def environment() -> dict[str, str]:
    """Return this process's environment without what would point elsewhere."""
    ours = ("MLFLOW_", "TMS_RESPONSE_", "BENTOML_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def tms_response(
    *arguments: object,
    cwd: Path,
    code: int | None = 0,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> "subprocess.CompletedProcess[str]":
    """Run `tms-response` with these arguments in `cwd`, and expect this exit code, or any."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd, env={**environment(), **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert code in {None, done.returncode}, done.stderr
    return done


@dataclass(frozen=True)
class Spine:
    """What the way from a cohort to a registered model leaves behind.

    Attributes
    ----------
    folder : Path
        Working directory of every command; MLflow's store is in it.
    cohort, run : Path
        The simulated cohort and the finished run.
    said : str
        What `train` printed.
    """

    folder: Path
    cohort: Path
    run: Path
    said: str


@dataclass(frozen=True)
class Service:
    """A running service: how to ask it, where it listens and where it logs."""

    client: httpx.Client
    port: int
    log: Path


@contextmanager
def served(
    model: str, cwd: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Service]:
    """Serve a model on a free port of this machine, as long as the context lasts."""
    port = free_port()
    log = cwd / f"service-{port}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [COMMAND, "serve", "--model", model, "--port", str(port), "--no-access"],
            cwd=cwd, env={**environment(), **settings}, stdout=stream, stderr=stream,
        )  # fmt: skip
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            _wait_until_ready(client, process, log)
            yield Service(client, port, log)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(SECONDS_TO_START * 4):
        assert process.poll() is None, log.read_text("utf-8")
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"not ready within {SECONDS_TO_START} s:\n{log.read_text('utf-8')}")
