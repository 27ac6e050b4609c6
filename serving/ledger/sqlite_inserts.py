"""Rows of the ledger as statements of SQLite, with values that its driver takes.

What a worker answers waits for its insertion. A pool of connections would cost 80 microseconds a
commit, and each further statement one more turn of the interpreter's lock, so that a few rows are
one statement.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import Insert

from serving.ledger.kept_connection import Insertion

# Each number of rows is a statement of its own, of which the driver keeps 128 prepared.
_ROWS_IN_ONE_STATEMENT: Final = 32
_DIALECT: Final = sqlite.dialect(paramstyle="qmark")

_Row = dict[str, Any]
# Names, and what turns a value into the driver's own where it is not.
_Columns = list[tuple[str, Callable[[Any], Any] | None]]


class SqliteInserts:
    """Makes them; may be used from any thread."""

    def __init__(self) -> None:
        self._columns: dict[Insert, _Columns] = {}
        self._statements: dict[tuple[Insert, int], str] = {}

    def insertion(self, insertion: Insert, rows: list[_Row]) -> Insertion:
        """Return the insertion of rows; all have the columns of the first."""
        columns = self._columns.get(insertion)
        if columns is None:
            columns = self._columns[insertion] = _columns(insertion, rows[0])
        values = [
            [process(row[name]) if process else row[name] for name, process in columns]
            for row in rows
        ]
        if len(values) > _ROWS_IN_ONE_STATEMENT:
            return Insertion(self._statement(insertion, 1), values, row_by_row=True)
        flat = [each for row in values for each in row]
        return Insertion(self._statement(insertion, len(values)), flat, row_by_row=False)

    def _statement(self, insertion: Insert, n_rows: int) -> str:
        known = self._statements.get((insertion, n_rows))
        if known is None:
            row = dict.fromkeys(name for name, _ in self._columns[insertion])
            several = insertion.values([row] * n_rows)
            known = self._statements[insertion, n_rows] = str(several.compile(dialect=_DIALECT))
        return known


def _columns(insertion: Insert, row: _Row) -> _Columns:
    types = {name: insertion.table.c[name].type.dialect_impl(_DIALECT) for name in row}
    return [(name, each.bind_processor(_DIALECT)) for name, each in types.items()]
