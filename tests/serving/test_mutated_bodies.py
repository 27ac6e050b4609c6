"""Whatever is sent, it is answered or refused in our shape, and is never our fault."""

import logging
from typing import Any

import numpy as np
import pytest
from mutated_bodies import mutated, statuses_of

from data_schemas.patient import Patient
from serving.app import create_app
from serving.openapi_examples import EXAMPLE_SUMMARY, whole_patient
from serving.predictor import ResponsePredictor
from serving.settings import RATE_VARIABLE

_REFUSALS = {400, 413, 415, 422}


@pytest.fixture(scope="module")
def records(
    network_predictor: ResponsePredictor, complete_patient: Patient
) -> list[dict[str, Any]]:
    patients = (
        complete_patient,
        whole_patient(network_predictor.document),
        complete_patient.model_copy(update={"connectome_summary": EXAMPLE_SUMMARY}),
    )
    return [patient.model_dump(mode="json", exclude_defaults=True) for patient in patients]


@pytest.mark.parametrize("n", [4_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_mutated_bodies_are_never_our_fault(
    network_predictor: ResponsePredictor,
    records: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    n: int,
) -> None:
    monkeypatch.setenv(RATE_VARIABLE, "0")
    app = create_app(network_predictor)
    rng = np.random.default_rng(n)
    with caplog.at_level(logging.INFO):
        found = statuses_of(app, (mutated(rng, records) for _ in range(n)))
    assert set(found) <= {200} | _REFUSALS
    # Neither too tame nor too wild: sound bodies, bad JSON and bad records are all among them.
    assert min(found[200], found[400], found[422]) > n / 50
    assert not caplog.records
