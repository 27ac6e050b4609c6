"""How each server of `serving.py` is started, and what it is asked.

All get the same boosters. The number of worker processes is a plain option of each.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import orjson

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
BATCH = 100
EMPTY = "an ASGI app that does nothing"
RECORDED = "the same, with our ledger"
OURS, UNRECORDED = "ours: access, validation, ledger", "ours without ledger"
MLFLOW, TENSOR = "`mlflow models serve`", "`mlflow models serve`, tensor signature"
PEOPLE, ENGINEER = "FastAPI, pandas, `shap.TreeExplainer`", "FastAPI, numpy, `pred_contrib`"
TYPED = "BentoML, typed endpoint, defaults"
# Stands in a command for their number.
_WORKERS = "{workers}"


@dataclass(frozen=True)
class Server:
    """How a server is started, with `_WORKERS` in place of a number, and what it is asked."""

    name: str
    command: list[str]
    single: tuple[str, object]
    batch: tuple[str, object]
    environment: dict[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


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
    counted = [*at, "--workers", _WORKERS]
    uvicorn = [str(BIN / "uvicorn"), "--log-level", "warning", "--no-access-log", *counted]
    environment = {
        FOLDER: str(folder),
        "PYTHONPATH": str(ROOT),
        "BENTOML_DO_NOT_TRACK": "True",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }

    def mlflow(path: Path, singles: object, batch: object, name: str) -> Server:
        command = [str(BIN / "mlflow"), "models", "serve", "--env-manager", "local"]
        return Server(
            name, [*command, "--model-uri", str(path), *counted],
            ("/invocations", {"inputs": singles}), ("/invocations", {"inputs": batch}), environment,
        )  # fmt: skip

    bento = [str(BIN / "bentoml"), "serve", write_bento(folder, _WORKERS)]
    app = "benchmarks.serving_peers:"
    features = ("/predict", rows[0]), ("/predict_batch", rows)
    kept = environment | ledger_settings(folder / "floor.db")
    typed = ("/predict", {"record": rows[0]}), ("/predict_batch", {"records": rows})
    return [
        Server(EMPTY, [*uvicorn, f"{app}empty_app"], *features, environment),
        Server(RECORDED, [*uvicorn, "--factory", f"{app}recorded_app"], *features, kept),
        mlflow(save_mlflow(folder, tensor=False), rows[:1], rows, MLFLOW),
        mlflow(save_mlflow(folder, tensor=True), values[:1], values, TENSOR),
        Server(PEOPLE, [*uvicorn, "--factory", f"{app}pandas_app"], *features, environment),
        Server(ENGINEER, [*uvicorn, "--factory", f"{app}numpy_app"], *features, environment),
        Server(TYPED, [*bento, "--working-dir", str(folder), *at], *typed, environment),
        *ours(model, folder, counted, records),
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
    server: Server, port: int, folder: Path, workers: int = 1
) -> Iterator[tuple[float, subprocess.Popen[bytes]]]:
    """Start a server, yield the seconds until its first answer and the process, and stop it."""
    command = [each.replace(_WORKERS, str(workers)) for each in server.command]
    path, content = server.single
    headers = dict(line.split(": ", 1) for line in server.headers)
    started = time.monotonic()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | server.environment, stdout=log, stderr=log,
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
