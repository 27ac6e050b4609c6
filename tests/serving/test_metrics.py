"""Counters: predictions, abstentions, refusals, and what a killed worker leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from served_models import ask

from data_schemas.patient import Patient
from serving.app import create_app
from serving.metrics import CountedPredictor, forget_dead_workers
from serving.predictor import ResponsePredictor


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"tms_response_{name}_total", labels) or 0.0


@pytest.fixture
def counting(predictor: ResponsePredictor, tmp_path: Path) -> CountedPredictor:
    predictor.save(tmp_path)
    return CountedPredictor.load(tmp_path)


def test_answers_and_abstentions_are_counted(
    counting: CountedPredictor, complete_patient: Patient
) -> None:
    version = counting.identity.version
    before = counted("predictions", version=version), counted("abstentions", version=version)
    bare = Patient(depression_instrument="PHQ-9", depression_total=18)
    answers = [counting.predict(patient) for patient in (complete_patient, complete_patient, bare)]
    abstained = sum(answer.abstained for answer in answers)
    assert 0 < abstained < 3
    after = counted("predictions", version=version), counted("abstentions", version=version)
    assert after == (before[0] + 3, before[1] + abstained)


def test_describing_the_service_is_not_counted(counting: CountedPredictor) -> None:
    version = counting.identity.version
    before = counted("predictions", version=version)
    assert ask(create_app(counting), "GET", "/docs.json").status_code == 200
    assert counted("predictions", version=version) == before


def test_refusals_are_counted_by_code_each_patient_of_a_batch_too(
    counting: CountedPredictor,
) -> None:
    app = create_app(counting)
    codes = ("invalid_json", "invalid_patient", "missing_required", "not_found")
    before = [counted("refusals", code=code) for code in codes]
    ask(app, "POST", "/predict", content=b"{")
    ask(app, "POST", "/predict_batch", record=[{"age_years": "x"}, {}, {}])
    ask(app, "GET", "/nowhere")
    after = [counted("refusals", code=code) for code in codes]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 2, 1]
    text = ask(app, "GET", "/metrics").text
    assert 'tms_response_refusals_total{code="invalid_json"}' in text
    assert "/metrics" not in ask(app, "GET", "/docs.json").json()["paths"]


def test_gauges_of_dead_workers_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = (tmp_path / f"gauge_livesum_{process}.db" for process in (ended.pid, os.getpid()))
    counter = tmp_path / f"counter_{ended.pid}.db"
    for path in (dead, alive, counter):
        path.touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    forget_dead_workers()
    assert not dead.exists()
    assert alive.exists()
    assert counter.exists()
