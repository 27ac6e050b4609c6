"""One database of the ledger: SQLite that survives a power cut, or PostgreSQL."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final, cast

from sqlalchemy import Connection, Dialect, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.sql.dml import Insert

from data_schemas.errors import ConfigurationError, ServiceError
from serving.ledger.kept_connection import SQLITE_WAIT_SECONDS, Insertion, KeptConnection
from serving.ledger.sqlite_inserts import SqliteInserts

_POSTGRES_WAIT_SECONDS: Final = 3
# Of every connection to SQLite; one that is kept waits in a way of its own.
PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {SQLITE_WAIT_SECONDS * 1000}",
    "PRAGMA synchronous = FULL",
    # A deleted patient is overwritten, not only unlinked.
    "PRAGMA secure_delete = ON",
)

# A statement in the driver's own words, and what turns values into the driver's own.
_Prepared = tuple[str, list[tuple[str, Callable[[Any], Any]]]]


class LedgerUnavailableError(ServiceError):
    """The ledger cannot be read or written now, so that nothing may be answered."""


def unavailable(kind: str) -> LedgerUnavailableError:
    """Return the error that a failure of this class leads to: its own text may quote a row."""
    return LedgerUnavailableError(
        f"The ledger cannot be used now ({kind}); see that its database runs, has space and may "
        "be written."
    )


class Database:
    """A database and the two ways to use it: to write, and to read.

    Parameters
    ----------
    url : str
        `sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME`.

    Raises
    ------
    ConfigurationError
        When the address is neither.
    """

    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        self.file = Path(parsed.database or "") if parsed.drivername == "sqlite" else None
        self._engine = _sqlite(parsed) if self.file else _postgres(parsed)
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._prepared: dict[Insert, _Prepared] = {}
        self._inserts = SqliteInserts()
        self._kept = KeptConnection(self.file, self._detached) if self.file else None
        self._lock = Lock()

    @property
    def is_postgres(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.file is None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection whose changes are all on disk after the block, or none of them.

        Raises
        ------
        LedgerUnavailableError
            When the database is away, full or not writable; without a value of any row.
        """
        with _contained():
            if self.file is not None:
                _make_file(self.file)
            with self._engine.begin() as connection:
                yield connection

    def insert(self, insertion: Insert, rows: list[dict[str, Any]]) -> None:
        """Insert rows in one transaction, which SQLAlchemy's layers would cost 200 microseconds.

        Raises
        ------
        LedgerUnavailableError
            As `transaction`.
        """
        with _contained(self._driver_error):
            if self.file is not None and self._kept is not None:
                _make_file(self.file)
                with self._lock:
                    self._kept.write([self._inserts.insertion(insertion, rows)])
                return
            if insertion not in self._prepared:
                dialect = self._engine.dialect
                self._prepared[insertion] = _prepared(insertion, tuple(rows[0]), dialect)
            statement, processors = self._prepared[insertion]
            prepared = [
                row | {name: process(row[name]) for name, process in processors} for row in rows
            ]
            with self._of_driver() as connection:
                connection.cursor().executemany(statement, prepared)
                connection.commit()

    @contextmanager
    def _of_driver(self) -> Iterator[PoolProxiedConnection]:
        """Give a connection of the driver; after an error it is not used again, nor the others."""
        connection = self._engine.raw_connection()
        try:
            yield connection
        except self._driver_error:
            with suppress(self._driver_error):
                connection.rollback()
            connection.invalidate()
            self._engine.dispose()
            raise
        finally:
            connection.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one moment of the database and holds up no writer.

        Raises
        ------
        LedgerUnavailableError
            When the database is away.
        """
        with _contained(), self._engine.connect() as connection:
            yield connection.execution_options(reading=True)

    def sqlite_insertion(self, insertion: Insert, rows: list[dict[str, Any]]) -> Insertion:
        """Return what inserts rows into SQLite, for a connection to it."""
        return self._inserts.insertion(insertion, rows)

    def forget_deleted(self) -> None:
        """Write what was deleted through to the file, so that no log beside it holds it still."""
        if self.file is None:
            return
        with _contained(), self._engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        if self._kept is not None:
            with self._lock:
                self._kept.close()
        self._engine.dispose()

    def _detached(self) -> sqlite3.Connection:
        """Return a connection to SQLite that is not given back to the pool."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        return cast("sqlite3.Connection", connection)


def _prepared(insertion: Insert, columns: tuple[str, ...], dialect: Dialect) -> _Prepared:
    types = {each.name: each.type.dialect_impl(dialect) for each in insertion.table.columns}
    processors = [(name, types[name].bind_processor(dialect)) for name in columns]
    statement = str(insertion.compile(dialect=dialect, column_keys=columns))
    return statement, [(name, process) for name, process in processors if process]


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("unknown")
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return parsed
    raise ConfigurationError(
        "The address of the ledger must be sqlite:///FILE or "
        "postgresql://USER:PASSWORD@HOST/NAME; set TMS_RESPONSE_LEDGER_URL to one of them."
    )


@contextmanager
def _contained(driver_error: type[Exception] = sqlite3.Error) -> Iterator[None]:
    """Turn every failure of a database into one of ours; see `unavailable`."""
    try:
        yield
    except (SQLAlchemyError, OSError, sqlite3.Error, driver_error) as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise unavailable(kind) from None


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, paramstyle="named")

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions begin where we say
        for pragma in PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        # A writer takes its lock at once: taken later, it could fail in the middle.
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: URL) -> Engine:
    return create_engine(
        url,
        hide_parameters=True,
        connect_args={
            "connect_timeout": _POSTGRES_WAIT_SECONDS,
            "options": f"-c statement_timeout={_POSTGRES_WAIT_SECONDS}s -c timezone=UTC",
            "tcp_user_timeout": _POSTGRES_WAIT_SECONDS * 1000,
        },
    )


def _make_file(file: Path) -> None:
    """Create the file, readable for its owner alone, in the mode that readers do not block."""
    if file.exists() and file.stat().st_size > 0:
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    # One process at a time: two that change the mode at once lock each other out.
    lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = sqlite3.connect(file, timeout=SQLITE_WAIT_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
    finally:
        os.close(lock)
