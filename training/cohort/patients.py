"""A file of patients to predict: JSON, JSON lines, or a table with one row a patient."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from data_schemas.cohort_rules import PATIENT_FIELDS
from data_schemas.cohort_tables import TABLE_SUFFIXES, CohortTable, Source
from data_schemas.errors import DataError, FieldProblem, did_you_mean, field_problems
from data_schemas.patient import Patient
from data_schemas.patient_columns import COIL_SITE_COLUMNS, EXTRA_PREFIX, ITEM_COLUMNS
from data_schemas.patient_rules import post_treatment_reason
from training.cohort.converting import field_values, numbers_of, optional
from training.cohort.joining import Column
from training.cohort.mapping import FieldColumn, PatientColumns, build_patients
from training.cohort.records import Findings
from training.cohort.tables import Table, table_from_bytes

ID_COLUMNS = ("participant_id", "id")
_ONE_COLUMN = tuple(
    name for name in PATIENT_FIELDS if name not in {"coil_site_mni_mm", "depression_items"}
)

_MESSAGE = "These patients cannot be used as they are."


def read_patients(path: Path | str) -> list[tuple[str, Patient]]:
    """Read the patients of a file.

    Parameters
    ----------
    path : Path or str
        `.json` (one object or a list), `.jsonl` (an object a line), or `.csv`, `.tsv`, `.xlsx`,
        `.parquet` whose columns are Patient fields. In a table, `coil_site_x_mm`, `_y_` and
        `_z_` give the coil site, `depression_item_1` and so on the items, and `extra.NAME`
        further measurements. `participant_id` or `id` names the patient; without it patients
        are numbered.

    Returns
    -------
    list of (str, Patient)
        Id and patient, in the order of the file.

    Raises
    ------
    DataError
        Listing everything that is wrong, by row and field, never by value.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file '{path}'.")
    content = path.read_bytes()
    if not content.strip():
        raise DataError(f"{path.name} is empty.")
    suffix = path.suffix.lower()
    if suffix in {".json", ".jsonl"}:
        return _from_records(_records(content, path))
    if suffix in TABLE_SUFFIXES:
        # The grammar's checks of a path do not concern a file that the user names himself.
        spec = CohortTable.model_construct(file=path.name)
        return _from_table(table_from_bytes(content, "", spec))
    allowed = ", ".join((".json", ".jsonl", *TABLE_SUFFIXES))
    raise DataError(f"'{path.name}' must end in one of: {allowed}.")


