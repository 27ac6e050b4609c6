"""One connection to SQLite that stays open, and writes.

This module needs nothing but the standard library, so that the process of `writing_process.py`
starts at once and stays small.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


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
                connection.execute(insertions[0].statement, insertions[0].values)
                return
            connection.execute("BEGIN IMMEDIATE")
            for statement, values, row_by_row in insertions:
                (connection.executemany if row_by_row else connection.execute)(statement, values)
            connection.execute("COMMIT")
        except BaseException:
            self.close()
            raise

    def current(self) -> sqlite3.Connection:
        """Return the connection: a new one where the file is not the one that it opened."""
        found = self._file.stat()
        if self._connection is None or self._opened != (found.st_dev, found.st_ino):
            self.close()
            self._connection = self._connect()
            self._opened = (found.st_dev, found.st_ino)
        return self._connection

    def close(self) -> None:
        """Close it; the next writing opens another. What was not committed is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
