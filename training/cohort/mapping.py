"""From the columns of a study to Patients, every value validated by the Patient schema."""

import re
from dataclasses import dataclass, field

import numpy as np
from pydantic import ValidationError

from data_schemas.cohort import CohortSpec
from data_schemas.cohort_sections import ExtraMeasurement
from data_schemas.cohort_tables import Source
from data_schemas.errors import FieldProblem, field_problems
from data_schemas.instruments import get_instrument
from data_schemas.patient import Patient
from data_schemas.patient_rules import SEVERITY_DOMAINS
from training.cohort.converting import Values, converted, field_values, mapped, optional
from training.cohort.joining import Column, Study
from training.cohort.records import Findings, Progress

_PROGRESS_STEP = 1000


@dataclass(frozen=True)
class FieldColumn:
    """One Patient field (or `extra.name`), a value a participant, and where it was read.

    Attributes
    ----------
    values : list
        None where unknown.
    columns : tuple of Column
        What it was read from; empty for a constant of the spec.
    """

    values: Values
    columns: tuple[Column, ...] = ()

    @property
    def origin(self) -> str:
        """File and column, the first of several, in words."""
        return self.columns[0].place if self.columns else "a constant of the spec"

    def place(self, participant: int, part: int = 0) -> tuple[str, int | None]:
        """Return the file and column, and the row, of one part of a participant's value."""
        if not self.columns:
            return "the spec", None
        column = self.columns[min(part, len(self.columns) - 1)]
        return column.place, int(column.rows[participant])

    def reads(self, other: "FieldColumn") -> bool:
        """Tell whether both were read from the same cells (of several columns, the first)."""
        if not self.columns or not other.columns:
            return False
        own, others = self.columns[0], other.columns[0]
        return own.place == others.place and np.array_equal(own.rows, others.rows)

    def where_known(self, other: "FieldColumn") -> "FieldColumn":
        """Return this column without the values of those of whom the other knows none.

        What is wrong with the cells of both has been reported once, with the other.
        """
        pairs = zip(self.values, other.values, strict=True)
        values = [None if known is None else value for value, known in pairs]
        return FieldColumn(values, self.columns)


@dataclass
class PatientColumns:
    """Every field that a cohort fills.

    Attributes
    ----------
    fields : dict of FieldColumn
        By Patient field.
    extra : dict of FieldColumn
        By name of the declared measurement.
    """

    fields: dict[str, FieldColumn] = field(default_factory=dict)
    extra: dict[str, FieldColumn] = field(default_factory=dict)


def patient_columns(study: Study, baseline: FieldColumn) -> PatientColumns:
    """Read every field that the spec maps.

    Parameters
    ----------
    study : Study
    baseline : FieldColumn
        Baseline totals of the outcome, which stand for `depression_total` unless the spec names
        another column.
    """
    spec, findings = study.spec, study.findings
    found = PatientColumns()
    for name, source in spec.patient.items():
        column = _field_column(study, name, source)
        found.fields[name] = column.where_known(baseline) if column.reads(baseline) else column
    if not {"depression_instrument", "depression_total", "depression_items"} & set(spec.patient):
        instrument = get_instrument(spec.outcome.instrument)
        if instrument.domain in SEVERITY_DOMAINS:
            names: Values = [
                None if total is None else instrument.name for total in baseline.values
            ]
            found.fields["depression_instrument"] = FieldColumn(names)
            found.fields["depression_total"] = baseline
    for name, extra in spec.extra.items():
        found.extra[name] = _extra_column(study, extra, findings)
    return found


def _field_column(study: Study, name: str, source: Source) -> FieldColumn:
    if source.value is not None:
        return FieldColumn([source.value] * len(study.ids))
    columns = study.columns(source)
    return FieldColumn(field_values(name, source, columns, study.findings), tuple(columns))


def _extra_column(study: Study, extra: ExtraMeasurement, findings: Findings) -> FieldColumn:
    (column,) = study.columns(extra)
    if extra.values is not None:
        meanings = mapped(column, extra.values, findings)
        numbers = np.array([np.nan if value is None else value for value in meanings], np.float64)
    else:
        numbers = converted(column, extra, extra.unit, findings)
    outside = (numbers < extra.minimum) | (numbers > extra.maximum)
    findings.bad_cells(
        column.place,
        column.rows[outside],
        "is out of the range that the spec declares",
        f"{extra.minimum:g} to {extra.maximum:g}",
    )
    numbers[outside] = np.nan
    return FieldColumn(optional(numbers), (column,))


def build_patients(
    columns: PatientColumns,
    count: int,
    findings: Findings,
    progress: Progress | None = None,
) -> list[Patient | None]:
    """Validate one Patient for each participant.

    Parameters
    ----------
    columns : PatientColumns
    count : int
        How many participants there are.
    findings : Findings
        Where a patient that breaks a rule is reported, by row and column.
    progress : callable or None
        Told now and then how many are done.

    Returns
    -------
    list of Patient or None
        One a participant; None where a rule was broken.
    """
    patients: list[Patient | None] = []
    for number in range(count):
        if progress is not None and number % _PROGRESS_STEP == 0:
            progress(number, count)
        try:
            patients.append(Patient.model_validate(_record(columns, number)))
        except ValidationError as error:
            patients.append(None)
            for problem in field_problems(error, Patient):
                findings.error("value", _located(problem, columns, number))
    if progress is not None:
        progress(count, count)
    return patients


def _record(columns: PatientColumns, number: int) -> dict[str, object]:
    record: dict[str, object] = {
        name: value
        for name, found in columns.fields.items()
        if (value := found.values[number]) is not None
    }
    record["extra"] = {
        name: value
        for name, found in columns.extra.items()
        if (value := found.values[number]) is not None
    }
    return record


def _located(problem: FieldProblem, columns: PatientColumns, number: int) -> FieldProblem:
    """Move a problem from the field of a Patient to the cell that caused it."""
    known = {**{f"extra.{name}": found for name, found in columns.extra.items()}, **columns.fields}
    # A rule between fields names them in its sentence; a part has its number behind the field.
    mentioned = (problem.field, *re.findall(r"\w+", f"{problem.field} {problem.problem}"))
    name = next((word for word in mentioned if word in known), None)
    if name is None:
        return problem
    part = problem.field.rpartition(".")[2]
    place, row = known[name].place(number, int(part) if part.isdigit() else 0)
    sentence = problem.problem if name in problem.problem else f"{name} {problem.problem}"
    return FieldProblem(place, sentence, problem.allowed, row)


def specified_columns(spec: CohortSpec) -> dict[str, list[str]]:
    """Return the columns that a spec needs, by table."""
    needed: dict[str, list[str]] = {
        name: [
            column
            for column in (table.id, table.visit, table.first, *(row.column for row in table.rows))
            if column is not None
        ]
        for name, table in spec.tables.items()
    }
    for source in spec.sources().values():
        for reference in source.references():
            table, column = spec.place(reference)
            needed[table].append(column)
    return {name: list(dict.fromkeys(columns)) for name, columns in needed.items()}
