"""Patients as rows of a DataFrame, and predictions as rows of another: what MLflow speaks.

One column is one field of `Patient`; a missing cell, or a missing column, is unknown.

| in `Patient`           | column                                                              |
|------------------------|---------------------------------------------------------------------|
| numbers                | double                                                              |
| yes or no              | double, 1 or 0 (true and false are read too): a column of booleans  |
|                        | has no place for the unknown                                        |
| words                  | string                                                              |
| `coil_site_mni_mm`     | three doubles: `coil_site_x_mm`, `coil_site_y_mm`, `coil_site_z_mm` |
| `depression_items`     | doubles, `depression_item_1` and so on: all of a patient's, or none |
| `extra`                | one double each, `extra.NAME`                                       |
| `connectome`           | string, the JSON of the field                                       |
| `connectome_summary`   | the same                                                            |
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import orjson
import pandas as pd
from pydantic import ValidationError

from data_schemas.errors import DataError, FieldProblem, did_you_mean, field_problems
from data_schemas.patient import Patient
from data_schemas.patient_columns import COIL_SITE_COLUMNS, EXTRA_PREFIX, ITEM_COLUMNS
from data_schemas.patient_rules import post_treatment_reason
from data_schemas.prediction import Prediction

ANSWER_COLUMNS: Final = (
    "response_probability",
    "lower",
    "upper",
    "base_rate",
    "baseline_log_odds",
    "abstained",
)
_JSON_FIELDS: Final = ("connectome", "connectome_summary")
CONTRIBUTION_PREFIX: Final = "contribution."
NOTICES_COLUMN: Final = "notices"


@dataclass(frozen=True)
class FrameColumn:
    """One column of a table of patients: its name and the kind of its cells."""

    name: str
    kind: Literal["double", "string"]


def frame_columns(extra_names: Iterable[str] = ()) -> tuple[FrameColumn, ...]:
    """Return the columns of a table of patients, in the order of the fields of `Patient`.

    Parameters
    ----------
    extra_names : iterable of str
        Keys of `Patient.extra` that have a column.
    """
    columns: list[FrameColumn] = []
    for name, field in Patient.model_fields.items():
        if name == "coil_site_mni_mm":
            columns += [FrameColumn(axis, "double") for axis in COIL_SITE_COLUMNS]
        elif name == "depression_items":
            columns += [FrameColumn(item, "double") for item in ITEM_COLUMNS]
        elif name == "extra":
            columns += [FrameColumn(EXTRA_PREFIX + extra, "double") for extra in extra_names]
        elif name in _JSON_FIELDS:
            columns.append(FrameColumn(name, "string"))
        else:
            columns.append(FrameColumn(name, _kind(field.annotation)))
    return tuple(columns)


def _kind(annotation: Any) -> Literal["double", "string"]:  # noqa: ANN401
    [alone] = [part for part in get_args(annotation) if part is not NoneType]
    return "string" if alone is str or get_origin(alone) is Literal else "double"


def patients_to_frame(patients: Sequence[Patient]) -> pd.DataFrame:
    """Return patients as a table; the inverse of `patients_from_frame`.

    A connectome is some megabytes of text, so convert patients with scans a few dozen at a time.

    Parameters
    ----------
    patients : sequence of Patient, length n

    Returns
    -------
    DataFrame of n rows
        All columns of `frame_columns` for the extras that occur: float64 (NaN where unknown) or
        object holding text (None where unknown).

    Examples
    --------
    >>> frame = patients_to_frame([Patient(age_years=51, ssri=True), Patient(sex="female")])
    >>> frame[["age_years", "sex", "ssri"]].to_dict("list")
    {'age_years': [51.0, nan], 'sex': [None, 'female'], 'ssri': [1.0, nan]}
    """
    extra_names = sorted({name for patient in patients for name in patient.extra})
    rows = [_row_of(patient) for patient in patients]
    columns = {}
    for column in frame_columns(extra_names):
        dtype = "float64" if column.kind == "double" else "object"
        cells = [row.get(column.name) for row in rows]
        columns[column.name] = pd.Series(cells, dtype=dtype)
    return pd.DataFrame(columns)


def _row_of(patient: Patient) -> dict[str, object]:
    row: dict[str, object] = dict(patient)
    for name in ("extra", "coil_site_mni_mm", "depression_items"):
        del row[name]
    row.update({EXTRA_PREFIX + name: value for name, value in patient.extra.items()})
    row.update(zip(COIL_SITE_COLUMNS, patient.coil_site_mni_mm or (), strict=False))
    row.update(zip(ITEM_COLUMNS, patient.depression_items or (), strict=False))
    if patient.connectome is not None:
        # Pydantic takes thirty times as long over the 100,000 correlations of a scan.
        content = orjson.dumps(dict(patient.connectome), option=orjson.OPT_SERIALIZE_NUMPY)
        row["connectome"] = content.decode()
    if patient.connectome_summary is not None:
        row["connectome_summary"] = patient.connectome_summary.model_dump_json()
    return row


def patients_from_frame(
    frame: pd.DataFrame, extra_names: Iterable[str] | None = None
) -> list[Patient]:
    """Read and check a table of patients.

    Parameters
    ----------
    frame : DataFrame of n rows
        Columns among those of `frame_columns`, in any order.
    extra_names : iterable of str, optional
        The only keys of `Patient.extra` that may have a column; without it any may.

    Returns
    -------
    list of Patient, length n
        In the order of the rows.

    Raises
    ------
    DataError
        Naming unknown columns, or the rows (counted from 1) and columns that break a rule; never
        a value.
    """
    names = [str(name) for name in frame.columns]
    if problems := [*_column_problems(names, extra_names)]:
        raise DataError("The table of patients has columns that are not known.", problems)
    patients: list[Patient] = []
    records = frame.set_axis(names, axis="columns").to_dict("records")
    for number, record in enumerate(records, start=1):
        try:
            patients.append(_patient(record))
        except ValidationError as error:
            problems += [
                FieldProblem(problem.field, problem.problem, problem.allowed, row=number)
                for problem in field_problems(error, Patient)
            ]
        except _CellError as error:
            problems.append(FieldProblem(error.column, error.problem, row=number))
    if problems:
        raise DataError("The table holds cells that break a rule; rows count from 1.", problems)
    return patients


def _column_problems(
    names: Sequence[str], extra_names: Iterable[str] | None
) -> Iterator[FieldProblem]:
    given = [name.removeprefix(EXTRA_PREFIX) for name in names if name.startswith(EXTRA_PREFIX)]
    allowed = [
        column.name for column in frame_columns(given if extra_names is None else extra_names)
    ]
    for position, name in enumerate(names):
        if name in names[:position]:
            yield FieldProblem(name, "stands twice")
        elif name not in allowed:
            reason = post_treatment_reason(name)
            known = "is not a column of this model." + did_you_mean(name, allowed)
            yield FieldProblem(name, f"{reason}; leave it out" if reason else known)


class _CellError(Exception):
    """A cell that cannot be read, before `Patient` sees it."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column
        self.problem = problem


