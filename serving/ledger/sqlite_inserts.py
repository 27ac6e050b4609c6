"""Inserting into SQLite over one connection that stays open.

What a worker answers waits for its insertion, and every microsecond of it keeps the interpreter
from the next request: a pool of connections would cost 80 a commit, and each further statement one
more turn of the interpreter's lock. So a few rows are one statement, which is a transaction by
itself: it begins, and its commit is on disk, before it returns.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import Insert

# Each number of rows is a statement of its own, of which the driver keeps 128 prepared.
_ROWS_IN_ONE_STATEMENT: Final = 32
_DIALECT: Final = sqlite.dialect(paramstyle="qmark")

_Row = dict[str, Any]
# Names, and what turns a value into the driver's own where it is not.
_Columns = list[tuple[str, Callable[[Any], Any] | None]]


class SqliteInserts:
    """The one connection; may be used from any thread.

    Parameters
    ----------
    file : Path
        Of the database; it must be there when rows are inserted.
    connect : callable
        Opens a connection to it, which begins no transaction by itself.
    """

    def __init__(self, file: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._file, self._connect = file, connect
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._columns: dict[Insert, _Columns] = {}
        self._statements: dict[tuple[Insert, int], str] = {}
        self._lock = Lock()

    def insert(self, insertion: Insert, rows: list[_Row]) -> None:
        """Insert rows in one transaction; after an error the connection is not used again.

        Raises
        ------
        sqlite3.Error, OSError
            Nothing was inserted then.
        """
        columns = self._columns.get(insertion)
        if columns is None:
            columns = self._columns[insertion] = _columns(insertion, rows[0])
        values = [
            [process(row[name]) if process else row[name] for name, process in columns]
            for row in rows
        ]
        with self._lock:
            connection = self._current()
            try:
                self._execute(connection, insertion, values)
            except BaseException:
                self._close()
                raise

    def _execute(
        self, connection: sqlite3.Connection, insertion: Insert, values: list[list[Any]]
    ) -> None:
        if len(values) <= _ROWS_IN_ONE_STATEMENT:
            statement = self._statement(insertion, len(values))
            connection.execute(statement, [each for row in values for each in row])
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(self._statement(insertion, 1), values)
        connection.execute("COMMIT")

    def _statement(self, insertion: Insert, n_rows: int) -> str:
        known = self._statements.get((insertion, n_rows))
        if known is None:
            row = dict.fromkeys(name for name, _ in self._columns[insertion])
            several = insertion.values([row] * n_rows)
            known = self._statements[insertion, n_rows] = str(several.compile(dialect=_DIALECT))
        return known

    def _current(self) -> sqlite3.Connection:
        """Return the connection: a new one where the file is not the one that it opened."""
        found = self._file.stat()
        if self._connection is None or self._opened != (found.st_dev, found.st_ino):
            self._close()
            self._connection = self._connect()
            self._opened = (found.st_dev, found.st_ino)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next insertion opens another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # What was begun and not committed is rolled back by this.
            connection.close()


def _columns(insertion: Insert, row: _Row) -> _Columns:
    types = {name: insertion.table.c[name].type.dialect_impl(_DIALECT) for name in row}
    return [(name, each.bind_processor(_DIALECT)) for name, each in types.items()]
