"""What the workers of a service must know of each other: used tokens, and rates."""

import hashlib
import math
import time
from typing import Final

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from serving.ledger.database import Database
from serving.ledger.tables import buckets, remembered


def remember_once(database: Database, kind: str, key: str, expires: float, now: float) -> bool:
    """Remember a key, and return whether it was not remembered before.

    Parameters
    ----------
    database : Database
        Shared by all workers.
    kind : str
        What the key is, such as `jti`; at most 40 characters.
    key : str
        Of any length; kept as a digest.
    expires, now : float
        Seconds of the epoch; a key is forgotten once `expires` is past.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    with database.transaction() as connection:
        connection.execute(delete(remembered).where(remembered.c.expires <= now))
        row = {"kind": kind, "key": digest, "expires": expires}
        return connection.execute(_insert(connection, "remembered"), row).rowcount == 1


def lease_tokens(
    database: Database, name: str, per_second: float, capacity: float, wanted: int
) -> tuple[int, float]:
    """Take whole tokens of a bucket: those that are wanted, or as many as there are.

    Parameters
    ----------
    database : Database
        Shared by all workers.
    name : str
        Of the bucket, such as a caller's; at most 200 characters.
    per_second : float
        Tokens that flow in; more than 0.
    capacity : float
        Tokens that it holds at most; at least 1. A new bucket is full.
    wanted : int
        At least 1.

    Returns
    -------
    tuple of int and float
        The tokens taken, and the seconds until there is one again; 0 where some were taken.
    """
    with database.transaction() as connection:
        full = {"name": name, "tokens": capacity, "filled_at": _seconds(connection)}
        connection.execute(_insert(connection, "buckets"), full)
        query = select(buckets.c.tokens, buckets.c.filled_at).where(buckets.c.name == name)
        held, filled_at = connection.execute(query.with_for_update()).one()
        # Read under the lock: a moment from before it would let the same tokens in twice.
        now = _seconds(connection)
        # A clock that jumped back adds nothing, and takes nothing away.
        tokens = min(capacity, held + max(0.0, now - filled_at) * per_second)
        taken = min(wanted, math.floor(tokens))
        change = update(buckets).where(buckets.c.name == name)
        connection.execute(change.values(tokens=tokens - taken, filled_at=now))
        return taken, 0.0 if taken else (1 - tokens) / per_second


def _seconds(connection: Connection) -> float:
    """Return seconds of the epoch, by one clock for all machines that share the database."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(_SERVER_SECONDS).scalar_one())


def _insert(connection: Connection, table: str) -> Insert:
    return _INSERTIONS[connection.dialect.name][table].execution_options(preserve_rowcount=True)


_SERVER_SECONDS: Final = select(func.extract("epoch", func.clock_timestamp()))
_INSERTIONS: Final[dict[str, dict[str, Insert]]] = {
    "sqlite": {
        "remembered": sqlite.insert(remembered).on_conflict_do_nothing(),
        "buckets": sqlite.insert(buckets).on_conflict_do_nothing(),
    },
    "postgresql": {
        "remembered": postgresql.insert(remembered).on_conflict_do_nothing(),
        "buckets": postgresql.insert(buckets).on_conflict_do_nothing(),
    },
}
