"""A ledger of made-up patients whose outcomes follow their predictions, or miss them by a shift."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count, islice

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from served_models import random_patient

from data_schemas.course import Course
from data_schemas.outcome_report import OutcomeReport
from data_schemas.patient import Patient
from serving.ledger.database import Database
from serving.ledger.entries import Asked, Entry, Predicted, prediction_row, write_entries
from serving.ledger.export import ledger_table
from serving.ledger.outcomes import record_outcome
from serving.ledger.schema import upgrade
from serving.predictor import ResponsePredictor

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOW = START + timedelta(weeks=60)
_BETWEEN = timedelta(hours=8)
_DAYS_TO_OUTCOME = 42


def drawn_patients(n: int, seed: int = 0) -> list[Patient]:
    """Draw patients of whom the model of the tests may be asked."""
    rng = np.random.default_rng(seed)
    drawn = (random_patient(rng) for _ in count())
    return list(islice((each for each in drawn if each.depression_total is not None), n))


def write_ledger(
    url: str,
    predictor: ResponsePredictor,
    patients: Sequence[Patient],
    *,
    shift: float = 0.0,
    shifted_from: int = 0,
    known_share: float = 1.0,
    seed: int = 1,
    course: Course | None = None,
) -> None:
    """Record the predictions of some patients, and the outcomes of a share of them.

    Parameters
    ----------
    shift : float
        By how much the log-odds of the outcome lie above those predicted.
    shifted_from : int
        The first patient of whom that holds.
    course : Course, optional
        The scores so far of every patient, where the model is one of the course.
    """
    rng = np.random.default_rng(seed)
    made = [predictor.answer(patient, course=course) for patient in patients]
    database = Database(url)
    try:
        upgrade(database)
        asked = Asked("/predict", "tests")
        for number, (content, row) in enumerate(made):
            predicted = Predicted(content, row, predictor.feature_names)
            recorded = prediction_row(predicted, asked, START + number * _BETWEEN)
            write_entries(database, [Entry((recorded,))], START)
        for number, (content, _) in enumerate(made):
            chance = content["response_probability"]
            if chance is None or rng.random() > known_share:
                continue
            moved = shift if number >= shifted_from else 0.0
            report = OutcomeReport(
                prediction_id=content["prediction_id"],
                measured_on=_day(number),
                responded=bool(rng.random() < expit(logit(chance) + moved)),
            )
            record_outcome(database, report, "tests", NOW)
    finally:
        database.close()


def day_asked(number: int) -> date:
    """Return the day on which a patient's prediction was recorded."""
    return (START + number * _BETWEEN).date()


def _day(number: int) -> date:
    return day_asked(number) + timedelta(days=_DAYS_TO_OUTCOME)


def table_of_ledger(url: str) -> pd.DataFrame:
    """Return a ledger as monitoring reads it."""
    database = Database(url)
    try:
        return ledger_table(database)
    finally:
        database.close()
