"""Small models on random patients and real databases, for the tests of serving."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledgers import PostgresServer, postgres_server
from served_models import SITES, fit_predictor, random_patient

from data_schemas.patient import Patient
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="session")
def patients() -> list[Patient]:
    """240 random patients whose depression total is known."""
    rng = np.random.default_rng(11)
    drawn = [random_patient(rng, SITES[number % 2]) for number in range(240)]
    return [
        patient.model_copy(update={"depression_total": patient.depression_total or 18.0})
        for patient in drawn
    ]


@pytest.fixture(scope="session")
def predictor(patients: list[Patient]) -> ResponsePredictor:
    """A clinical model of 240 random patients with PHQ-9 and GAD-7."""
    return fit_predictor(patients)


@pytest.fixture(scope="session")
def network_predictor(patients: list[Patient]) -> ResponsePredictor:
    """The same with connectivity features, which no training patient had."""
    return fit_predictor(patients, ("clinical", "connectivity"))


@pytest.fixture(scope="session")
def complete_patient() -> Patient:
    """A patient in the middle of the training cohort, with nothing important missing."""
    return Patient(
        age_years=45,
        sex="female",
        employed=True,
        education_years=13,
        polarity="unipolar",
        recurrent=True,
        episode_duration_months=14,
        failed_trials=3,
        augmentation_failed=False,
        ect_history=False,
        psychotic_features=False,
        depression_instrument="PHQ-9",
        depression_total=18,
        anxiety_instrument="GAD-7",
        anxiety_total=11,
        benzodiazepine=False,
        ssri=True,
        sessions_planned=30,
        protocol="itbs",
        target="left_dlpfc",
        site="clinic_a",
        extra={"grip_kg": 31.0},
    )


@pytest.fixture(scope="session")
def altered(predictor: ResponsePredictor) -> Callable[..., ResponsePredictor]:
    """Return the model with parts of its document changed."""

    def alter(**changes: Any) -> ResponsePredictor:
        document = predictor.document.model_copy(update=changes)
        text = predictor._booster_text if document.booster else None
        return ResponsePredictor(document, text)

    return alter


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, which a test may stop and must start again."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()