def _patient(record: Mapping[Any, Any]) -> Patient:
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in record.items():
        if _is_missing(value):
            continue
        if name.startswith(EXTRA_PREFIX):
            extra[name.removeprefix(EXTRA_PREFIX)] = value
        else:
            fields[name] = _decoded(name, value) if name in _JSON_FIELDS else value
    if any(column in fields for column in COIL_SITE_COLUMNS):
        fields["coil_site_mni_mm"] = _taken(fields, COIL_SITE_COLUMNS, "the other coordinates are")
    known = [number for number, column in enumerate(ITEM_COLUMNS, 1) if column in fields]
    if known:
        columns = ITEM_COLUMNS[: known[-1]]
        items = zip(columns, _taken(fields, columns, "later items are"), strict=True)
        fields["depression_items"] = [_whole(column, score) for column, score in items]
    return Patient.model_validate({**fields, "extra": extra})


def _taken(fields: dict[str, Any], columns: Sequence[str], others: str) -> list[Any]:
    """Take all of these cells out of the fields; none of them may be missing."""
    for column in columns:
        if column not in fields:
            raise _CellError(column, f"is missing while {others} not")
    return [fields.pop(column) for column in columns]


def _whole(column: str, value: object) -> object:
    """Return an item score as the whole number that a column of doubles holds."""
    if not isinstance(value, float):
        return value
    if not value.is_integer():
        raise _CellError(column, "should be a whole number")
    return int(value)


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)  # noqa: PLR0124


def _decoded(column: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise _CellError(column, "is not JSON") from None


def predictions_to_frame(
    predictions: Sequence[Prediction], feature_names: Sequence[str], index: pd.Index
) -> pd.DataFrame:
    """Return predictions as a table.

    Parameters
    ----------
    predictions : sequence of Prediction, length n
    feature_names : sequence of str, length p
        Features of the model.
    index : Index of length n
        Of the table of patients.

    Returns
    -------
    DataFrame of n rows
        Probabilities `response_probability`, `lower`, `upper` (NaN where the model abstains) and
        `base_rate`; `baseline_log_odds` and p columns `contribution.FEATURE`, in log-odds;
        `abstained`; `notices`, a JSON list of {code, field, message}.
    """
    rows = [_answer(prediction, feature_names) for prediction in predictions]
    frame = pd.DataFrame(rows, columns=list(answer_columns(feature_names)), index=index)
    numbers = [name for name in frame.columns if name not in {"abstained", NOTICES_COLUMN}]
    return frame.astype({**dict.fromkeys(numbers, "float64"), "abstained": "bool"})


def answer_columns(feature_names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a table of predictions."""
    contributions = [CONTRIBUTION_PREFIX + name for name in feature_names]
    return (*ANSWER_COLUMNS, *contributions, NOTICES_COLUMN)


def _answer(prediction: Prediction, feature_names: Sequence[str]) -> list[object]:
    interval = prediction.interval
    log_odds = {each.feature: each.log_odds for each in prediction.contributions}
    notices = [notice.model_dump() for notice in prediction.notices]
    return [
        prediction.response_probability,
        None if interval is None else interval.lower,
        None if interval is None else interval.upper,
        prediction.base_rate,
        prediction.baseline_log_odds,
        prediction.abstained,
        *(log_odds.get(name) for name in feature_names),
        json.dumps(notices, ensure_ascii=False),
    ]
