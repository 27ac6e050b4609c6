"""What is written for one answered request: its predictions, and the answer where it has a key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from data_schemas.prediction import Prediction
from serving.booster_text import FloatArray
from serving.ledger.apart import WriterApart
from serving.ledger.database import PRAGMAS, Database
from serving.ledger.pseudonyms import Pseudonym
from serving.ledger.tables import answers, predictions

ANSWER_LIFETIME: Final = timedelta(hours=24)


class Predicted(NamedTuple):
    """The JSON content of a prediction, and the row of features that it was made from."""

    content: dict[str, Any]
    row: FloatArray
    feature_names: tuple[str, ...]

    @property
    def prediction(self) -> Prediction:
        """The prediction itself."""
        return Prediction.model_validate(self.content)


@dataclass(frozen=True)
class Asked:
    """Who asked for what.

    Attributes
    ----------
    route : str
        Path of the route.
    caller : str
        Name of the caller's key or token; never a secret.
    patient : Pseudonym or None
        Of whom, where the caller said so.
    idempotency_key : str or None
        The caller's name for this request, which may be sent again.
    """

    route: str
    caller: str
    patient: Pseudonym | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class StoredAnswer:
    """The answer to a request with an idempotency key, byte for byte."""

    fingerprint: str
    media_type: str
    body: bytes


@dataclass(frozen=True)
class Entry:
    """One request: all of it is written, or nothing.

    Attributes
    ----------
    rows : tuple of dict
        Of the table `predictions`, without their `sequence`.
    answer : dict or None
        Of the table `answers`.
    """

    rows: tuple[dict[str, Any], ...]
    answer: dict[str, Any] | None = None


def prediction_row(predicted: Predicted, asked: Asked, now: datetime) -> dict[str, Any]:
    """Return a row of the table `predictions`."""
    content, interval = predicted.content, predicted.content["interval"]
    features = dict(zip(predicted.feature_names, predicted.row.tolist(), strict=True))
    return {
        "prediction_id": content["prediction_id"],
        "recorded_at": now,
        "route": asked.route,
        "caller": asked.caller,
        "pseudonym": asked.patient.value if asked.patient else None,
        "key_id": asked.patient.key_id if asked.patient else None,
        "model_name": content["model"]["name"],
        "model_version": content["model"]["version"],
        "instrument": content["outcome"]["instrument"],
        "features": orjson.dumps(features).decode(),  # what is unknown, NaN, becomes null
        "probability": content["response_probability"],
        "interval_lower": interval["lower"] if interval else None,
        "interval_upper": interval["upper"] if interval else None,
        "interval_level": interval["level"] if interval else None,
        "abstained": content["abstained"],
        "notices": orjson.dumps(content["notices"]).decode(),
    }


def answer_row(asked: Asked, stored: StoredAnswer, now: datetime) -> dict[str, Any]:
    """Return a row of the table `answers`, for a request with an idempotency key."""
    return {
        "caller": asked.caller,
        "idempotency_key": asked.idempotency_key,
        "fingerprint": stored.fingerprint,
        "pseudonym": asked.patient.value if asked.patient else None,
        "media_type": stored.media_type,
        "body": stored.body,
        "stored_at": now,
        "expires_at": now + ANSWER_LIFETIME,
    }


def write_entries(
    database: Database, entries: list[Entry], now: datetime
) -> list[StoredAnswer | None]:
    """Write requests in one transaction.

    Returns
    -------
    list of StoredAnswer or None
        For each entry, None when it was written; otherwise the answer that its key already has, and
        nothing of the entry was written.

    Raises
    ------
    LedgerUnavailableError
        When nothing of any entry was written, or perhaps all where the connection broke at the end;
        writing a prediction a second time changes nothing.
    """
    if not any(each.answer for each in entries):
        rows = [row for each in entries for row in each.rows]
        if rows:
            dialect = "postgresql" if database.is_postgres else "sqlite"
            database.insert(_INSERTIONS[dialect]["predictions"], rows)
        return [None] * len(entries)
    with database.transaction() as connection:
        earlier = _reserve_keys(connection, entries, now)
        rows = [
            row
            for entry, found in zip(entries, earlier, strict=True)
            if found is None
            for row in entry.rows
        ]
        if rows:
            connection.execute(insert_once(connection, "predictions"), rows)
    return earlier


def writer_apart(database: Database) -> WriterApart:
    """Return the process that writes predictions without a key into SQLite."""
    assert database.file is not None  # noqa: S101  # PostgreSQL is a process of its own
    insertion = partial(database.sqlite_insertion, _INSERTIONS["sqlite"]["predictions"])
    return WriterApart(database.file, PRAGMAS, insertion)


def _reserve_keys(
    connection: Connection, entries: list[Entry], now: datetime
) -> list[StoredAnswer | None]:
    """Store the answers of those entries that have a key, and return those stored before."""
    earlier: list[StoredAnswer | None] = [None] * len(entries)
    keyed = [(number, each.answer) for number, each in enumerate(entries) if each.answer]
    if keyed:
        connection.execute(delete(answers).where(answers.c.expires_at <= now))
    # In one order everywhere, so that two workers never wait for each other in a circle.
    for number, answer in sorted(keyed, key=lambda pair: _name(pair[1])):
        if not connection.execute(insert_once(connection, "answers"), answer).rowcount:
            earlier[number] = _stored(connection, *_name(answer))
    return earlier


def _name(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["caller"], answer["idempotency_key"]


def _stored(connection: Connection, caller: str, key: str) -> StoredAnswer:
    found = connection.execute(
        select(answers.c.fingerprint, answers.c.media_type, answers.c.body).where(
            answers.c.caller == caller, answers.c.idempotency_key == key
        )
    ).one()
    return StoredAnswer(*found)


def insert_once(connection: Connection, table: str) -> Insert:
    """Return an insertion that leaves a row alone which is there already.

    Of a single row, the result's `rowcount` is 1 where it was inserted, and 0 where it was not.
    """
    return _INSERTIONS[connection.dialect.name][table].execution_options(preserve_rowcount=True)


_INSERTIONS: Final[dict[str, dict[str, Insert]]] = {
    "sqlite": {
        "predictions": sqlite.insert(predictions).on_conflict_do_nothing(
            index_elements=["prediction_id"]
        ),
        "answers": sqlite.insert(answers).on_conflict_do_nothing(),
    },
    "postgresql": {
        "predictions": postgresql.insert(predictions).on_conflict_do_nothing(
            index_elements=["prediction_id"]
        ),
        "answers": postgresql.insert(answers).on_conflict_do_nothing(),
    },
}
