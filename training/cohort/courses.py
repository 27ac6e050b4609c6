"""The scores of each participant during treatment, from long or wide tables."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_schemas.cohort_course import CourseColumns
from data_schemas.cohort_tables import Source
from data_schemas.course import DAYS_A_WEEK, MOST_VISITS, Course, CourseVisit
from data_schemas.errors import FieldProblem
from data_schemas.instruments import get_instrument
from training.cohort.converting import Numbers, converted, mapped
from training.cohort.joining import Column, Study
from training.cohort.records import Findings

# As in `CourseVisit`.
_LATEST = {"session": 200.0, "day": 3660.0, "week": 3660.0 / DAYS_A_WEEK}


class ReadCourse(NamedTuple):
    """What is known of one participant's course, and when it was stopped early, in weeks."""

    course: Course | None
    ended: float | None


def read_courses(study: Study) -> list[ReadCourse]:
    """Return one course a participant; nothing is known where the spec names none.

    Scores out of the instrument's range, times that are none, and two scores of one time are
    reported. Rows without a score, or at or before the first session, are left out.
    """
    spec = study.spec.course
    if spec is None:
        return [ReadCourse(None, None)] * len(study.ids)
    scores = _wide(study, spec) if spec.visits else _long(study, spec)
    ended = _ended(study, spec)
    return [
        ReadCourse(_course(scores[number], spec), None if np.isnan(end) else float(end))
        for number, end in enumerate(ended.tolist())
    ]


# Participant -> time -> score.
_Scores = dict[int, dict[float, float]]


def _wide(study: Study, spec: CourseColumns) -> _Scores:
    scores: _Scores = defaultdict(dict)
    for visit in spec.visits:
        (column,) = study.columns(visit.score)
        points = _points(study, spec, visit.score, column)
        for number in np.flatnonzero(~np.isnan(points)).tolist():
            scores[number][visit.week] = float(points[number])
    return scores


def _long(study: Study, spec: CourseColumns) -> _Scores:
    assert spec.score is not None  # noqa: S101  # checked when the spec was read
    assert spec.time is not None  # noqa: S101
    rows = _Rows(study, spec.score)
    points = _points(study, spec, spec.score, rows.column(spec.score))
    clock = rows.column(spec.time)
    times = _times(clock, spec.time, spec, study.findings)
    timeless = ~np.isnan(points) & ~clock.known()
    study.findings.bad_cells(clock.place, clock.rows[timeless], "is empty beside a score")
    scores: _Scores = defaultdict(dict)
    repeated = []
    during = ~np.isnan(points) & (times > 0)
    for row in np.flatnonzero(during).tolist():
        own, time = scores[int(rows.participants[row])], float(times[row])
        if time in own:
            repeated.append(clock.rows[row])
        own[time] = float(points[row])
    study.findings.bad_cells(
        clock.place, repeated, f"names the {spec.clock} of an earlier score of the participant"
    )
    crowded = sum(len(own) > MOST_VISITS for own in scores.values())
    if crowded:
        sentence = f"gives some participants more than {MOST_VISITS} scores each"
        study.findings.error("value", FieldProblem(clock.place, sentence))
    return scores


class _Rows:
    """The rows of a long table that belong to the study's participants."""

    def __init__(self, study: Study, source: Source) -> None:
        self._study = study
        (reference,) = source.references()
        self._table = study.tables[study.spec.place(reference)[0]]
        ids = pd.Index(self._table.frame[self._table.spec.id])
        everyone = study.ids.get_indexer(ids)
        self._ours = everyone >= 0
        self.participants = everyone[self._ours]

    def column(self, source: Source) -> Column:
        """Return one column of those rows."""
        (reference,) = source.references()
        name = self._study.spec.place(reference)[1]
        cells = self._table.cells(name, source.missing)[self._ours].reset_index(drop=True)
        table = self._table
        return Column(
            cells, table.rows[self._ours], table.place(name), table.spec.decimal, table.name
        )


def _points(study: Study, spec: CourseColumns, source: Source, column: Column) -> Numbers:
    scale = get_instrument(spec.instrument or study.spec.outcome.instrument)
    points = _numbers(column, source, "points", study.findings)
    outside = (points < scale.minimum) | (points > scale.maximum)
    allowed = f"{scale.minimum} to {scale.maximum}"
    problem = f"is out of range for a {scale.name} total"
    study.findings.bad_cells(column.place, column.rows[outside], problem, allowed)
    return np.where(outside, np.nan, points)


def _times(column: Column, source: Source, spec: CourseColumns, findings: Findings) -> Numbers:
    times = _numbers(column, source, spec.unit, findings)
    late = times > _LATEST[spec.clock]
    broken = (times != np.round(times)) & ~np.isnan(times) & (spec.clock == "session")
    findings.bad_cells(column.place, column.rows[broken], "should be a whole number of sessions")
    allowed = f"up to {_LATEST[spec.clock]:.4g} {spec.unit}"
    findings.bad_cells(column.place, column.rows[late], "is too late", allowed)
    return np.where(late | broken, np.nan, times)


def _numbers(column: Column, source: Source, unit: str, findings: Findings) -> Numbers:
    if value_map := source.values:  # noqa: PD011  # a key of the spec, not a DataFrame
        return np.array(
            [np.nan if value is None else value for value in mapped(column, value_map, findings)],
            dtype=np.float64,
        )
    return converted(column, source, unit, findings)


def _ended(study: Study, spec: CourseColumns) -> Numbers:
    """Return the week in which each participant stopped early, NaN where he did not."""
    if spec.ended is None:
        return np.full(len(study.ids), np.nan)
    (column,) = study.columns(spec.ended)
    times = _times(column, spec.ended, spec, study.findings)
    return times / {"session": spec.sessions_a_week, "day": DAYS_A_WEEK, "week": 1.0}[spec.clock]


def _course(scores: dict[float, float], spec: CourseColumns) -> Course | None:
    if not scores or len(scores) > MOST_VISITS:
        return None
    visits = []
    for time, score in sorted(scores.items()):
        if spec.clock == "session":
            visits.append(CourseVisit(session=int(time), score=score))
        else:
            days = time if spec.clock == "day" else time * DAYS_A_WEEK
            visits.append(CourseVisit(day=days, score=score))
    return Course(visits=tuple(visits))