def _records(content: bytes, path: Path) -> list[tuple[int, object]]:
    """Return each object with its number in a list, or its line in a file of JSON lines."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not a text file in UTF-8.") from None
    if path.suffix.lower() == ".jsonl":
        lines = enumerate(text.split("\n"), 1)
        return [(line, _json(record, path, line - 1)) for line, record in lines if record.strip()]
    whole = _json(text, path, 0)
    return list(enumerate(whole if isinstance(whole, list) else [whole], 1))


def _json(text: str, path: Path, lines_before: int) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {lines_before + error.lineno}, column {error.colno}"
        raise DataError(f"{path.name} is not valid JSON: {error.msg}, at {where}.") from None
    except ValueError:
        raise DataError(f"{path.name} holds a number with too many digits.") from None
    except RecursionError:
        raise DataError(f"{path.name} is not a list of patients: it is nested too deep.") from None


def _from_records(records: list[tuple[int, object]]) -> list[tuple[str, Patient]]:
    findings = Findings()
    patients: list[tuple[str, Patient]] = []
    for number, record in records:
        if not isinstance(record, dict):
            findings.error("value", FieldProblem("patient", "should be an object", row=number))
            continue
        label = next((record[key] for key in ID_COLUMNS if key in record), number)
        if not isinstance(label, str | int):
            findings.error("value", FieldProblem("id", "should be text", row=number))
        fields = {key: value for key, value in record.items() if key not in ID_COLUMNS}
        try:
            patients.append((str(label), Patient.model_validate(fields)))
        except ValidationError as error:
            for problem in field_problems(error, Patient):
                found = replace(problem, problem=_with_hint(problem, fields), row=number)
                findings.error("value", found)
    return _checked(patients, [number for number, _ in records], findings)


def _with_hint(problem: FieldProblem, fields: dict[str, object]) -> str:
    """Add the nearest field to the sentence about an unknown one."""
    name = problem.field
    is_stranger = name in fields and name not in Patient.model_fields
    if not is_stranger or post_treatment_reason(name):
        return problem.problem
    hint = did_you_mean(name, Patient.model_fields)
    return f"{problem.problem}.{hint}" if hint else problem.problem


def _from_table(table: Table) -> list[tuple[str, Patient]]:
    findings = Findings()
    names = [str(name) for name in table.frame.columns]
    _report_unknown(names, findings)
    findings.raise_if_wrong(_MESSAGE)
    columns = PatientColumns()
    for name in names:
        if name in _ONE_COLUMN:
            columns.fields[name] = _field(table, name, (name,), findings)
        elif name.startswith(EXTRA_PREFIX):
            column = _column(table, name)
            values = optional(numbers_of(column, findings))
            columns.extra[name.removeprefix(EXTRA_PREFIX)] = FieldColumn(values, (column,))
    if set(COIL_SITE_COLUMNS) <= set(names):
        columns.fields["coil_site_mni_mm"] = _field(
            table, "coil_site_mni_mm", COIL_SITE_COLUMNS, findings
        )
    # A table for every instrument has more columns than the patients of one fill.
    items = [name for name in ITEM_COLUMNS if name in names and table.cells(name).notna().any()]
    if items:
        columns.fields["depression_items"] = _field(table, "depression_items", items, findings)
    patients = build_patients(columns, len(table.rows), findings)
    ids = next((table.cells(name) for name in ID_COLUMNS if name in names), None)
    labels = ids.fillna("").tolist() if ids is not None else range(1, len(patients) + 1)
    named = [
        (str(label), patient)
        for label, patient in zip(labels, patients, strict=True)
        if patient is not None
    ]
    return _checked(named, table.rows.tolist(), findings)


def _column(table: Table, name: str) -> Column:
    return Column(table.cells(name), table.rows, table.place(name))


def _field(table: Table, name: str, parts: Sequence[str], findings: Findings) -> FieldColumn:
    columns = [_column(table, part) for part in parts]
    source = Source(columns=tuple(parts)) if len(parts) > 1 else Source(column=parts[0])
    return FieldColumn(field_values(name, source, columns, findings), tuple(columns))


def _report_unknown(names: list[str], findings: Findings) -> None:
    known = (*ID_COLUMNS, *_ONE_COLUMN, *COIL_SITE_COLUMNS)
    strangers = [
        name
        for name in names
        if not (name in known or name.startswith(EXTRA_PREFIX) or name in ITEM_COLUMNS)
    ]
    if len(strangers) == len(names):
        # The names are not repeated: in a file without a header they are a patient's values.
        sentence = "names no field of a patient; is it a header?"
        findings.error("unknown_column", FieldProblem("the first line", sentence, ", ".join(known)))
        return
    for name in strangers:
        reason = post_treatment_reason(name)
        sentence = f"{reason}; leave it out" if reason else "is not a field of a patient."
        hint = "" if reason else did_you_mean(name, (*known, ITEM_COLUMNS[0]))
        allowed = "" if reason else ", ".join(known)
        findings.error("unknown_column", FieldProblem(f"column '{name}'", sentence + hint, allowed))
    if 0 < len(set(COIL_SITE_COLUMNS) & set(names)) < len(COIL_SITE_COLUMNS):
        problem = FieldProblem("coil_site_mni_mm", f"needs {', '.join(COIL_SITE_COLUMNS)}")
        findings.error("unknown_column", problem)


def _checked(
    patients: list[tuple[str, Patient]], rows: list[int], findings: Findings
) -> list[tuple[str, Patient]]:
    """Return the patients, unless something was wrong with one of them."""
    findings.raise_if_wrong(_MESSAGE)
    counts = Counter(label for label, _ in patients)
    findings.bad_cells(
        "participant_id",
        [
            row
            for (label, _), row in zip(patients, rows, strict=True)
            if not label or counts[label] > 1
        ],
        "names more than one patient, or is missing",
        code="duplicate_id",
    )
    findings.raise_if_wrong(_MESSAGE)
    return patients
