"""One patient with contributions over HTTP: ours beside what a user would pick instead.

Every server answers with the same boosters, one after the other on the same cores, asked by the
same client on those cores. Ours also validates a patient, computes the features from him, adds the
stability interval and the notices; the others get the features themselves.
"""

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import orjson

from benchmarks.http_load import Load, ask, post
from benchmarks.reporting import machine, table, write_section
from benchmarks.serving_peers import FOLDER, save_mlflow, write_bento
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from serving.answer_content import to_json
from serving.predictor import ResponsePredictor
from serving.settings import (
    KEY_VARIABLE,
    KEYS_VARIABLE,
    LEDGER_VARIABLE,
    NO_LEDGER,
    RATE_VARIABLE,
)
from training.simulator.draw import draw_patients
from training.simulator.patients import to_patients

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[1]
CLIENTS = (1, 8, 32)
BATCH = 100
LARGEST_BATCH = 1_000
EMPTY = "an ASGI app that does nothing"
RECORDED = "the same, with our ledger"
OURS, UNRECORDED = "ours: access, validation, ledger", "ours without ledger"
MLFLOW, TENSOR = "`mlflow models serve`", "`mlflow models serve`, tensor signature"
PEOPLE, ENGINEER = "FastAPI, pandas, `shap.TreeExplainer`", "FastAPI, numpy, `pred_contrib`"
TYPED = "BentoML, typed endpoint, defaults"


@dataclass(frozen=True)
class Server:
    """How a server is started, and what it is asked."""

    name: str
    command: list[str]
    single: tuple[str, object]
    batch: tuple[str, object]
    environment: dict[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """One server: seconds until its first answer, resident memory, loads by number of clients."""

    ready_seconds: float
    megabytes: float
    loads: dict[int, Load]
    batches_a_second: float
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


def write_peer(model: Path, folder: Path) -> None:
    """Write the boosters of a model for its peers, and an answer that may be recorded."""
    predictor = ResponsePredictor.load(model)
    content, row = predictor.answer(Patient())
    kept = {
        "content": orjson.Fragment(to_json(content)),
        "row": row.tolist(),
        "names": predictor.feature_names,
    }
    (folder / "answer.json").write_bytes(orjson.dumps(kept))
    calibration = predictor.document.calibration
    described = {
        "names": [each.name for each in predictor.features],
        "slope": calibration.slope, "intercept": calibration.intercept,
    }  # fmt: skip
    (folder / "peer.json").write_text(json.dumps(described), "utf-8")
    (folder / "booster.txt").write_bytes((model / "booster.txt").read_bytes())


def servers(model: Path, folder: Path, port: int) -> list[Server]:
    """Return all servers; each listens on the port when it is started."""
    predictor = ResponsePredictor.load(model)
    patients = [
        patient.model_copy(update={"connectome": None})
        for patient in to_patients(draw_patients(400, "conservative", 11))
        if not predictor.predict(patient).abstained
    ][:BATCH]
    records = [json.loads(each.model_dump_json(exclude_none=True)) for each in patients]
    rows = [_named(predictor, each) for each in patients]
    values = [list(each.values()) for each in rows]
    at = ["--host", "127.0.0.1", "--port", str(port)]
    uvicorn = [str(BIN / "uvicorn"), "--log-level", "warning", "--no-access-log", *at]
    environment = {
        FOLDER: str(folder),
        "PYTHONPATH": str(ROOT),
        "BENTOML_DO_NOT_TRACK": "True",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }

    def mlflow(path: Path, singles: object, batch: object, name: str) -> Server:
        command = [str(BIN / "mlflow"), "models", "serve", "--env-manager", "local"]
        return Server(
            name, [*command, "--model-uri", str(path), *at],
            ("/invocations", {"inputs": singles}), ("/invocations", {"inputs": batch}), environment,
        )  # fmt: skip

    write_bento(folder)
    app = "benchmarks.serving_peers:"
    features = ("/predict", rows[0]), ("/predict_batch", rows)
    kept = environment | ledger_settings(folder / "floor.db")
    typed = ("/predict", {"record": rows[0]}), ("/predict_batch", {"records": rows})
    bento = [str(BIN / "bentoml"), "serve", "typed_peer:TypedPeer", "--working-dir", str(folder)]
    return [
        Server(EMPTY, [*uvicorn, f"{app}empty_app"], *features, environment),
        Server(RECORDED, [*uvicorn, "--factory", f"{app}recorded_app"], *features, kept),
        mlflow(save_mlflow(folder, tensor=False), rows[:1], rows, MLFLOW),
        mlflow(save_mlflow(folder, tensor=True), values[:1], values, TENSOR),
        Server(PEOPLE, [*uvicorn, "--factory", f"{app}pandas_app"], *features, environment),
        Server(ENGINEER, [*uvicorn, "--factory", f"{app}numpy_app"], *features, environment),
        Server(TYPED, [*bento, *at], *typed, environment),
        *ours(model, folder, at, records),
    ]


def ours(model: Path, folder: Path, at: list[str], records: list[object]) -> list[Server]:
    """Return our own service with access check, with the ledger and without it."""
    command = [str(BIN / "tms-response"), "serve", "--model", str(model), *at]
    settings = {KEYS_VARIABLE: str(folder / "keys.jsonl"), RATE_VARIABLE: "0"}
    made = subprocess.run(
        [str(BIN / "tms-response"), "key", "new", "--scope", "predict"],
        env=os.environ | settings, check=True, capture_output=True, text=True,
    )  # fmt: skip
    key = f"Authorization: Bearer {made.stdout.strip()}"
    ledgers = {
        OURS: ledger_settings(folder / "ledger.db"),
        UNRECORDED: {LEDGER_VARIABLE: NO_LEDGER},
    }
    return [
        Server(
            name, command, ("/predict", records[0]), ("/predict_batch", records),
            settings | ledger, (key,),
        )
        for name, ledger in ledgers.items()
    ]  # fmt: skip


def ledger_settings(file: Path) -> dict[str, str]:
    """Return what our ledger reads from the environment."""
    return {LEDGER_VARIABLE: f"sqlite:///{file}", KEY_VARIABLE: secrets.token_hex(32)}


def _named(predictor: ResponsePredictor, patient: Patient) -> dict[str, float | None]:
    row = patient_row(patient, predictor.features)
    return {
        feature.name: None if np.isnan(value) else float(value)
        for feature, value in zip(predictor.features, row, strict=True)
    }


@contextmanager
def running(
    server: Server, port: int, folder: Path
) -> Iterator[tuple[float, subprocess.Popen[bytes]]]:
    """Start a server, yield the seconds until its first answer and the process, and stop it."""
    path, content = server.single
    headers = dict(line.split(": ", 1) for line in server.headers)
    started = time.monotonic()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            server.command, cwd=folder, env=os.environ | server.environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        while True:
            try:
                answer = httpx.post(f"http://127.0.0.1:{port}{path}", json=content, headers=headers)
                answer.raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "server.log").read_text("utf-8")
                assert time.monotonic() - started < 120, f"{server.name} did not become ready"
                time.sleep(0.05)
        yield time.monotonic() - started, process
    finally:
        # MLflow and BentoML start others, which outlive them.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        wait_until_free(port)


