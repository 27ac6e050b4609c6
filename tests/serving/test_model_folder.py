"""A model is a folder of text: the same after a round trip, and refused when damaged."""

import builtins
import json
import pickle
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.predictor import BOOSTER_FILE, DOCUMENT_FILE, ResponsePredictor


def answer_of(predictor: ResponsePredictor, patient: Patient) -> Prediction:
    return predictor.predict(patient).model_copy(update={"prediction_id": ""})


@pytest.fixture
def folder(predictor: ResponsePredictor, tmp_path: Path) -> Path:
    predictor.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_answers_the_same(
    predictor: ResponsePredictor, folder: Path, patients: list[Patient]
) -> None:
    loaded = ResponsePredictor.load(folder)
    assert loaded.document == predictor.document
    for patient in patients[:20]:
        assert answer_of(loaded, patient) == answer_of(predictor, patient)


def test_saving_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    ResponsePredictor.load(folder).save(tmp_path / "again")
    for name in (DOCUMENT_FILE, BOOSTER_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_base_rate_model_leaves_no_booster_behind(
    altered: Callable[..., ResponsePredictor], folder: Path
) -> None:
    altered(booster=None).save(folder)
    assert [path.name for path in folder.iterdir()] == [DOCUMENT_FILE]
    assert ResponsePredictor.load(folder).document.booster is None


def test_loading_executes_nothing(
    folder: Path, complete_patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a model must not be able to execute anything")

    for module in (pickle, import_module("cloudpickle")):
        for name in ("load", "loads", "Unpickler"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, forbidden)
    for name in ("exec", "eval", "compile", "__import__"):
        monkeypatch.setattr(builtins, name, forbidden)
    try:
        answer = ResponsePredictor.load(folder).predict(complete_patient)
    finally:
        monkeypatch.undo()
    assert answer.response_probability is not None


@pytest.mark.parametrize("name", [DOCUMENT_FILE, BOOSTER_FILE])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_files_are_refused(folder: Path, name: str, share: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError):
        ResponsePredictor.load(folder)


@pytest.mark.parametrize("name", [DOCUMENT_FILE, BOOSTER_FILE])
def test_absent_and_binary_files_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="is not text"):
        ResponsePredictor.load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match="absent"):
        ResponsePredictor.load(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        ResponsePredictor.load(tmp_path / "nowhere")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), booster=st.booleans())
def test_a_flipped_bit_never_changes_an_answer_in_silence(
    predictor: ResponsePredictor,
    tmp_path: Path,
    position: float,
    bit: int,
    booster: bool,
) -> None:
    predictor.save(tmp_path)
    path = tmp_path / (BOOSTER_FILE if booster else DOCUMENT_FILE)
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        damaged = ResponsePredictor.load(tmp_path)
    except ModelError:
        return
    # Words may change, and so may numbers of the document: its digest then tells.
    same = damaged.document == predictor.document
    assert same == (damaged.identity.version == predictor.identity.version)
    assert not booster or same


def test_boosters_of_two_models_cannot_be_mixed(
    predictor: ResponsePredictor, network_predictor: ResponsePredictor, tmp_path: Path
) -> None:
    predictor.save(tmp_path / "one")
    network_predictor.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / BOOSTER_FILE, tmp_path / "one" / BOOSTER_FILE)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        ResponsePredictor.load(tmp_path / "one")


def test_an_unknown_feature_is_refused_with_the_nearest(folder: Path) -> None:
    content = json.loads((folder / DOCUMENT_FILE).read_text("utf-8"))
    content["features"][0]["name"] = "age_year"
    (folder / DOCUMENT_FILE).write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelError, match=r"'age_year'.*Did you mean 'age_years'"):
        ResponsePredictor.load(folder)
