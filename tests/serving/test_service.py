"""The real server: started, asked, measured and stopped as a user would."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from real_servers import free_port, wait_until_ready

from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.calibrated_trees import logit
from serving.predictor import BOOSTER_FILE, ResponsePredictor
from serving.settings import MODEL_VARIABLE

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys; from serving.start import serve
serve(sys.argv[1], port=int(sys.argv[2]), access=False)
"""
PLANTED = "61.8034"


@pytest.fixture(scope="module")
def folder(predictor: ResponsePredictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    predictor.save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    """A client of a server started in a folder that holds a misleading `serving` of its own."""
    port = free_port()
    (folder / "serving").mkdir()
    (folder / "serving" / "__init__.py").write_text("raise ImportError('the wrong folder')")
    with (
        (folder / "log").open("wb") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(folder / "model"), str(port)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(process, client)
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    assert "unexpectedly" not in (folder / "log").read_text("utf-8")


@pytest.fixture
def ask(client: httpx.Client) -> Callable[[Any], httpx.Response]:
    def post(record: Any) -> httpx.Response:
        return client.post("/predict", json=record)

    return post


def test_http_gives_the_answer_of_python(
    client: httpx.Client, predictor: ResponsePredictor, patients: list[Patient]
) -> None:
    batch = [patient.model_dump(mode="json", exclude_defaults=True) for patient in patients]
    answers = client.post("/predict_batch", json=batch).json()
    for content, patient in zip(answers, patients, strict=True):
        answer = Prediction.model_validate(content)
        expected = predictor.predict(patient)
        assert answer.model_copy(update={"prediction_id": expected.prediction_id}) == expected
        if answer.response_probability is not None:
            total = answer.baseline_log_odds + sum(c.log_odds for c in answer.contributions)
            assert total == pytest.approx(logit(answer.response_probability), abs=1e-6)


def test_health_metrics_card_and_documentation_are_served(
    client: httpx.Client, ask: Callable[[Any], httpx.Response], complete_patient: Patient
) -> None:
    assert ask(complete_patient.model_dump(mode="json", exclude_defaults=True)).status_code == 200
    for path in ("/livez", "/readyz"):
        assert client.get(path).status_code == 200
    metrics = client.get("/metrics").text
    assert 'tms_response_request_seconds_count{route="/predict"}' in metrics
    assert "not a medical device" in client.get("/model").text
    paths = client.get("/docs.json").json()["paths"]
    assert {"/predict", "/predict_batch", "/model", "/v1/model", "/outcomes"} <= set(paths)
    assert client.get("/v1/model").content == client.get("/model").content


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/predict", 405),
        ("POST", "/livez", 404),
    ],
)
def test_every_refusal_has_our_shape(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_bad_requests_leave_no_value_in_any_log(
    client: httpx.Client, ask: Callable[[Any], httpx.Response], folder: Path
) -> None:
    assert client.post("/predict", content=b"").status_code == 400
    assert client.post("/predict", content=PLANTED[:3].encode() + b"}").status_code == 400
    for record in ({"age_years": PLANTED}, {"sex": PLANTED}, {"x": float(PLANTED)}, [PLANTED]):
        response = ask(record)
        assert response.status_code == 422
        assert PLANTED not in response.text
    assert PLANTED not in client.get("/metrics").text
    assert PLANTED not in (folder / "log").read_text("utf-8")


def test_it_has_one_small_process_a_worker(client: httpx.Client, folder: Path) -> None:
    """The workers named in the log hold well under 400 MB each."""
    assert client.get("/readyz").status_code == 200
    workers = [
        process
        for process in Path("/proc").glob("[0-9]*")
        if str(folder / "model") in _environment(process)
        and b"_bentoml_impl.worker" in _read(process / "cmdline")
    ]
    assert len(workers) == 1
    [resident] = [
        int(line.split()[1])
        for line in _read(workers[0] / "status").decode().splitlines()
        if line.startswith("VmRSS:")
    ]
    assert resident < 400_000


def _environment(process: Path) -> str:
    return _read(process / "environ").decode("utf-8", "replace")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_damaged_model_ends_bentoml_with_a_sentence(
    predictor: ResponsePredictor, tmp_path: Path
) -> None:
    predictor.save(tmp_path)
    (tmp_path / BOOSTER_FILE).write_text("tree\n")
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "serving.service:TmsResponseService",
         "--port", str(free_port())],
        cwd=ROOT,
        env={**os.environ, MODEL_VARIABLE: str(tmp_path), "BENTOML_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 12
    assert "booster.txt is not the file that model.json describes" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_bodies_announced_as_something_else_are_refused(client: httpx.Client) -> None:
    record = {"depression_instrument": "PHQ-9", "depression_total": 18}
    headers = {"content-type": "text/plain"}
    response = client.post("/predict", content=json.dumps(record), headers=headers)
    assert response.status_code == 415
    assert response.json()["error"]["fields"][0]["allowed"] == "application/json"
