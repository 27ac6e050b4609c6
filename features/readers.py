"""Connectomes from files: the `*_relmat.tsv` of XCP-D.

A relmat is a square table, tab-separated: a header of `Node` and the parcel labels, then one row
a parcel, its label first, with Pearson r and `n/a` where a parcel was not covered. Names with
`atlas-` and the older `seg-` hold the same. Layout: XCP-D, docs/outputs.rst.

Beside it may lie a sidecar of the same name ending in `.json`. Read from it, where present:

| key | meaning |
|-----|---------|
| `num_retained_volumes` | volumes left after censoring (the name used in XCP-D's quality tables) |
| `mean_fd` | mean framewise displacement in mm (as above) |
| `NuisanceParameters` | XCP-D's denoising strategy; tells whether the global signal was regressed |
| `GlobalSignalRegressed` | true or false; wins, for strategies that XCP-D does not name |
"""

import re
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, Never

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import ValidationError

from data_schemas.connectome import MAXIMUM_PARCELS, MINIMUM_PARCELS, Connectome
from data_schemas.errors import DataError, FieldProblem, field_problems

FloatArray = npt.NDArray[np.float64]

# A matrix of the largest atlas written with 20 digits takes 30 MB.
MAXIMUM_FILE_BYTES = 40_000_000
MAXIMUM_SIDECAR_BYTES = 1_000_000

# XCP-D's denoising strategies (its data/nuisance/*.yml): is the global signal among the
# regressors? Unknown for custom ones.
GLOBAL_SIGNAL_REGRESSED = {
    "24P": False, "27P": True, "36P": True, "acompcor": False, "acompcor_gsr": True,
    "aroma": False, "aroma_gsr": True, "gsr_only": True, "rapidtide+36P": True, "none": False,
}  # fmt: skip

_SIDECAR_KEYS = {
    "n_volumes": "num_retained_volumes",
    "mean_framewise_displacement_mm": "mean_fd",
    "global_signal_regressed": "GlobalSignalRegressed",
}

_MISSING = {"", "n/a", "NA", "NaN", "nan"}
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
# What would make JSON of a row something else than numbers and the nulls put in for n/a: strings,
# lists, objects, true, false, null, and commas, which separate only after the tabs are replaced.
_OTHER_JSON = (b'"', b"[", b"{", b"u", b"f", b",")


def read_relmat(path: Path) -> Connectome:
    """Read a connectome from an XCP-D `*_relmat.tsv` and the sidecar beside it, if any.

    Parameters
    ----------
    path : Path
        At most 40 MB.

    Returns
    -------
    Connectome
        With the parcels in the order of the file.

    Raises
    ------
    DataError
        Naming the file, and the rows and columns that are wrong, never a value: when the file is
        absent, empty, too large, not text, cut short, not square, not symmetric, or holds
        something else than correlations.
    """
    header, *rows = _lines(path)
    labels = _labels(path, header)
    matrix = _matrix(path, rows, labels)
    sidecar = path.with_suffix(".json")
    quality = _quality(sidecar)
    try:
        return Connectome.from_matrix(labels, matrix, **quality)
    except DataError as error:
        _refuse(path, error.message, *error.problems)
    except ValidationError as error:
        # Labels and matrix have passed their checks, so that only the sidecar can be wrong.
        _refuse(sidecar, "The sidecar holds what cannot be.", *_sidecar_problems(error))


def _refuse(path: Path, what: str, *problems: FieldProblem) -> Never:
    raise DataError(f"{path}: {what}", problems) from None


def _read(path: Path, limit: int) -> bytes:
    if path.is_dir():
        _refuse(path, "This is a folder; a file is expected.")
    if not path.is_file():
        _refuse(path, "There is no such file.")
    try:
        with path.open("rb") as file:
            # One byte more than the limit or the size tells whether it is larger, and no buffer
            # of the limit's size is made for a small file.
            data = file.read(min(limit, path.stat().st_size) + 1)
    except OSError:
        _refuse(path, "The file cannot be read; check its permissions.")
    if len(data) > limit:
        _refuse(path, f"The file is larger than {limit // 1_000_000} MB.")
    return data


def _lines(path: Path) -> list[bytes]:
    data = _read(path, MAXIMUM_FILE_BYTES).removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in data or data.startswith(b"\x1f\x8b"):
        _refuse(path, "The file is not text; an uncompressed table with tabs is expected.")
    lines = data.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        _refuse(path, "The file is empty.")
    return lines


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(path, "The file is not text in UTF-8.")


def _labels(path: Path, header: bytes) -> list[str]:
    corner, *labels = _text(path, header).split("\t")
    if corner != "Node":
        _refuse(path, "The first line must be 'Node' and the parcel labels, separated by tabs.")
    if not MINIMUM_PARCELS <= len(labels) <= MAXIMUM_PARCELS:
        _refuse(path, f"Between {MINIMUM_PARCELS} and {MAXIMUM_PARCELS} parcels are expected.")
    seen: set[str] = set()
    for column, label in enumerate(labels, 2):
        if not label or label in seen:
            _refuse(path, f"The label of column {column} is {'repeated' if label else 'empty'}.")
        seen.add(label)
    return labels


def _matrix(path: Path, lines: list[bytes], labels: list[str]) -> FloatArray:
    """Return the numbers of all rows, shape (n, n), with NaN where n/a."""
    n = len(labels)
    if len(lines) != n:
        short = "; the file is cut short" if len(lines) < n else ""
        _refuse(path, f"The matrix has {n} columns and {len(lines)} rows{short}.")
    matrix = np.empty((n, n))
    bad_cells: list[FieldProblem] = []
    for row, (line, label) in enumerate(zip(lines, labels, strict=True)):
        name, _, cells = line.partition(b"\t")
        if name != label.encode():
            _refuse(path, f"Row {row + 2} should be that of {label}, in the order of the columns.")
        numbers = _plain_numbers(cells)
        if numbers is None:
            numbers, bad_columns = _checked_numbers(_text(path, cells))
            bad_cells += (
                FieldProblem(_column_name(column, labels), "is not a number", row=row + 2)
                for column in bad_columns
            )
        if len(numbers) != n:
            _refuse(path, f"Row {row + 2} ({label}) has {len(numbers)} cells instead of {n}.")
        matrix[row] = numbers
    if bad_cells:
        _refuse(path, "Some cells are neither numbers nor n/a.", *bad_cells)
    return matrix


def _column_name(column: int, labels: list[str]) -> str:
    label = f" ({labels[column]})" if column < len(labels) else ""
    return f"column {column + 2}{label}"


def _plain_numbers(cells: bytes) -> list[float | None] | None:
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


def _checked_numbers(cells: str) -> tuple[list[float | None], list[int]]:
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


def _quality(sidecar: Path) -> dict[str, Any]:
    """Return what the sidecar tells about quality; nothing where there is none."""
    if not sidecar.exists():
        return {}
    try:
        content = orjson.loads(_read(sidecar, MAXIMUM_SIDECAR_BYTES))
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        _refuse(sidecar, "The sidecar is not a JSON object.")
    quality = {field: content.get(key) for field, key in _SIDECAR_KEYS.items()}
    if quality["global_signal_regressed"] is None:
        strategy = str(content.get("NuisanceParameters"))
        quality["global_signal_regressed"] = GLOBAL_SIGNAL_REGRESSED.get(strategy)
    return quality


def _sidecar_problems(error: ValidationError) -> list[FieldProblem]:
    return [
        replace(problem, field=_SIDECAR_KEYS.get(problem.field, problem.field))
        for problem in field_problems(error)
    ]
