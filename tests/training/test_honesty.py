"""No model may know more than the simulator's oracle, and the alarm that says so must ring."""

import numpy as np
import pytest
from cohort_tables import quick_config
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from features.table import Feature, feature_table, patient_row
from training.learning.models import fit_boosted
from training.learning.rows import BoolArray, FloatArray, TrainingRows
from training.simulator.draw import PatientDraw, draw_patients
from training.simulator.oracle import response_probability
from training.simulator.patients import to_patients

N_TEST = 20_000
FEATURES = feature_table(["clinical"], depression_instrument="HDRS-17", anxiety_instrument="GAD-7")


def rows_of(draw: PatientDraw, features: tuple[Feature, ...] = FEATURES) -> TrainingRows:
    X = np.array([patient_row(patient, features) for patient in to_patients(draw)])
    monotone = tuple(feature.monotone for feature in features)
    return TrainingRows(X, draw.outcomes.response, np.array(draw.site_names()), monotone)


def standard_error(y: BoolArray, auc: float) -> float:
    """Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747."""
    events, others = int(y.sum()), int((~y).sum())
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (events - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    return float(np.sqrt(variance / (events * others)))


def knows_too_much(score: FloatArray, y: BoolArray, oracle: FloatArray) -> bool:
    """Tell whether an AUROC lies more than 3 standard errors above the oracle's."""
    limit = float(roc_auc_score(y, oracle))
    return float(roc_auc_score(y, score)) > limit + 3 * standard_error(y, limit)


@pytest.fixture(scope="module", params=["null", "conservative", "optimistic"])
def drawn(request: pytest.FixtureRequest) -> tuple[TrainingRows, PatientDraw]:
    cohort = draw_patients(700, request.param, seed=3, n_sites=8)
    further = draw_patients(N_TEST, request.param, seed=4, n_sites=8)
    return rows_of(cohort), further


def test_held_out_auroc_never_beats_the_oracle(drawn: tuple[TrainingRows, PatientDraw]) -> None:
    cohort, further = drawn
    fitted = fit_boosted(cohort, quick_config())
    held_out = rows_of(further)
    oracle = response_probability(further, site_effects="integrated")
    assert not knows_too_much(fitted.log_odds(held_out.X), held_out.y, oracle)
    # It learned something all the same, or the check above would be empty.
    assert roc_auc_score(held_out.y, fitted.log_odds(held_out.X)) > 0.53


def test_the_alarm_rings_for_a_leak(drawn: tuple[TrainingRows, PatientDraw]) -> None:
    _, further = drawn
    y = further.outcomes.response
    oracle = response_probability(further, site_effects="integrated")
    noise = np.random.default_rng(0).normal(size=N_TEST)
    # A column that agrees with the outcome as an AUROC of 0.70 would: a weak leak.
    leaked = y * np.sqrt(2) * norm.ppf(0.70) + noise
    assert knows_too_much(leaked, y, oracle)
