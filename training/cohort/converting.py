"""Cells of text to the kind of value that a Patient field holds: number, yes or no, or a name."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_schemas.cohort_rules import field_kinds, field_unit
from data_schemas.cohort_tables import Scalar, Source, conversion_factor, scalar_text
from data_schemas.instruments import INSTRUMENTS
from data_schemas.patient import Patient
from training.cohort.joining import Column, report_no_numbers
from training.cohort.records import Findings

Values = list[Any]
Numbers = npt.NDArray[np.float64]

# 1.0 where a program wrote yes and no with gaps as numbers.
_YES = ("yes", "y", "true", "1", "1.0")
_NO = ("no", "n", "false", "0", "0.0")
_BOOLEANS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)
_SEX_LETTERS = {"f": "female", "m": "male"}


def field_values(name: str, source: Source, columns: list[Column], findings: Findings) -> Values:
    """Return one value a participant for a Patient field, None where unknown.

    Cells that cannot be what the field holds are reported and become None; ranges and names are
    checked by Patient itself.
    """
    kinds = field_kinds(name)
    if tuple in kinds:
        return _tuples(name, source, columns, findings)
    column = columns[0]
    if value_map := source.values:  # noqa: PD011  # a key of the spec, not a DataFrame
        return mapped(column, value_map, findings)
    if bool in kinds:
        return booleans(column, findings)
    if float in kinds or int in kinds:
        numbers = converted(column, source, field_unit(name), findings)
        return whole(numbers, column, findings) if int in kinds else optional(numbers)
    return _names(name, column.cells)


def mapped(column: Column, values: dict[str, Scalar], findings: Findings) -> Values:
    """Return what each cell stands for, by the value map of the spec."""
    meaning = {scalar_text(cell): value for cell, value in values.items()}
    unlisted = column.known() & ~column.cells.isin(list(meaning)).to_numpy(dtype=np.bool_)
    findings.bad_cells(
        column.place,
        column.rows[unlisted],
        "is not among the values that the spec maps",
        ", ".join(meaning),
    )
    return _looked_up(column.cells, meaning)


def booleans(column: Column, findings: Findings) -> Values:
    """Return yes or no."""
    folded = column.cells.str.lower()
    unclear = column.known() & ~folded.isin(list(_BOOLEANS)).to_numpy(dtype=np.bool_)
    findings.bad_cells(
        column.place,
        column.rows[unclear],
        "is neither yes nor no; map its values in the spec",
        "yes/no, true/false, 1/0",
    )
    return _looked_up(folded, _BOOLEANS)


def numbers_of(column: Column, findings: Findings) -> Numbers:
    """Return the numbers of a column as they are in the file, NaN where missing."""
    numbers = column.numbers()
    report_no_numbers(column, column.known() & ~np.isfinite(numbers), findings)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def converted(column: Column, source: Source, unit: str, findings: Findings) -> Numbers:
    """Return the numbers of a column in the unit of their field."""
    numbers = numbers_of(column, findings)
    if source.from_unit is not None:
        return numbers * conversion_factor(source.from_unit, unit)
    factor = 1.0 if source.factor is None else source.factor
    return numbers * factor + (source.offset or 0.0)


def whole(numbers: Numbers, column: Column, findings: Findings) -> Values:
    """Return whole numbers; a fraction is reported."""
    fractions = np.isfinite(numbers) & (numbers != np.round(numbers))
    findings.bad_cells(column.place, column.rows[fractions], "should be a whole number")
    fine = np.isfinite(numbers) & ~fractions
    known = fine.tolist()
    return [
        int(n) if is_known else None for n, is_known in zip(numbers.tolist(), known, strict=True)
    ]


def optional(numbers: Numbers) -> Values:
    """Return floats, with None for NaN."""
    unknown = np.isnan(numbers).tolist()
    return [
        None if is_unknown else n for n, is_unknown in zip(numbers.tolist(), unknown, strict=True)
    ]


def _looked_up(cells: pd.Series, meaning: Mapping[str, Scalar]) -> Values:
    """Return the meaning of each cell, None for a missing or unknown one."""
    codes, texts = pd.factorize(cells)
    # A missing cell has code -1, which takes the last entry.
    meanings = np.array([*(meaning.get(text) for text in texts), None], dtype=object)
    return list(meanings[codes])


def _tuples(name: str, source: Source, columns: list[Column], findings: Findings) -> Values:
    """Return one tuple a participant, None unless all of its parts are known."""
    parts: list[Values] = []
    for column in columns:
        numbers = converted(column, source, field_unit(name), findings)
        items = name == "depression_items"
        parts.append(whole(numbers, column, findings) if items else optional(numbers))
    return [None if None in together else together for together in zip(*parts, strict=True)]


def _names(name: str, cells: pd.Series) -> Values:
    """Return names in the field's own spelling, whatever their case in the file."""
    spelling = {allowed.lower(): allowed for allowed in _allowed_names(name)}
    if name == "sex":
        spelling |= _SEX_LETTERS
    own = {cell: spelling.get(cell.lower(), cell) for cell in cells.dropna().unique()}
    return _looked_up(cells, own)


def _allowed_names(name: str) -> tuple[str, ...]:
    if name.endswith("_instrument"):
        return tuple(INSTRUMENTS)
    for kind in get_args(Patient.model_fields[name].annotation):
        if getattr(kind, "__origin__", None) is Literal:
            return get_args(kind)
    return ()
