"""One connection to SQLite that stays open, and writes.

This module needs nothing but the standard library, so that the process of `writing_process.py`
starts at once and stays small.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

# How long others may hold the database.
SQLITE_WAIT_SECONDS: Final = 10
# A commit takes a few milliseconds.
_SECONDS_BETWEEN_TRIES: Final = 0.0005
# Of an error code; the rest says more about it. https://sqlite.org/rescode.html
_PRIMARY: Final = 0xFF


class Insertion(NamedTuple):
    """A statement, and its values: those of all its rows, or row by row where it takes one."""

    statement: str
    values: list[Any]
    row_by_row: bool


class KeptConnection:
    """The connection; for one thread at a time.

    Parameters
    ----------
    file : Path
        Of the database; it must be there when something is written.
    connect : callable
        Opens a connection to it, which begins no transaction by itself.
    """

    def __init__(self, file: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._file, self._connect = file, connect
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    def write(self, insertions: Sequence[Insertion]) -> None:
        """Write all of it in one transaction; after an error the connection is not used again.

        A single statement is a transaction by itself: it begins, and its commit is on disk, before
        it returns.

        Raises
        ------
        sqlite3.Error, OSError
            Nothing was written then.
        """
        connection = self.current()
        try:
            if len(insertions) == 1 and not insertions[0].row_by_row:
                _execute_in_turn(connection, insertions[0].statement, insertions[0].values)
                return
            _execute_in_turn(connection, "BEGIN IMMEDIATE", [])
            for statement, values, row_by_row in insertions:
                (connection.executemany if row_by_row else connection.execute)(statement, values)
            # Where the file is not in write-ahead mode, readers hold it up.
            _execute_in_turn(connection, "COMMIT", [])
        except BaseException:
            self.close()
            raise

    def current(self) -> sqlite3.Connection:
        """Return the connection: a new one where the file is not the one that it opened."""
        found = self._file.stat()
        if self._connection is None or self._opened != (found.st_dev, found.st_ino):
            self.close()
            self._connection = self._connect()
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._opened = (found.st_dev, found.st_ino)
        return self._connection

    def close(self) -> None:
        """Close it; the next writing opens another. What was not committed is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _execute_in_turn(connection: sqlite3.Connection, statement: str, values: list[Any]) -> None:
    """Execute what needs the place of the one who writes, and wait while others are in the way.

    SQLite itself would look again more and more seldom, up to 100 ms later, while those who came
    after write: with two workers one patient in a hundred waited 36 ms.
    """
    until = time.monotonic() + SQLITE_WAIT_SECONDS
    while True:
        try:
            connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            is_busy = getattr(error, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > until:
                raise
            time.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            return
