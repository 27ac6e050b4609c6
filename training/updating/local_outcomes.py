"""What a model had said of local patients, and what became of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
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
from training.monitoring.records import records_of
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
    """

    y: BoolArray
    log_odds: FloatArray


def of_the_ledger(predictor: ResponsePredictor) -> LocalOutcomes:
    """Return the patients of the ledger that the environment names.

    Raises
    ------
    ConfigurationError, ServiceError
        When there is no ledger, or it cannot be read.
    DataError
        When it holds no prediction of this model.
    """
    version = predictor.identity.version
    records = records_of(read_ledger(), predictor.document, version, datetime.now(UTC))
    return LocalOutcomes(records.y, logit(inside_unit_interval(records.predicted)))


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
    return LocalOutcomes(y[answered], logit(inside_unit_interval(probability[answered])))
