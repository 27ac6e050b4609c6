"""The real server behind keys: two workers, no leak, a new model and a clean end under load."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from real_servers import free_port, wait_until_ready

from data_schemas.patient import Patient
from serving.access.keys import new_key, read_keys, revoke_key
from serving.model_document import Calibration
from serving.predictor import BOOSTER_FILE, ResponsePredictor
from serving.settings import (
    KEYS_VARIABLE,
    LOG_REQUESTS_VARIABLE,
    MODEL_VARIABLE,
    RELOAD_VARIABLE,
    TOKENS_VARIABLE,
)

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys; from serving.start import serve
serve(sys.argv[1], port=int(sys.argv[2]), workers=int(sys.argv[3]))
"""
PLANTED = ("61.8034", "Q7-planted", "83.29411")


@dataclass(frozen=True)
class Running:
    """A server, how to ask it, and where its model, its keys and its log are."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client
    port: int
    home: Path

    @property
    def log(self) -> str:
        return (self.home / "log").read_text("utf-8")


@contextmanager
def running(predictor: ResponsePredictor, home: Path, workers: int) -> Iterator[Running]:
    predictor.save(home / "first")
    (home / "current").symlink_to("first")
    key = new_key(home / "keys.jsonl", ["predict"])
    port = free_port()
    settings = {KEYS_VARIABLE: str(home / "keys.jsonl"), RELOAD_VARIABLE: "0.2",
                LOG_REQUESTS_VARIABLE: "1", "PYTHONPATH": str(ROOT)}  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(home / "current"), str(port), str(workers)],
            cwd=home, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        try:
            wait_until_ready(process, client)
            yield Running(process, client, port, home)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def server(
    predictor: ResponsePredictor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with running(predictor, tmp_path_factory.mktemp("guarded"), workers=2) as found:
        yield found


@pytest.fixture(scope="module")
def record(complete_patient: Patient) -> dict[str, Any]:
    content: dict[str, Any] = complete_patient.model_dump(mode="json", exclude_defaults=True)
    return content


def test_only_callers_with_a_key_are_answered(server: Running, record: dict[str, Any]) -> None:
    assert server.client.post("/predict", json=record).status_code == 200
    for path in ("/predict", "/model", "/metrics", "/schema.json", "/static_content/x"):
        answer = httpx.post(f"http://127.0.0.1:{server.port}{path}", json=record)
        assert (path, answer.status_code) == (path, 401)
    for path in ("/livez", "/readyz", "/docs.json"):
        assert httpx.get(f"http://127.0.0.1:{server.port}{path}").status_code == 200


def test_what_is_no_http_is_refused_as_everything_is(server: Running) -> None:
    """Before any key: by the protocol that uvicorn was given."""
    for sent in (b"61.8034\r\n\r\n", b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            caller.sendall(sent)
            answer = b"".join(iter(lambda: caller.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"\r\nx-content-type-options: nosniff\r\n" in answer
        assert b'"code":"malformed_http"' in answer
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    answered = server.client.get("/predict", headers=upgrade)
    assert (answered.status_code, "x-request-id" in answered.headers) == (405, True)
    # Counted, but nobody's to fill the log with.
    assert counted(server.client.get("/metrics").text, 'refusals_total{code="malformed_http"') >= 2
    assert "uvicorn" not in server.log


def test_a_revoked_key_stops_working(server: Running, record: dict[str, Any]) -> None:
    keys = server.home / "keys.jsonl"
    headers = {"authorization": f"Bearer {new_key(keys, ['predict'], 'short-lived')}"}
    time.sleep(1.2)
    for _ in range(4):
        assert server.client.post("/predict", json=record, headers=headers).status_code == 200
    [short] = [each for each in read_keys(keys).values() if each.label == "short-lived"]
    revoke_key(keys, short.key_id)
    time.sleep(1.2)
    for _ in range(4):
        assert server.client.post("/predict", json=record, headers=headers).status_code == 401


def counted(text: str, name: str) -> float:
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith(f"tms_response_{name}")
    )


def test_metrics_are_those_of_all_workers(server: Running, record: dict[str, Any]) -> None:
    before = counted(server.client.get("/metrics").text, "predictions_total")
    for _ in range(40):
        # A connection each, so that both workers are asked.
        answer = httpx.post(
            f"http://127.0.0.1:{server.port}/predict", json=record, headers=server.client.headers
        )
        assert answer.status_code == 200
    for _ in range(4):
        text = server.client.get("/metrics").text
        assert counted(text, "predictions_total") == before + 40
        assert counted(text, "model{") == 2


def test_nothing_that_was_sent_is_in_a_log_or_a_metric(
    server: Running, record: dict[str, Any]
) -> None:
    number, text, other = PLANTED
    client = server.client
    assert client.post("/predict", json={**record, "age_years": float(number)}).status_code == 200
    for bad in ({"age_years": text}, {"sex": text}, {text: 1}, [text], {"x": float(other)}):
        assert client.post("/predict", json=bad).status_code == 422
    client.post("/predict_batch", json=[{**record, "age_years": float(number)}, {"sex": text}])
    client.post("/predict", content=text)
    client.post("/predict", content=text, headers={"content-type": text})
    for path in (f"/{text}", f"/predict?explain={text}", f"/model?patient={text}", f"/v1/{text}"):
        client.get(path)
        client.post(path, json=record)
    for name in ("x-request-id", "user-agent", "x-forwarded-for", "authorization", "cookie"):
        client.post("/predict", json=record, headers={name: text})
    client.request(text[:2], "/predict")
    metrics = client.get("/metrics").text
    # Read once: the last lines may still be on their way.
    log = server.log
    for planted in PLANTED:
        assert planted not in log
        assert planted not in metrics
    entries = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {"request", "refused"} <= {entry.get("event") for entry in entries}
    # Two sentences say how it was started; all else has the one shape.
    assert len(log.splitlines()) - len(entries) == 2


def test_a_new_model_takes_over_and_a_bad_one_does_not(
    server: Running,
    predictor: ResponsePredictor,
    complete_patient: Patient,
    record: dict[str, Any],
    altered: Any,
) -> None:
    new = altered(version="0.2.0", calibration=Calibration(slope=0.5, intercept=0.3))
    expected = {
        each.identity.version: each.predict(complete_patient).response_probability
        for each in (predictor, new)
    }
    answers: list[httpx.Response] = []
    ended = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.client.base_url, headers=server.client.headers) as own:
            while not ended.is_set():
                answers.append(own.post("/predict", json=record))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        point(server.home, "bad", predictor, damaged=True)
        wait_for(server, 'model_reloads_total{result="refused"}', 2)
        point(server.home, "new", new)
        wait_for(server, 'model_reloads_total{result="taken"}', 2)
        time.sleep(0.3)
    finally:
        ended.set()
        for asker in askers:
            asker.join()
    assert len(answers) > 30
    assert {answer.status_code for answer in answers} == {200}
    given = [(each["model"]["version"], each["response_probability"])
             for each in (answer.json() for answer in answers)]  # fmt: skip
    assert set(given) == set(expected.items())
    assert "goes on answering" in server.log


def point(home: Path, name: str, predictor: ResponsePredictor, *, damaged: bool = False) -> None:
    """Let the link mean another folder, at once."""
    predictor.save(home / name)
    if damaged:
        (home / name / BOOSTER_FILE).write_text("tree\n")
    (home / "link").symlink_to(name)
    (home / "link").replace(home / "current")


def wait_for(server: Running, name: str, value: float) -> None:
    for _ in range(150):
        if counted(server.client.get("/metrics").text, name) >= value:
            return
        time.sleep(0.1)
    pytest.fail(f"{name} did not become {value}")


def test_what_was_begun_is_answered_before_the_end(
    predictor: ResponsePredictor, tmp_path: Path, record: dict[str, Any]
) -> None:
    body = json.dumps(record).encode()
    with running(predictor, tmp_path, workers=1) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.putrequest("POST", "/predict")
        connection.putheader("Authorization", server.client.headers["authorization"])
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:20])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert server.process.poll() is None
        connection.send(body[20:])
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["model"]["version"] == predictor.identity.version
        connection.close()
        assert server.process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("variable", "said"),
    [(TOKENS_VARIABLE, "absent or cannot be read"), (RELOAD_VARIABLE, "never")],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(
    predictor: ResponsePredictor, tmp_path: Path, variable: str, said: str
) -> None:
    predictor.save(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "serving.service:TmsResponseService",
         "--port", str(free_port())],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, MODEL_VARIABLE: str(tmp_path / "model"), variable: "nowhere",
             "BENTOML_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.returncode == 11
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
