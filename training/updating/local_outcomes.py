"""What a model had said of local patients, and what became of them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from scipy.special import logit

from data_schemas.errors import DataError
from serving.predictor import ResponsePredictor
from training.cohort.node_tables import refuse_other_nodes
from training.cohort.read import read_cohort
from training.dataset import Progress, counting, reached
from training.learning.rows import BoolArray, FloatArray
from training.monitoring.ledger import read_ledger
from training.monitoring.records import Records, records_of
from training.performance.metrics import inside_unit_interval
from training.scans import PatientScans


@dataclass(frozen=True)
class LocalOutcomes:
    """Patients with an answer of the model and a known outcome.

    Attributes
    ----------
    y : ndarray of bool, shape (n,)
        Whether each reached the outcome.
    log_odds : ndarray, shape (n,)
        What the model had said.
    fingerprint : str
        By which the same outcomes are known again: of a cohort its own, of a ledger a hash of the
        random identifiers of the predictions with what became of them.
    since : date or None
        Day, in UTC, of the first prediction that was looked at; None for the first of all.
    """

    y: BoolArray
    log_odds: FloatArray
    fingerprint: str
    since: date | None = None


def of_the_ledger(predictor: ResponsePredictor, since: date | None = None) -> LocalOutcomes:
    """Return the patients of the ledger that the environment names.

    Parameters
    ----------
    predictor : ResponsePredictor
        Whose answers are looked at.
    since : date or None
        Only patients who were asked about on this day, in UTC, or later: those after a change are
        not to be averaged with those before it.

    Raises
    ------
    ConfigurationError, ServiceError
        When there is no ledger, or it cannot be read.
    DataError
        When it holds no prediction of this model.
    """
    version = predictor.identity.version
    records = records_of(read_ledger(), predictor.document, version, datetime.now(UTC))
    days = [records.recorded_at[position].date() for position in records.known]
    wanted = np.array([since is None or day >= since for day in days], dtype=bool)
    log_odds = logit(inside_unit_interval(records.predicted[wanted]))
    return LocalOutcomes(records.y[wanted], log_odds, _fingerprint(records, wanted), since)


def _fingerprint(records: Records, wanted: BoolArray) -> str:
    pairs = zip(records.known[wanted].tolist(), records.y[wanted].tolist(), strict=True)
    lines = sorted(f"{records.prediction_id[position]} {y:d}" for position, y in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def of_a_cohort(
    predictor: ResponsePredictor, path: Path, data: Path | None, progress: Progress | None = None
) -> LocalOutcomes:
    """Return the patients of a cohort, except those of whom the model declines to answer.

    Raises
    ------
    DataError
        When the cohort cannot be read, its outcome is on another instrument, the model was trained
        on it, or the model refuses one of its patients.
    """
    cohort, document = read_cohort(path, data, progress), predictor.document
    if cohort.fingerprint == document.provenance.data_fingerprint:
        raise DataError(
            f"The model was trained on the cohort {cohort.name}; an update needs other patients."
        )
    if cohort.spec.outcome.instrument != document.outcome.instrument:
        raise DataError(
            f"The cohort {cohort.name} has outcomes on {cohort.spec.outcome.instrument}, and the "
            f"model predicts one on {document.outcome.instrument}."
        )
    refuse_other_nodes(cohort.name, cohort.nodes, document.connectome.node_table)
    members = cohort.trained_on()
    scans = PatientScans(document.connectome.quality, cohort.folder, document.connectome.node_table)
    report, chances = counting(progress, len(members)), []
    for member in members:
        answer = predictor.predict(scans.attach(member), explain=False)
        chances.append(answer.response_probability)
        report()
    probability = np.array(chances, dtype=np.float64)
    answered = ~np.isnan(probability)
    y: BoolArray = reached(members, document.outcome.kind) == 1
    log_odds = logit(inside_unit_interval(probability[answered]))
    return LocalOutcomes(y[answered], log_odds, cohort.fingerprint)
