"""Deleting what the ledger need not, or must not, keep."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import ColumnElement, Connection, delete, select

from serving.ledger.database import Database
from serving.ledger.tables import answers, feedback, outcomes, predictions


@dataclass(frozen=True)
class Deleted:
    """How many rows were deleted.

    Attributes
    ----------
    predictions, outcomes : int
        Of those tables.
    """

    predictions: int
    outcomes: int

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(self.predictions + other.predictions, self.outcomes + other.outcomes)


def delete_patient(database: Database, pseudonyms: Collection[str]) -> Deleted:
    """Delete the predictions, outcomes, stored answers and feedback of a patient.

    Parameters
    ----------
    database : Database
        A ledger, or an outbox.
    pseudonyms : collection of str
        All that the patient may have had; see `PseudonymKeys.every_pseudonym`.
    """
    with database.transaction() as connection:
        connection.execute(delete(answers).where(answers.c.pseudonym.in_(pseudonyms)))
        _delete_feedback(connection, predictions.c.pseudonym.in_(pseudonyms))
        deleted = _delete(connection, predictions.c.pseudonym.in_(pseudonyms))
    database.forget_deleted()
    return deleted


def purge(database: Database, before: datetime) -> Deleted:
    """Delete predictions older than a moment, their outcomes however new, answers and feedback."""
    with database.transaction() as connection:
        connection.execute(delete(answers).where(answers.c.stored_at < before))
        connection.execute(delete(feedback).where(feedback.c.recorded_at < before))
        deleted = _delete(connection, predictions.c.recorded_at < before)
    database.forget_deleted()
    return deleted


def _delete_feedback(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete the feedback on some predictions; a card bears the identifier of its prediction."""
    chosen = set(connection.scalars(select(predictions.c.prediction_id).where(which)))
    rows = connection.execute(select(feedback.c.sequence, feedback.c.content)).all()
    found = [row.sequence for row in rows if orjson.loads(row.content).get("card") in chosen]
    for sequence in found:
        connection.execute(delete(feedback).where(feedback.c.sequence == sequence))


def _delete(connection: Connection, which: ColumnElement[bool]) -> Deleted:
    chosen = select(predictions.c.prediction_id).where(which)
    n_outcomes = connection.execute(
        delete(outcomes).where(outcomes.c.prediction_id.in_(chosen))
    ).rowcount
    return Deleted(connection.execute(delete(predictions).where(which)).rowcount, n_outcomes)
