"""One patient with contributions over HTTP: ours beside what a user would pick instead.

Every server answers with the same boosters, one after the other on the same cores, asked by the
same client on those cores. Ours also validates a patient, computes the features from him, adds the
stability interval and the notices; the others get the features themselves.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.http_load import Load, ask, post
from benchmarks.processes import cpu_seconds, resident_megabytes, wait_until_idle
from benchmarks.reporting import machine, table, write_section
from benchmarks.serving_servers import (
    BATCH,
    BIN,
    EMPTY,
    OURS,
    RECORDED,
    Server,
    running,
    servers,
    write_peer,
)
from serving.predictor import ResponsePredictor

CLIENTS = (1, 8, 32)
CLIENTS_OF_TWO = (8, 32)
LARGEST_BATCH = 1_000
# What stands in the first table as a ceiling alone.
NO_CHOICE = (EMPTY, RECORDED)


@dataclass(frozen=True)
class Measured:
    """One server: seconds until its first answer, resident memory, loads by number of clients.

    CPU time is a request's, by number of clients; `loads_of_two` are those of two workers.
    """

    ready_seconds: float
    megabytes: float
    loads: dict[int, Load]
    cpu_ms: dict[int, float]
    batches_a_second: float
    loads_of_two: dict[int, Load]
    beside_batches: Load | None = None


def trained(folder: Path) -> Path:
    """Train the default model on the default simulated cohort, as `make train` does."""
    tracking = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    for arguments in (["simulate", "cohort"], ["train", "cohort", "--out", "run"]):
        command = [str(BIN / "tms-response"), *arguments]
        subprocess.run(
            command, cwd=folder, env=os.environ | tracking, check=True, capture_output=True
        )
    return folder / "run" / "model"


def measure(server: Server, port: int, folder: Path, seconds: float) -> Measured:
    """Start one server and ask it with 1, 8 and 32 clients, then for batches."""
    one, many = (
        post(path, json.dumps(content).encode(), *server.headers)
        for path, content in (server.single, server.batch)
    )
    loads, cpu_ms = {}, {}
    with running(server, port, folder) as (ready, process):
        for n in CLIENTS:
            before = cpu_seconds(process.pid)
            loads[n] = ask(port, one, n_clients=n, seconds=seconds)
            cpu_ms[n] = 1000 * (cpu_seconds(process.pid) - before) / loads[n].requests
        megabytes = resident_megabytes(process.pid)
        batches = ask(port, many, n_clients=1, seconds=seconds).requests_a_second
        beside = asked_beside_batches(server, port, one, seconds) if server.name == OURS else None
    of_two = {} if server.name in NO_CHOICE else measure_two(server, port, folder, one, seconds)
    return Measured(ready, megabytes, loads, cpu_ms, batches, of_two, beside)


def measure_two(
    server: Server, port: int, folder: Path, one: bytes, seconds: float
) -> dict[int, Load]:
    """Start one server with two workers, and ask it with 8 and 32 clients."""
    with running(server, port, folder, workers=2) as (_, process):
        # One of the two may answer before the other.
        wait_until_idle(process.pid)
        return {n: ask(port, one, n_clients=n, seconds=seconds) for n in CLIENTS_OF_TWO}


def asked_beside_batches(server: Server, port: int, one: bytes, seconds: float) -> Load:
    """Ask for one patient at a time while another client asks for the largest batches."""
    path, content = server.batch
    assert isinstance(content, list)
    records = content * (LARGEST_BATCH // len(content))
    batch = post(path, json.dumps(records).encode(), *server.headers)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(ask, port, batch, n_clients=1, seconds=2 * seconds)
        time.sleep(seconds / 2)
        load = ask(port, one, n_clients=1, seconds=seconds)
        other.result()
    return load


def report(measured: dict[str, list[Measured]], seconds: float, model: Path) -> None:
    """Write the medians over rounds, and ratios to ours."""
    beside = [each.beside_batches for each in measured[OURS] if each.beside_batches]
    p50, p99 = median(each.p50_ms for each in beside), median(each.p99_ms for each in beside)
    write_section(
        "serving",
        "One patient a request, with contributions",
        f"Requests a second; medians of {len(beside)} rounds of {seconds:g} s, each server in "
        "turn, one worker process each, client and server on the same cores. CPU time is what all "
        "processes of a server compute, system calls too, for a request. While another client "
        f"asks ours for batches of {LARGEST_BATCH:,}, one patient at a time takes {p50:.1f} ms "
        f"(median) and {p99:.1f} ms (p99). {size_of(model)}",
        machine("bentoml", "fastapi", "mlflow", "lightgbm", "shap", "uvicorn"),
        one_worker(measured),
        "The same with two worker processes each, by a plain option of each server:",
        two_workers(measured),
    )


def size_of(model: Path) -> str:
    """Say how large the served model is."""
    document = ResponsePredictor.load(model).document
    assert document.booster is not None
    return (
        f"The model, on which the peers' times depend, has {document.booster.n_bags} bags of "
        f"{document.booster.trees_per_bag} trees and {len(document.features)} features."
    )


def one_worker(measured: dict[str, list[Measured]]) -> str:
    """Return the table of servers with one worker process each."""

    def per_second(name: str, n: int) -> float:
        return median(each.loads[n].requests_a_second for each in measured[name])

    header = [
        "", *(f"{n} client{'s' if n > 1 else ''}" for n in CLIENTS), "ours is times (8 clients)",
        "CPU ms a request (8 clients)", "p50 ms, 1 client", "p99 ms, 1 client",
        f"patients a second, {BATCH} a request", "ready, s", "MB",
    ]  # fmt: skip
    rows = [
        [
            name,
            *(f"{per_second(name, n):,.0f}" for n in CLIENTS),
            f"{per_second(OURS, 8) / per_second(name, 8):.1f}",
            f"{median(each.cpu_ms[8] for each in rounds):.2f}",
            f"{median(each.loads[1].p50_ms for each in rounds):.2f}",
            f"{median(each.loads[1].p99_ms for each in rounds):.2f}",
            f"{BATCH * median(each.batches_a_second for each in rounds):,.0f}",
            f"{median(each.ready_seconds for each in rounds):.1f}",
            f"{median(each.megabytes for each in rounds):.0f}",
        ]
        for name, rounds in measured.items()
    ]
    return table(header, rows)


def two_workers(measured: dict[str, list[Measured]]) -> str:
    """Return the table of servers with two worker processes each."""

    def per_second(name: str, n: int) -> float:
        return median(each.loads_of_two[n].requests_a_second for each in measured[name])

    header = ["", *(f"{n} clients" for n in CLIENTS_OF_TWO)]
    header += [f"ours is times ({n} clients)" for n in CLIENTS_OF_TWO]
    rows = [
        [
            name,
            *(f"{per_second(name, n):,.0f}" for n in CLIENTS_OF_TWO),
            *(f"{per_second(OURS, n) / per_second(name, n):.1f}" for n in CLIENTS_OF_TWO),
        ]
        for name in measured
        if name not in NO_CHOICE
    ]
    return table(header, rows)


def median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a model folder; else one is trained")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--port", type=int, default=3917)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given.model.resolve() if given.model else trained(folder)
        write_peer(model, folder)
        everyone = servers(model, folder, given.port)
        measured: dict[str, list[Measured]] = {server.name: [] for server in everyone}
        for _ in range(given.rounds):
            for server in everyone:
                measured[server.name].append(measure(server, given.port, folder, given.seconds))
                print(server.name, measured[server.name][-1], file=sys.stderr, flush=True)
        report(measured, given.seconds, model)


if __name__ == "__main__":
    main()
