"""Simulated cohorts with their courses, in memory; and models of the course made of them."""

from dataclasses import replace
from functools import cache

import numpy as np
from cohort_tables import minimal_spec, quick_config

from data_schemas.cohort_course import CourseColumns
from data_schemas.cohort_tables import Source
from data_schemas.course import Course
from data_schemas.outcome import Outcome
from serving.predictor import ResponsePredictor
from training.cohort.records import Cohort, CohortMember
from training.config import TrainingConfig
from training.course.models import MadeCourse, make_course
from training.dataset import TrainingTable, build_table
from training.engine.engines import LocalEngine
from training.learning.fit import fit_predictor
from training.learning.models import LIGHTGBM_CLINICAL
from training.learning.rows import FloatArray, IntArray
from training.simulator.clinical import OUTCOME_INSTRUMENT
from training.simulator.course import SESSIONS_A_WEEK, draw_course
from training.simulator.draw import draw_patients
from training.simulator.patients import to_patients
from training.simulator.phenotypes import participant_ids
from training.workshop import Workshop

WEEKS = (1.0, 3.0)
_COLUMNS = CourseColumns(
    score=Source(column="t.score"),
    session=Source(column="t.session"),
    sessions_a_week=SESSIONS_A_WEEK,
    ended=Source(column="t.ended"),
)


def course_config(**changes: object) -> TrainingConfig:
    """Return a configuration with two landmarks, clinical features and little work."""
    config = quick_config(feature_groups=("clinical",), **changes)
    course = config.course.model_copy(update={"landmark_weeks": WEEKS})
    return config.model_copy(update={"course": course})


def course_cohort(n: int = 240, seed: int = 3, n_sites: int = 4) -> Cohort:
    """Return simulated patients as reading their files would give them."""
    draw = draw_patients(n, seed=seed, n_sites=n_sites)
    course, totals = draw_course(draw), draw.outcomes
    members = tuple(
        CohortMember(
            id=name,
            patient=patient,
            outcome=Outcome(
                instrument=OUTCOME_INSTRUMENT,
                baseline_total=totals.baseline_total[row],
                final_total=totals.final_total[row],
            )
            if draw.outcome_known[row]
            else None,
            course=_visits(course.session[row, seen], course.score[row, seen]),
            course_ended_week=None if np.isnan(received) else float(received) / SESSIONS_A_WEEK,
        )
        for row, (name, patient, seen, received) in enumerate(
            zip(
                participant_ids(n), to_patients(draw), course.observed,
                course.sessions_received, strict=True,
            )
        )
    )  # fmt: skip
    spec = minimal_spec(course=_COLUMNS)
    return Cohort(spec.name, spec, members, (), (), "f" * 64, simulated=True)


def _visits(sessions: IntArray, scores: FloatArray) -> Course | None:
    visits = [
        {"session": int(session), "score": float(score)}
        for session, score in zip(sessions, scores, strict=True)
    ]
    return Course.model_validate({"visits": visits}) if visits else None


def altered_after(cohort: Cohort, week: float) -> Cohort:
    """Return the cohort with every later score changed, and every later end of treatment."""
    members = []
    for member in cohort.members:
        visits = member.course.visits if member.course else ()
        weeks = member.course.weeks() if member.course else ()
        changed = tuple(
            visit if when <= week else visit.model_copy(update={"score": 52 - visit.score})
            for visit, when in zip(visits, weeks, strict=True)
        )
        ended = member.course_ended_week
        late = None if ended is not None and ended >= week else ended
        course = Course(visits=changed) if changed else None
        members.append(replace(member, course=course, course_ended_week=late))
    return replace(cohort, members=tuple(members))


def workshop(config: TrainingConfig) -> Workshop:
    """Return what runs everything here, and keeps nothing."""
    return Workshop(config, LocalEngine(1), None, lambda _stage, _done, _total: None)


def made_course(cohort: Cohort, config: TrainingConfig) -> tuple[TrainingTable, MadeCourse]:
    """Return the whole table of a cohort and its models of the course."""
    table = build_table(cohort, config)
    return table, make_course(cohort, table, workshop(config))


@cache
def standard_course() -> tuple[Cohort, TrainingTable, MadeCourse]:
    """Return the default cohort, its whole table and its models of the course."""
    cohort = course_cohort()
    return cohort, *made_course(cohort, course_config())


@cache
def course_family() -> ResponsePredictor:
    """Return a model before treatment with those of two landmarks beside it."""
    cohort, table, made = standard_course()
    before = fit_predictor(
        table, cohort.spec, course_config(),
        served=LIGHTGBM_CLINICAL, fingerprint=cohort.fingerprint,
    )  # fmt: skip
    return before.with_landmarks(made.predictors)
