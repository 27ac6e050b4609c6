"""References to models become folders; nothing but files is fetched.

The way through a real MLflow store is tested with the tracking of training.
"""

import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from data_schemas.errors import ModelError
from serving.predictor import ResponsePredictor
from serving.registry import resolve_model


class FakeMlflowError(Exception):
    """Stands for MlflowException."""


@pytest.fixture
def folder(predictor: ResponsePredictor, tmp_path: Path) -> Path:
    predictor.save(tmp_path / "run" / "model")
    return tmp_path / "run" / "model"


def test_a_model_folder_or_its_run_is_taken_as_it_is(folder: Path) -> None:
    assert resolve_model(folder) == folder.resolve()
    assert resolve_model(str(folder.parent)) == folder.resolve()


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model folder"):
        resolve_model(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"holds no model\.json"):
        resolve_model(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="There is no model folder"):
        resolve_model(tmp_path / "file")


def test_an_absent_store_is_not_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///absent.db")
    with pytest.raises(ModelError, match=r"no MLflow store absent\.db.*Train a model first"):
        resolve_model("models:/tms-response@champion")
    assert list(tmp_path.iterdir()) == []


def test_without_mlflow_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "mlflow.artifacts", None)
    with pytest.raises(ModelError, match=r"\.\[registry\]"):
        resolve_model("models:/tms-response@champion")


@pytest.fixture
def fake_mlflow(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    """An MLflow whose only model is the folder, logged as training logs it."""
    seen: dict[str, Any] = {}

    def download_artifacts(artifact_uri: str, dst_path: str) -> str:
        seen.update(uri=artifact_uri, target=dst_path)
        if "absent" in artifact_uri:
            raise FakeMlflowError("Registered Model with name=absent not found\nmore")
        shutil.copytree(folder, Path(dst_path) / "artifacts" / "model")
        return dst_path

    artifacts, exceptions = ModuleType("mlflow.artifacts"), ModuleType("mlflow.exceptions")
    artifacts.__dict__["download_artifacts"] = download_artifacts
    exceptions.__dict__["MlflowException"] = FakeMlflowError
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.artifacts", artifacts)
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", exceptions)
    return seen


@pytest.mark.parametrize("reference", ["models:/tms-response@champion", "runs:/0a1b/model"])
def test_a_logged_model_is_downloaded_into_a_private_folder(
    fake_mlflow: dict[str, Any], predictor: ResponsePredictor, reference: str
) -> None:
    local = resolve_model(reference)
    assert fake_mlflow["uri"] == reference
    assert Path(fake_mlflow["target"]).stat().st_mode & 0o077 == 0
    assert ResponsePredictor.load(local).identity == predictor.identity


def test_a_reference_that_is_not_found_is_a_sentence(fake_mlflow: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="cannot be downloaded: Registered Model") as caught:
        resolve_model("models:/absent@champion")
    assert "more" not in str(caught.value)
    assert fake_mlflow["uri"] == "models:/absent@champion"
