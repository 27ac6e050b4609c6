"""What happened to patients predicted earlier; corrections are added, and nothing is changed."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select

from data_schemas.errors import DataError, FieldProblem
from data_schemas.outcome_report import OutcomeReceipt, OutcomeReport
from serving.ledger.database import Database
from serving.ledger.tables import outcomes, predictions

_ONE_DAY = timedelta(days=1)  # the clinic's date may be a day off the date in UTC


class UnknownPredictionError(DataError):
    """The ledger holds no prediction of that identifier."""


class UnfitOutcomeError(DataError):
    """The report cannot be about the prediction that it names."""


def record_outcome(
    database: Database, report: OutcomeReport, caller: str, now: datetime
) -> OutcomeReceipt:
    """Add a report of an outcome, unless it says what the latest one says.

    Raises
    ------
    UnknownPredictionError
        When there is no such prediction.
    UnfitOutcomeError
        When the total is of another instrument than the model's, or the day lies before the
        prediction or in the future.
    LedgerUnavailableError
        When it cannot be written.
    """
    found = report.model_dump(exclude={"prediction_id"})
    with database.transaction() as connection:
        _refuse_unfit(connection, report, now)
        status = "recorded"
        latest = _latest(connection, report.prediction_id)
        if latest is not None:
            status = "unchanged" if latest == found else "corrected"
        if status != "unchanged":
            row = {"prediction_id": report.prediction_id, "recorded_at": now, "caller": caller}
            connection.execute(insert(outcomes), {**row, **found})
        count = select(func.count()).where(outcomes.c.prediction_id == report.prediction_id)
        reports = connection.execute(count).scalar_one()
    return OutcomeReceipt.model_validate(
        {"prediction_id": report.prediction_id, "status": status, "reports": reports}
    )


def _refuse_unfit(connection: Connection, report: OutcomeReport, now: datetime) -> None:
    query = select(predictions.c.instrument, predictions.c.recorded_at).where(
        predictions.c.prediction_id == report.prediction_id
    )
    # The row is locked, so that two reports at once are counted one after the other.
    prediction = connection.execute(query.with_for_update()).one_or_none()
    if prediction is None:
        raise UnknownPredictionError("The ledger holds no prediction with this prediction_id.")
    instrument, recorded_at = prediction
    if report.instrument not in {None, instrument}:
        problem = FieldProblem("instrument", "is not that of the prediction", instrument)
        raise UnfitOutcomeError("The outcome does not fit its prediction.", (problem,))
    first, last = recorded_at.date() - _ONE_DAY, now.date() + _ONE_DAY
    if not first <= report.measured_on <= last:
        problem = FieldProblem("measured_on", "is before the prediction, or in the future")
        raise UnfitOutcomeError("The outcome does not fit its prediction.", (problem,))


def _latest(connection: Connection, prediction_id: str) -> dict[str, Any] | None:
    """Return what the latest report of a prediction says."""
    said = (
        outcomes.c.measured_on,
        outcomes.c.instrument,
        outcomes.c.final_total,
        outcomes.c.responded,
    )
    query = select(*said).where(outcomes.c.prediction_id == prediction_id)
    row = connection.execute(query.order_by(outcomes.c.sequence.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)
