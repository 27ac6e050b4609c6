"""Text tables of numbers: lines, and cells read exactly, by way of JSON where possible."""

import re
from math import isfinite

import orjson

from features.readers.source import Source, refuse

_MISSING = {"", "n/a", "NA", "NaN", "nan"}
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
# What would make JSON of a row something else than numbers and the nulls put in for n/a: strings,
# lists, objects, true, false, null, and commas, which separate only after the tabs are replaced.
_OTHER_JSON = (b'"', b"[", b"{", b"u", b"f", b",")


def table_lines(source: Source) -> list[bytes]:
    """Return the lines of a text file without its byte order mark and the blank lines at its end.

    Raises
    ------
    DataError
        When it is empty or not text.
    """
    data = source.data.removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in data or data.startswith(b"\x1f\x8b"):
        refuse(source.where, "The file is not text; an uncompressed table with tabs is expected.")
    lines = data.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        refuse(source.where, "The file is empty.")
    return lines


def decoded(where: str, data: bytes) -> str:
    """Return UTF-8 text, or refuse the file.

    Raises
    ------
    DataError
        When it is not in UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        refuse(where, "The file is not text in UTF-8.")


def plain_numbers(cells: bytes) -> list[float | None] | None:
    """Return the numbers of a row by way of JSON, or None when a cell is neither number nor n/a.

    A row of numbers is JSON but for its separators, and is read exactly and faster that way than
    by any table reader at hand.
    """
    if any(mark in cells for mark in _OTHER_JSON):
        return None
    text = cells.replace(b"\t", b",")
    if b"/" in text:
        text = text.replace(b"n/a", b"null")
    try:
        numbers: list[float | None] = orjson.loads(b"[" + text + b"]")
    except orjson.JSONDecodeError:
        return None
    return numbers


def checked_numbers(cells: str) -> tuple[list[float | None], list[int]]:
    """Return the numbers of a row cell by cell, and the positions of cells that are none."""
    numbers: list[float | None] = []
    bad_columns: list[int] = []
    for column, cell in enumerate(cells.split("\t")):
        if _NUMBER.fullmatch(cell) and isfinite(float(cell)):
            numbers.append(float(cell))
        else:
            numbers.append(None)
            if cell.strip() not in _MISSING:
                bad_columns.append(column)
    return numbers, bad_columns
