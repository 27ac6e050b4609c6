"""Text tables of numbers: lines, and cells read exactly, by way of JSON where possible."""

import re
from collections.abc import Sequence
from math import isfinite, nan

import numpy as np
import numpy.typing as npt
import orjson

from data_schemas.errors import FieldProblem
from features.readers.matrices import MAXIMUM_VOLUMES
from features.readers.source import Source, refuse

FloatArray = npt.NDArray[np.float64]

TAB, COMMA = b"\t", b","

# Bounds of what is split into cells at once: breaks may be of two bytes, and CSV tables of other
# columns are read too.
_MAXIMUM_LINE_BREAKS = 2 * (MAXIMUM_VOLUMES + 1)
_MAXIMUM_CELLS = 5_000
_LONGEST_CELL = 100

_MISSING = {"", "n/a", "NA", "NaN", "nan"}
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
# What would make JSON of a row something else than numbers and the nulls put in for n/a: strings,
# lists, objects, true, false and null; and in a table with tabs commas, which separate only after
# the tabs are replaced.
_OTHER_JSON = (b'"', b"[", b"{", b"u", b"f")


def table_lines(source: Source) -> list[bytes]:
    """Return the lines of a text file without its byte order mark and the blank lines at its end.

    Raises
    ------
    DataError
        When it is empty or not text.
    """
    data = source.data.removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in data:
        refuse(source.where, "The file is not text; a table of numbers is expected.")
    if data.count(b"\n") + data.count(b"\r") > _MAXIMUM_LINE_BREAKS:
        refuse(source.where, f"The file has more than {MAXIMUM_VOLUMES} rows.")
    # Splitting at one kind of line break is several times faster than at any.
    lines = data.splitlines() if b"\r" in data else data.split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        refuse(source.where, "The file is empty.")
    return lines


def separator_of(name: str) -> bytes:
    """Return what separates the cells of a table by its name: commas in a `.csv`, else tabs."""
    return COMMA if name.lower().endswith(".csv") else TAB


def text_cells(where: str, line: bytes, separator: bytes) -> list[str]:
    """Return the cells of one line as text, without quotes around them.

    Raises
    ------
    DataError
        When the line is not UTF-8.
    """
    if line.count(separator) > _MAXIMUM_CELLS:
        refuse(where, f"A row has more than {_MAXIMUM_CELLS} cells.")
    try:
        cells = line.decode("utf-8").split(separator.decode())
    except UnicodeDecodeError:
        refuse(where, "The file is not text in UTF-8.")
    return [cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell for cell in cells]


def is_number(cell: str) -> bool:
    """Tell whether a cell holds a number, or one of the words for none."""
    return _NUMBER.fullmatch(cell) is not None or cell.strip() in _MISSING


def number_rows(
    where: str,
    lines: Sequence[bytes],
    columns: Sequence[str],
    *,
    first_row: int,
    first_column: int = 1,
    separator: bytes = TAB,
) -> FloatArray:
    """Return the numbers of some lines, exactly as Python reads them.

    Parameters
    ----------
    where : str
        The file, for messages.
    lines : sequence of bytes
        Cells only, without row labels.
    columns : sequence of str
        What the columns are called; there must be as many.
    first_row, first_column : int
        Where in the file the first cell stands, counted from 1.
    separator : bytes
        A tab or a comma.

    Returns
    -------
    ndarray of shape (lines, columns)
        NaN where a cell holds `n/a` or nothing.

    Raises
    ------
    DataError
        Naming the row that is too short or long, or rows and columns of what is no number.
    """
    table = np.empty((len(lines), len(columns)))
    problems: list[FieldProblem] = []
    for index, line in enumerate(lines):
        n_cells = line.count(separator) + 1
        if n_cells != len(columns):
            refuse(where, f"Row {index + first_row} has {n_cells} cells instead of {len(columns)}.")
        numbers = _plain_numbers(line, separator)
        if numbers is None or len(numbers) != n_cells:
            numbers, bad = _checked_numbers(text_cells(where, line, separator))
            problems += (
                _no_number(columns, position, index + first_row, first_column) for position in bad
            )
        table[index] = np.fromiter(numbers, np.float64, len(numbers))
    if problems:
        refuse(where, "Some cells are neither numbers nor n/a.", *problems)
    return table


def square_numbers(data: bytes, labels: Sequence[str], separator: bytes) -> FloatArray | None:
    """Return a matrix whose rows begin with their labels, in a third less time than `number_rows`.

    Each row is made a JSON list where it stands, without copies.

    Parameters
    ----------
    data : bytes
        The whole file, with its header.
    labels : sequence of str, length n
        Of the rows, in their order.
    separator : bytes

    Returns
    -------
    ndarray of shape (n, n), or None
        None when anything is out of the ordinary, even `n/a`; `number_rows` knows what it is.
    """
    if separator != COMMA and COMMA in data:
        return None
    text = bytearray(data.replace(separator, COMMA))
    view = memoryview(text)
    table = np.empty((len(labels), len(labels)))
    end = text.find(b"\n")
    for index, label in enumerate(labels):
        start, first = end + 1, text.find(COMMA, end)
        end = text.find(b"\n", first)
        ordinary = (
            0 <= first < end <= first + _LONGEST_CELL * len(labels)
            and view[start:first] == label.encode()
            and all(text.find(mark, first, end) < 0 for mark in _OTHER_JSON)
        )
        if not ordinary:
            return None
        text[first], text[end] = b"[]"
        try:
            numbers = orjson.loads(view[first : end + 1])
            table[index] = np.fromiter(numbers, np.float64, len(labels))
        except (orjson.JSONDecodeError, TypeError, ValueError):
            return None
        if len(numbers) != len(labels):
            return None
    return None if data[end + 1 :].strip() else table


def _no_number(columns: Sequence[str], position: int, row: int, first_column: int) -> FieldProblem:
    label = f" ({columns[position]})" if position < len(columns) else ""
    return FieldProblem(f"column {position + first_column}{label}", "is not a number", row=row)


def _plain_numbers(cells: bytes, separator: bytes) -> list[float] | None:
    """Return the numbers of a row by way of JSON, or None when a cell is neither number nor n/a.

    A row of numbers is JSON but for its separators, and is read exactly and faster that way than
    by any table reader at hand.
    """
    for mark in _OTHER_JSON:
        if mark in cells:
            return None
    if separator != COMMA:
        if COMMA in cells:
            return None
        cells = cells.replace(separator, COMMA)
    unknown = b"/" in cells
    if unknown:
        cells = cells.replace(b"n/a", b"null")
    try:
        numbers = orjson.loads(b"[" + cells + b"]")
    except orjson.JSONDecodeError:
        return None
    return [nan if number is None else number for number in numbers] if unknown else numbers


def _checked_numbers(cells: Sequence[str]) -> tuple[list[float], list[int]]:
    """Return the numbers of a row cell by cell, and the positions of cells that are none."""
    numbers: list[float] = []
    bad_columns: list[int] = []
    for column, cell in enumerate(cells):
        if _NUMBER.fullmatch(cell) and isfinite(float(cell)):
            numbers.append(float(cell))
        else:
            numbers.append(nan)
            if cell.strip() not in _MISSING:
                bad_columns.append(column)
    return numbers, bad_columns
