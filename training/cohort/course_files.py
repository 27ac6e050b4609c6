"""A file of scores during treatment, beside a file of patients to predict."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from data_schemas.cohort_tables import TABLE_SUFFIXES, CohortTable
from data_schemas.course import Course
from data_schemas.errors import DataError, FieldProblem, field_problems
from training.cohort.converting import numbers_of, optional
from training.cohort.joining import Column
from training.cohort.patients import ID_COLUMNS
from training.cohort.records import Findings
from training.cohort.tables import Table, table_from_bytes

_CLOCKS: Final = ("session", "day")
_SCORE: Final = "score"
_MESSAGE: Final = "These scores cannot be used as they are."

_Visit = dict[str, float | int | None]


def read_course_file(path: Path, known: Collection[str]) -> dict[str, Course]:
    """Read the scores of patients.

    Parameters
    ----------
    path : Path
        A table with the columns `participant_id` or `id`, `session` or `day`, and `score`; a row a
        score, in any order.
    known : collection of str
        Ids of the patients; any other is refused.

    Returns
    -------
    dict of str to Course
        By id.

    Raises
    ------
    DataError
        Listing everything that is wrong, by row and column, never by value.
    """
    if not path.is_file():
        raise DataError(f"There is no file '{path}'.")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(f"'{path.name}' must end in one of: {', '.join(TABLE_SUFFIXES)}.")
    # The grammar's checks of a path do not concern a file that the user names himself.
    spec = CohortTable.model_construct(file=path.name)
    table, findings = table_from_bytes(path.read_bytes(), "", spec), Findings()
    identifier, clock = _columns(table)
    ids = table.cells(identifier).fillna("").tolist()
    strangers = [row for row, name in zip(table.rows, ids, strict=True) if name not in known]
    findings.bad_cells(identifier, strangers, "names none of the patients")
    times, scores = (
        optional(numbers_of(Column(table.cells(c), table.rows, c), findings))
        for c in (clock, _SCORE)
    )
    findings.raise_if_wrong(_MESSAGE)
    by_patient: dict[str, list[tuple[_Visit, int]]] = defaultdict(list)
    for name, time, score, row in zip(ids, times, scores, table.rows.tolist(), strict=True):
        by_patient[name].append(({clock: _whole(time), _SCORE: score}, row))
    courses = {name: _course(visits, clock, findings) for name, visits in by_patient.items()}
    findings.raise_if_wrong(_MESSAGE)
    return {name: course for name, course in courses.items() if course is not None}


def _columns(table: Table) -> tuple[str, str]:
    names = [str(name) for name in table.frame.columns]
    identifiers = [name for name in ID_COLUMNS if name in names]
    clocks = [name for name in _CLOCKS if name in names]
    if not identifiers or len(clocks) != 1 or _SCORE not in names:
        raise DataError(
            f"{table.spec.file} needs the columns {' or '.join(ID_COLUMNS)}, "
            f"{' or '.join(_CLOCKS)} (one of them), and {_SCORE}."
        )
    return identifiers[0], clocks[0]


def _whole(time: float | None) -> float | int | None:
    return int(time) if time is not None and time.is_integer() else time


def _course(visits: list[tuple[_Visit, int]], clock: str, findings: Findings) -> Course | None:
    """Return one patient's course; what is wrong is reported by the row of the file."""
    ordered = sorted(visits, key=lambda visit: visit[0][clock] or 0)
    try:
        return Course.model_validate({"visits": [visit for visit, _ in ordered]})
    except ValidationError as error:
        for problem in field_problems(error, Course):
            findings.error("value", _located(problem, [row for _, row in ordered]))
        return None


def _located(problem: FieldProblem, rows: list[int]) -> FieldProblem:
    """Move a problem from the number of a visit to the row that holds it."""
    parts = problem.field.split(".")
    if len(parts) < 2 or not parts[1].isdecimal():
        return replace(problem, row=rows[0])
    return replace(problem, field=parts[-1], row=rows[int(parts[1])])
