"""A worker killed under load: every answer has one row, and a retried request has one as well."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from ledgers import rows_of
from real_servers import free_port, wait_until_ready

from data_schemas.patient import Patient
from serving.ledger.tables import answers
from serving.predictor import ResponsePredictor
from serving.settings import LEDGER_VARIABLE

ROOT = Path(__file__).resolve().parents[3]
START = (
    "import sys; from serving.start import serve; "
    "serve(sys.argv[1], port=int(sys.argv[2]), access=False)"
)
PATIENT = "planted-patient-61.8034"
N_CLIENTS, N_REQUESTS = 4, 25


def worker_of(folder: Path) -> int:
    """Return the process that answers, of the service whose model lies in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in environment and b"_bentoml_impl.worker" in command:
            found.append(int(process.name))
    [worker] = found
    return worker


def ask_until_answered(service: httpx.Client, record: dict[str, Any], key: str) -> str:
    """Send a request again and again with one key, as a careful client does."""
    headers = {"Idempotency-Key": key, "Patient-Id": PATIENT}
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            response = service.post("/predict", json=record, headers=headers)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if response.status_code == 200:
            return str(response.json()["prediction_id"])
    pytest.fail("the service did not come back")


@pytest.mark.system
def test_every_answer_has_one_row_after_a_worker_was_killed(
    predictor: ResponsePredictor, complete_patient: Patient, tmp_path: Path
) -> None:
    predictor.save(tmp_path / "model")
    ledger, port = f"sqlite:///{tmp_path / 'ledger.db'}", free_port()
    url = f"http://127.0.0.1:{port}"
    record = complete_patient.model_dump(mode="json", exclude_defaults=True)
    answered: dict[str, str] = {}

    def client(number: int) -> None:
        with httpx.Client(base_url=url, timeout=10) as service:
            for request in range(N_REQUESTS):
                key = f"{number}-{request}"
                answered[key] = ask_until_answered(service, record, key)

    with (tmp_path / "log").open("wb") as log, httpx.Client(base_url=url) as probe:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(tmp_path / "model"), str(port)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), LEDGER_VARIABLE: ledger},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(process, probe)
            clients = [threading.Thread(target=client, args=(n,)) for n in range(N_CLIENTS)]
            for each in clients:
                each.start()
            while len(answered) < N_REQUESTS:
                time.sleep(0.01)
            os.kill(worker_of(tmp_path / "model"), signal.SIGKILL)
            for each in clients:
                each.join()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
    assert len(answered) == N_CLIENTS * N_REQUESTS
    kept = rows_of(ledger)
    assert sorted(row["prediction_id"] for row in kept) == sorted(answered.values())
    assert {row["idempotency_key"] for row in rows_of(ledger, answers)} == set(answered)
    assert PATIENT.encode() not in (tmp_path / "log").read_bytes()
