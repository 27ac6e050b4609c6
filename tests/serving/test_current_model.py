"""A new model takes over between two requests, or not at all."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from serving.app import create_app
from serving.current_model import CurrentModel, ModelWatcher, self_test
from serving.model_document import Calibration
from serving.model_pointer import point_to
from serving.predictor import BOOSTER_FILE, ResponsePredictor

Altered = Callable[..., ResponsePredictor]


@pytest.fixture
def other(altered: Altered) -> ResponsePredictor:
    return altered(version="0.2.0", calibration=Calibration(slope=0.5, intercept=0.3))


@pytest.fixture
def current(predictor: ResponsePredictor) -> CurrentModel:
    return CurrentModel(predictor, create_app)


@pytest.fixture
def pointer(predictor: ResponsePredictor, other: ResponsePredictor, tmp_path: Path) -> Path:
    predictor.save(tmp_path / "first")
    other.save(tmp_path / "other")
    point_to(tmp_path / "pointer", tmp_path / "first")
    return tmp_path / "pointer"


@pytest.fixture
def record(complete_patient: Patient) -> dict[str, Any]:
    content: dict[str, Any] = complete_patient.model_dump(mode="json", exclude_defaults=True)
    return content


def reloads(result: str) -> float:
    return REGISTRY.get_sample_value("tms_response_model_reloads_total", {"result": result}) or 0.0


def test_requests_in_a_loop_are_each_answered_by_one_model(
    current: CurrentModel,
    predictor: ResponsePredictor,
    other: ResponsePredictor,
    complete_patient: Patient,
    record: dict[str, Any],
) -> None:
    expected = {
        each.identity.version: each.predict(complete_patient).response_probability
        for each in (predictor, other)
    }
    ended = threading.Event()

    def swap() -> None:
        models = [other, predictor]
        while not ended.is_set():
            current.replace(models[0])
            models.reverse()

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        answers = [ask(current, "POST", "/predict_batch", record=[record] * 5) for _ in range(60)]
        cards = [ask(current, "GET", "/model").json() for _ in range(20)]
    finally:
        ended.set()
        swapping.join()
    seen = set()
    for answer in answers:
        assert answer.status_code == 200
        versions = {each["model"]["version"] for each in answer.json()}
        assert len(versions) == 1
        seen |= versions
        for each in answer.json():
            assert each["response_probability"] == expected[each["model"]["version"]]
    assert seen == set(expected)
    assert {card["model"]["version"] for card in cards} <= set(expected)


def test_a_watcher_takes_what_the_pointer_names(
    current: CurrentModel, pointer: Path, other: ResponsePredictor
) -> None:
    watcher = ModelWatcher(current, pointer, 60)
    before = current.predictor
    watcher.look()
    assert current.predictor is before
    taken = reloads("taken")
    point_to(pointer, pointer.parent / "other")
    watcher.look()
    assert current.predictor.identity == other.identity
    assert reloads("taken") == taken + 1
    gauge = {"name": "tms-response", "version": other.identity.version}
    assert REGISTRY.get_sample_value("tms_response_model", gauge) == 1
    old = {"name": "tms-response", "version": before.identity.version}
    assert REGISTRY.get_sample_value("tms_response_model", old) == 0


def damaged(folder: Path) -> None:
    (folder / BOOSTER_FILE).write_text("tree\n")


def gone(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize("spoil", [damaged, gone])
def test_a_bad_model_is_refused_once_and_the_old_one_answers(
    current: CurrentModel,
    pointer: Path,
    spoil: Callable[[Path], None],
    record: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, refused = current.predictor, reloads("refused")
    watcher = ModelWatcher(current, pointer, 60)
    point_to(pointer, pointer.parent / "other")
    spoil(pointer.parent / "other")
    with caplog.at_level(logging.INFO):
        watcher.look()
        watcher.look()
    assert current.predictor is before
    assert reloads("refused") == refused + 1
    assert caplog.text.count("A new model was refused") == 1
    assert ask(current, "POST", "/predict", record=record).status_code == 200
    point_to(pointer, pointer.parent / "first")
    watcher.look()
    assert reloads("refused") == refused + 1


def test_a_fault_of_ours_leaves_the_old_model(
    predictor: ResponsePredictor, pointer: Path, caplog: pytest.LogCaptureFixture
) -> None:
    apps = [create_app(predictor)]

    def make(_: ResponsePredictor) -> ASGIApp:
        return apps.pop()

    current = CurrentModel(predictor, make)
    point_to(pointer, pointer.parent / "other")
    ModelWatcher(current, pointer, 60).look()
    assert current.predictor is predictor
    [record] = [each for each in caplog.records if each.name == "tms_response.model"]
    assert record.fields["reason"].startswith("IndexError at ")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "another"}, "name of the new model"),
        ({"depression_instrument": "HDRS-17"}, "depression instrument"),
        ({"anxiety_instrument": None}, "anxiety instrument"),
        ({"required_fields": ("depression_total", "age_years")}, "requires age_years"),
    ],
)
def test_a_model_of_another_question_is_refused(
    current: CurrentModel, altered: Altered, changes: dict[str, Any], said: str
) -> None:
    before = current.predictor
    with pytest.raises(ModelError, match=said):
        current.replace(altered(**changes))
    assert current.predictor is before


def test_an_explanation_that_does_not_add_up_fails_the_self_test(
    predictor: ResponsePredictor, altered: Altered, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenient = predictor.document.abstention.model_copy(update={"maximum_missing_importance": 1.0})
    model = altered(abstention=lenient)
    self_test(model)
    monkeypatch.setattr(model._contents, "_baseline_log_odds", 9.0)
    with pytest.raises(ModelError, match="does not add up"):
        self_test(model)


def test_a_watcher_looks_by_itself(
    current: CurrentModel, pointer: Path, other: ResponsePredictor
) -> None:
    watcher = ModelWatcher(current, pointer, 0.01)
    watcher.start()
    try:
        point_to(pointer, pointer.parent / "other")
        for _ in range(500):
            if current.predictor.identity == other.identity:
                break
            threading.Event().wait(0.02)
        assert current.predictor.identity == other.identity
    finally:
        watcher.stop()
