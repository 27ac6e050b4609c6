"""The limits learned from one simulated cohort, put to other patients of the same clinics."""

from typing import Any

import numpy as np
import pytest
from cohort_tables import minimal_spec

from data_schemas.patient import Patient
from features.patient_rows import patient_row
from features.table import feature_table
from serving.predictor import ResponsePredictor
from training.config import load_config
from training.dataset import TrainingTable
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.patients import to_patients
from training.summary import ConnectomeCounts


@pytest.fixture(scope="module")
def draw() -> PatientDraw:
    return draw_patients(800, seed=7)


@pytest.fixture(scope="module")
def fresh(draw: PatientDraw) -> list[Patient]:
    return to_patients(draw_patients(2_000, seed=8, sites=draw.enrolment.sites))


@pytest.fixture(scope="module")
def predictor(draw: PatientDraw) -> ResponsePredictor:
    """A model of the base rate, whose limits are those of any model of these patients."""
    features = feature_table(
        ["clinical"], depression_instrument="HDRS-17", anxiety_instrument="GAD-7"
    )
    table = TrainingTable(
        X=np.array([patient_row(patient, features) for patient in to_patients(draw)]),
        y=np.arange(len(draw)) % 2 == 0,
        site=np.array(draw.site_names()),
        features=features,
        connectomes=ConnectomeCounts(n_read=0, n_accepted=0, refused={}),
        depression_instrument="HDRS-17",
        anxiety_instrument="GAD-7",
    )
    return fit_predictor(
        table, minimal_spec(), load_config(), served=BASE_RATE, fingerprint="f" * 64
    )


def test_other_patients_of_the_same_clinics_are_answered(
    predictor: ResponsePredictor, fresh: list[Patient]
) -> None:
    answers = predictor.predict_many(fresh)
    assert np.mean([answer.abstained for answer in answers]) < 0.01
    out_of_range = [n for answer in answers for n in answer.notices if n.code == "out_of_range"]
    assert len(out_of_range) < 0.02 * len(fresh) * len(predictor.features)


@pytest.mark.parametrize(
    ("changes", "feature"),
    [
        ({"body_mass_index_kg_m2": 79}, "body_mass_index_kg_m2"),
        ({"episode_duration_months": 720}, "log_episode_duration"),
        ({"failed_trials": 20}, "failed_trials"),
        ({"education_years": 40}, "education_years"),
        ({"depression_total": 51}, "depression_severity"),
        ({"sessions_planned": 200}, "sessions_planned"),
    ],
)
def test_one_absurd_input_makes_it_abstain_by_name(
    predictor: ResponsePredictor, fresh: list[Patient], changes: dict[str, Any], feature: str
) -> None:
    for patient in fresh[:100]:
        answer = predictor.predict(patient.model_copy(update=changes))
        assert answer.abstained
        assert feature in {n.field for n in answer.notices if n.code == "unlike_training"}
        assert str(next(iter(changes.values()))) not in answer.notices[0].message


def test_what_few_send_is_no_reason_to_abstain(
    predictor: ResponsePredictor, fresh: list[Patient]
) -> None:
    few = ("age_years", "sex", "failed_trials", "benzodiazepine", "psychotic_features")
    bare = [Patient(**patient.model_dump(include=set(few))) for patient in fresh]
    abstained = [answer.abstained for answer in predictor.predict_many(bare)]
    assert np.mean(abstained) < 0.005
