"""PostgreSQL with a local SQLite outbox: what is predicted while it is away is forwarded later."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Table, delete, exists, select

from serving.ledger.database import Database, LedgerUnavailableError
from serving.ledger.entries import Entry, StoredAnswer, insert_once, write_entries
from serving.ledger.schema import upgrade
from serving.ledger.tables import answers, predictions

logger = logging.getLogger("tms_response.serving")

_RETRY_SECONDS: Final = 1.0
_RETRY_FACTOR: Final = 10.0  # an attempt that took long holds requests up, and is made more rarely
_FORWARDED_TOGETHER: Final = 500


class ForwardingStore:
    """Write to PostgreSQL; to the outbox while it is away, or while the outbox holds earlier rows.

    Parameters
    ----------
    server : Database
        PostgreSQL.
    outbox : Database
        SQLite on this machine, shared by its workers.
    clock : callable
        The present moment, in UTC.
    """

    def __init__(self, server: Database, outbox: Database, clock: Callable[[], datetime]) -> None:
        self._server, self._outbox, self._clock = server, outbox, clock
        self._server_is_ready = False
        self._is_away, self._retry_at = False, 0.0
        upgrade(outbox)
        self.forward()

    def write(self, entries: list[Entry]) -> list[StoredAnswer | None]:
        """Write entries; see `write_entries`."""
        if self.forward():
            begun = time.monotonic()
            try:
                return write_entries(self._server, entries, self._clock())
            except LedgerUnavailableError:
                self._note_away(begun)
        return write_entries(self._outbox, entries, self._clock())

    def forward(self) -> bool:
        """Move what the outbox holds to the server, and return whether the server may be written.

        A row leaves the outbox after the server has it; where that is cut short, it is sent again
        and found there, so that each arrives once.
        """
        begun = time.monotonic()
        if begun < self._retry_at:
            return False
        try:
            if not self._server_is_ready:
                upgrade(self._server)
                self._server_is_ready = True
            while self._holds_any():
                self._forward_some()
        except LedgerUnavailableError:
            self._note_away(begun)
            return False
        self._is_away = False
        return True

    def present(self) -> Database:
        """Return the database that can be used now: the server, or the outbox while it is away."""
        return self._server if self.forward() else self._outbox

    def _note_away(self, begun: float) -> None:
        if not self._is_away:
            logger.warning("The ledger's server is away; predictions wait in the outbox.")
        self._is_away = True
        now = time.monotonic()
        self._retry_at = now + max(_RETRY_SECONDS, _RETRY_FACTOR * (now - begun))

    def _holds_any(self) -> bool:
        with self._outbox.reading() as outbox:
            query = select(exists(select(predictions.c.sequence)))
            return bool(outbox.execute(query).scalar())

    def _forward_some(self) -> None:
        """Move the earliest rows; the outbox is locked meanwhile, so that one worker does it."""
        with self._outbox.transaction() as outbox:
            query = select(predictions).order_by(predictions.c.sequence).limit(_FORWARDED_TOGETHER)
            rows = [dict(row) for row in outbox.execute(query).mappings()]
            if not rows:
                return
            last = max(row.pop("sequence") for row in rows)
            kept = [dict(row) for row in outbox.execute(select(answers)).mappings()]
            with self._server.transaction() as server:
                _send(server, predictions, rows)
                _send(server, answers, kept)
            outbox.execute(delete(predictions).where(predictions.c.sequence <= last))
            outbox.execute(delete(answers))
        logger.info("%d predictions were forwarded from the outbox.", len(rows))


def _send(server: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    if rows:
        server.execute(insert_once(server, table.name), rows)
