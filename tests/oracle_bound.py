"""The bound that no model of the clinical columns may pass, and how to tell that one did."""

import numpy as np
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from features.patient_rows import patient_row
from features.table import Feature, feature_table
from training.learning.rows import BoolArray, FloatArray, TrainingRows
from training.simulator.draw import PatientDraw
from training.simulator.patients import to_patients

N_TEST = 20_000
STANDARD_ERRORS = 3.0
FEATURES = feature_table(["clinical"], depression_instrument="HDRS-17", anxiety_instrument="GAD-7")


def rows_of(draw: PatientDraw, features: tuple[Feature, ...] = FEATURES) -> TrainingRows:
    """Return the clinical columns of all patients of a draw, whether they dropped out or not."""
    X = np.array([patient_row(patient, features) for patient in to_patients(draw)])
    monotone = tuple(feature.monotone for feature in features)
    return TrainingRows(X, draw.outcomes.response, np.array(draw.site_names()), monotone)


def standard_error(y: BoolArray, auc: float) -> float:
    """Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747."""
    events, others = int(y.sum()), int((~y).sum())
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (events - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    return float(np.sqrt(variance / (events * others)))


def limit(y: BoolArray, oracle: FloatArray) -> float:
    """Return the highest AUROC that is believed: 3 standard errors above the oracle's."""
    auroc = float(roc_auc_score(y, oracle))
    return auroc + STANDARD_ERRORS * standard_error(y, auroc)


def knows_too_much(score: FloatArray, y: BoolArray, oracle: FloatArray) -> bool:
    """Tell whether an AUROC lies above the limit."""
    return float(roc_auc_score(y, score)) > limit(y, oracle)


def leaked_column(y: BoolArray, auroc: float, seed: int = 0) -> FloatArray:
    """Return a normal column that tells the outcomes apart with that AUROC."""
    noise = np.random.default_rng(seed).normal(size=len(y))
    return np.asarray(y * np.sqrt(2) * norm.ppf(auroc) + noise, dtype=np.float64)