def wait_until_free(port: int) -> None:
    """Wait until nobody listens on a port, so that the next server is not taken for the last."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    raise RuntimeError(f"port {port} is still in use")


def resident_megabytes(pid: int) -> float:
    """Return the memory of a process and of all its descendants that nobody else shares."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    own = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            own = int(line.split()[1])
    return own / 1024 + sum(resident_megabytes(int(child)) for child in children)


def measure(server: Server, port: int, folder: Path, seconds: float) -> Measured:
    """Start one server and ask it with 1, 8 and 32 clients, then for batches."""
    one, many = (
        post(path, json.dumps(content).encode(), *server.headers)
        for path, content in (server.single, server.batch)
    )
    with running(server, port, folder) as (ready, process):
        loads = {n: ask(port, one, n_clients=n, seconds=seconds) for n in CLIENTS}
        megabytes = resident_megabytes(process.pid)
        batches = ask(port, many, n_clients=1, seconds=seconds).requests_a_second
        beside = asked_beside_batches(server, port, one, seconds) if server.name == OURS else None
    return Measured(ready, megabytes, loads, batches, beside)


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


def report(measured: dict[str, list[Measured]], seconds: float) -> None:
    """Write the medians over rounds, and ratios to ours."""
    rows = []
    reference = median(measured[OURS], 8)
    for name, rounds in measured.items():
        per_second = [f"{median(rounds, n):,.0f}" for n in CLIENTS]
        p50, p99 = (
            np.median([getattr(each.loads[1], which) for each in rounds])
            for which in ("p50_ms", "p99_ms")
        )
        rows.append([
            name, *per_second, f"{reference / median(rounds, 8):.1f}", f"{p50:.2f}", f"{p99:.2f}",
            f"{BATCH * np.median([each.batches_a_second for each in rounds]):,.0f}",
            f"{np.median([each.ready_seconds for each in rounds]):.1f}",
            f"{np.median([each.megabytes for each in rounds]):.0f}",
        ])  # fmt: skip
    beside = [each.beside_batches for each in measured[OURS] if each.beside_batches]

    def beside_ms(which: str) -> float:
        return float(np.median([getattr(each, which) for each in beside]))

    header = [
        "", *(f"{n} client{'s' if n > 1 else ''}" for n in CLIENTS), "ours is times (8 clients)",
        "p50 ms, 1 client", "p99 ms, 1 client", f"patients a second, {BATCH} a request",
        "ready, s", "MB",
    ]  # fmt: skip
    write_section(
        "serving",
        "One patient a request, with contributions",
        f"Requests a second; medians of {len(measured[OURS])} rounds of {seconds:g} s, each server "
        "in turn, one worker process each, client and server on the same cores. While another "
        f"client asks ours for batches of {LARGEST_BATCH:,}, one patient at a time takes "
        f"{beside_ms('p50_ms'):.1f} ms (median) and {beside_ms('p99_ms'):.1f} ms (p99).",
        machine("bentoml", "fastapi", "mlflow", "lightgbm", "shap", "uvicorn"),
        table(header, rows),
    )


def median(rounds: list[Measured], n_clients: int) -> float:
    return float(np.median([each.loads[n_clients].requests_a_second for each in rounds]))


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
    report(measured, given.seconds)


if __name__ == "__main__":
    main()
