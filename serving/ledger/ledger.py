"""The ledger of a service: every answered prediction is in it before it is answered."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import insert

from data_schemas.outcome_report import OutcomeReceipt, OutcomeReport
from serving.ledger.database import Database, LedgerUnavailableError
from serving.ledger.entries import (
    Asked,
    Entry,
    Predicted,
    StoredAnswer,
    answer_row,
    prediction_row,
    write_entries,
    writer_apart,
)
from serving.ledger.lookup import RecordedPrediction, find_prediction
from serving.ledger.outage import Outage
from serving.ledger.outbox import ForwardingStore
from serving.ledger.outcomes import record_outcome
from serving.ledger.pseudonyms import PseudonymKeys
from serving.ledger.schema import upgrade
from serving.ledger.shared_memory import lease_tokens, remember_once
from serving.ledger.tables import feedback
from serving.ledger.writer import GroupWriter


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Ledger:
    """The ledger as one worker uses it; every method may be called from any thread.

    Parameters
    ----------
    url : str
        `sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME`.
    keys : PseudonymKeys
        Of the patients' pseudonyms.
    outbox : Path
        SQLite file of what is predicted while PostgreSQL is away; not used with SQLite.
    clock : callable
        The present moment, in UTC.
    apart : bool
        Whether predictions are written to SQLite by a process of its own, for one event loop;
        those with an idempotency key are written by a thread, as all are with PostgreSQL.

    Raises
    ------
    ConfigurationError
        When the address is none.
    LedgerUnavailableError
        When the file, or the outbox, cannot be written; PostgreSQL may be away.
    ServiceError
        When a newer release wrote the ledger.
    """

    def __init__(
        self,
        url: str,
        keys: PseudonymKeys,
        outbox: Path,
        clock: Callable[[], datetime] = utc_now,
        *,
        apart: bool = False,
    ) -> None:
        self.keys = keys
        self._clock = clock
        self._database = Database(url)
        self._outage = self._outage_of_server = Outage()
        self._forwarding: ForwardingStore | None = None
        if self._database.is_postgres:
            # Predictions go on while it is away, and do not say that it is back.
            self._outage_of_server = Outage()
            self._outbox = Database(f"sqlite:///{outbox}")
            self._forwarding = ForwardingStore(self._database, self._outbox, clock)
        else:
            upgrade(self._database)
        self._writer = GroupWriter(self._write, self._when_idle)
        self._apart = None
        if apart and not self._database.is_postgres:
            self._apart = writer_apart(self._database)

    async def record(
        self, asked: Asked, predicted: list[Predicted], answer: StoredAnswer | None = None
    ) -> StoredAnswer | None:
        """Write the predictions of one request, and its answer where it has an idempotency key.

        Parameters
        ----------
        asked : Asked
            Who asked for what.
        predicted : list of Predicted
            All predictions of the answer.
        answer : StoredAnswer or None
            Where the request has a key.

        Returns
        -------
        StoredAnswer or None
            None once all of it is on disk; otherwise the answer that the key had before, and
            nothing is written.

        Raises
        ------
        LedgerUnavailableError
            When it cannot be written: the prediction must not be answered then.
        """
        now = self._clock()
        rows = tuple(prediction_row(each, asked, now) for each in predicted)
        kept = None if answer is None else answer_row(asked, answer, now)
        if not rows and kept is None:
            return None
        with self._outage:
            if self._apart is not None and kept is None:
                await self._apart.record(rows)
                return None
            return await self._writer.record(Entry(rows, kept))

    def record_outcome(self, report: OutcomeReport, caller: str) -> OutcomeReceipt:
        """Write what happened to a patient predicted earlier; see `outcomes.record_outcome`.

        Raises
        ------
        LedgerUnavailableError
            Also while PostgreSQL is away, since its prediction cannot be looked up then.
        """
        with self._outage_of_server:
            if self._forwarding is not None and not self._forwarding.forward():
                message = "The ledger's server is away; report the outcome later."
                raise LedgerUnavailableError(message)
            return record_outcome(self._database, report, caller, self._clock())

    def find_prediction(self, prediction_id: str) -> RecordedPrediction | None:
        """Return a prediction made earlier; see `lookup.find_prediction`.

        Raises
        ------
        LedgerUnavailableError
            Also while PostgreSQL is away.
        """
        if self._forwarding is not None and not self._forwarding.forward():
            raise LedgerUnavailableError("The ledger's server is away; try again later.")
        return find_prediction(self._database, prediction_id)

    def record_feedback(self, service: str, caller: str, content: Mapping[str, Any]) -> None:
        """Write what a clinician did with a card.

        Parameters
        ----------
        service : str
            Identifier of the CDS service.
        caller : str
            Name of the caller's key or token.
        content : mapping
            The feedback, as JSON content.

        Raises
        ------
        LedgerUnavailableError
            When it cannot be written.
        """
        row = {
            "recorded_at": self._clock(),
            "caller": caller,
            "service": service,
            "content": orjson.dumps(dict(content)).decode(),
        }
        with self._outage_of_server, self._database.transaction() as connection:
            connection.execute(insert(feedback), row)

    def remember_once(self, kind: str, key: str, expires: float) -> bool:
        """Return whether a key is new, and remember it; see `shared_memory.remember_once`."""
        with self._outage:
            return remember_once(self._present(), kind, key, expires, time.time())

    def lease_tokens(
        self, name: str, per_second: float, capacity: float, wanted: int
    ) -> tuple[int, float]:
        """Take tokens of a bucket that all workers share; see `shared_memory.lease_tokens`."""
        return lease_tokens(self._present(), name, per_second, capacity, wanted)

    @property
    def is_postgres(self) -> bool:
        """Whether other machines may share it."""
        return self._database.is_postgres

    def close(self) -> None:
        """Write what waits, and close."""
        self._writer.close()
        self._database.close()
        if self._forwarding is not None:
            self._outbox.close()

    def _present(self) -> Database:
        return self._database if self._forwarding is None else self._forwarding.present()

    def _write(self, entries: list[Entry]) -> list[StoredAnswer | None]:
        if self._forwarding is not None:
            return self._forwarding.write(entries)
        return write_entries(self._database, entries, self._clock())

    def _when_idle(self) -> None:
        if self._forwarding is not None:
            self._forwarding.forward()
