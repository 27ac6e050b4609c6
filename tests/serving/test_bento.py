"""A Bento holds what serves and nothing else, and answers without the project installed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from real_servers import free_port, wait_until_ready

from data_schemas.errors import ServiceError
from data_schemas.patient import Patient
from serving.bento import REQUIREMENTS, build_bento, main
from serving.ledger.schema import VERSIONS
from serving.predictor import BOOSTER_FILE, DOCUMENT_FILE, ResponsePredictor
from serving.settings import ACCESS_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(predictor: ResponsePredictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    predictor.save(folder)
    return folder


@pytest.fixture(scope="module")
def bento(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Bento, built in a process of its own as a user would."""
    out = tmp_path_factory.mktemp("bento") / "built"
    subprocess.run(
        [sys.executable, "-m", "serving.bento", str(model), "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return out


def test_a_folder_in_use_is_not_written_to(model: Path, tmp_path: Path) -> None:
    (tmp_path / "something").write_text("mine")
    with pytest.raises(ServiceError, match="is not empty"):
        build_bento(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


def test_a_wrong_model_is_a_sentence_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 12
    assert "There is no model folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.system
def test_it_holds_the_three_packages_and_the_model(bento: Path, model: Path) -> None:
    source = bento / "src"
    folders = {path.name for path in source.iterdir() if path.is_dir()}
    assert folders == {"data_schemas", "features", "serving", "model"}
    for name in (DOCUMENT_FILE, BOOSTER_FILE):
        assert (source / "model" / name).read_bytes() == (model / name).read_bytes()
    assert not list(source.rglob("__pycache__"))
    migrations = source / "serving" / "ledger" / "migrations"
    assert len(list((migrations / "versions").glob("*.py"))) == len(VERSIONS)
    pinned = (bento / "env" / "python" / "requirements.txt").read_bytes()
    assert pinned == (ROOT / REQUIREMENTS).read_bytes()


@pytest.mark.system
def test_it_tells_nothing_of_the_machine_that_built_it(bento: Path, model: Path) -> None:
    for path in bento.rglob("*"):
        if path.is_file() and (bento / "src" / "serving") not in path.parents:
            content = path.read_bytes()
            assert str(ROOT).encode() not in content, path
            assert str(model).encode() not in content, path


@pytest.fixture(scope="module")
def slim_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the pinned requirements of serving and nothing else."""
    environment = tmp_path_factory.mktemp("slim") / "venv"
    uv = [sys.executable, "-m", "uv"]
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(environment)],
        ["pip", "install", "--quiet", "--require-hashes", "--python", str(environment),
         "-r", str(ROOT / REQUIREMENTS)],
    ):  # fmt: skip
        subprocess.run([*uv, *command], cwd=environment.parent, timeout=240, check=True)
    return environment / "bin" / "python"


@pytest.fixture
def service(bento: Path, slim_python: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (
        (tmp_path / "log").open("wb") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        process = subprocess.Popen(
            [slim_python, "-m", "bentoml", "serve", bento, "--host", "127.0.0.1",
             "--port", str(port)],
            cwd=tmp_path,
            env={**kept, "BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True",
                 ACCESS_VARIABLE: "none"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_until_ready(process, client)
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


@pytest.mark.system
def test_it_answers_without_the_project_installed(
    service: httpx.Client,
    slim_python: Path,
    predictor: ResponsePredictor,
    complete_patient: Patient,
) -> None:
    missing = subprocess.run(
        [slim_python, "-c", "import serving"], capture_output=True, cwd="/", check=False
    )
    assert missing.returncode == 1
    record = complete_patient.model_dump(mode="json", exclude_defaults=True)
    answer = service.post("/predict", json=record).json()
    expected = predictor.predict(complete_patient).response_probability
    assert answer["response_probability"] == pytest.approx(expected, abs=1e-9)
    assert service.get("/model").json()["model"]["version"] == predictor.identity.version
