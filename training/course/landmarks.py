"""Who is looked at at the end of a week of treatment, and what was known of them by then.

Landmarking: at each week a model is fitted on the patients still in treatment, from what was known
until then, and nothing later. Learned from are those who have not stopped before, have a score by
then, and have an outcome.

Nobody is weighted for those who stopped or whose outcome is unknown: a model answers for whoever is
still in treatment at its week. How far the figures depend on that is measured and not assumed away:
those who are in treatment and scored, but whose outcome stays unknown, are bystanders of the
landmark; of those who stopped before, it is counted what became of them; and every week is judged
once more on the patients of all weeks (`training.course.same_patients`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from data_schemas.cohort import CohortSpec
from data_schemas.errors import ConfigurationError
from features.course import IMPROVEMENT, Landmark, course_summary
from features.patient_rows import patient_row
from features.table import COURSE_FEATURES, Feature
from training.cohort.records import Cohort, CohortMember, is_trained_on
from training.config import CourseConfig, TrainingConfig
from training.dataset import Bystanders, TrainingTable, bystanders, sites_of
from training.learning.rows import FloatArray, IntArray
from training.learning.splits import pool_single_patient_sites
from training.small_cells import may_be_shown

# The rule as a column: yes, no, or unknown.
_RULE: Final = Feature(
    "improved_early", "Improved early", "1 yes, 0 no", "course", ("course",), "clinical"
)


class LandmarkCounts(BaseModel):
    """What became of the patients of the arms that are learned from, by the end of a week."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listed: int = Field(ge=0, description="Of these arms, with and without an outcome.")
    stopped: int = Field(ge=0, description="Stopped treatment before.")
    stopped_known: int = Field(ge=0, description="Of these, whose outcome is known.")
    stopped_events: int | None = Field(
        ge=0, description="Of these, who reached the outcome; null where it would tell of few."
    )
    not_scored: int = Field(ge=0, description="In treatment, without a score so far.")
    outcome_unknown: int = Field(ge=0, description="In treatment and scored, outcome unknown.")
    learned_from: int = Field(ge=0, description="In treatment and scored, outcome known.")
    events: int = Field(ge=0, description="Of these, who reached the outcome.")


@dataclass(frozen=True)
class LandmarkTable:
    """The patients of one landmark.

    Attributes
    ----------
    landmark : Landmark
    rows : ndarray of int, shape (n,)
        Which rows of the whole table they are.
    table : TrainingTable
        What was known before treatment, and the features of the course; its bystanders are in
        treatment and scored, and their outcome is unknown.
    before : TrainingTable
        The same patients, without the course.
    rule : TrainingTable
        The same patients, with the simple rule as their one feature.
    counts : LandmarkCounts
    """

    landmark: Landmark
    rows: IntArray
    table: TrainingTable
    before: TrainingTable
    rule: TrainingTable
    counts: LandmarkCounts


def landmarks_of(spec: CohortSpec, config: CourseConfig) -> list[Landmark]:
    """Return the configured landmarks of a cohort.

    Raises
    ------
    ConfigurationError
        When its spec names no scores during treatment.
    """
    if spec.course is None:
        raise ConfigurationError(
            "This cohort.toml has no section [course], so that nothing is known of the weeks of "
            "treatment. Name the table of the scores there, or train without --course."
        )
    instrument = spec.course.instrument or spec.outcome.instrument
    return [
        Landmark(week, instrument, spec.course.sessions_a_week) for week in config.landmark_weeks
    ]


def landmark_table(
    cohort: Cohort, everyone: TrainingTable, landmark: Landmark, config: TrainingConfig
) -> LandmarkTable:
    """Return the patients of a landmark, the rows in the order of the whole table.

    Parameters
    ----------
    cohort : Cohort
    everyone : TrainingTable
        From `training.dataset.build_table` of this cohort.
    landmark : Landmark
    config : TrainingConfig
        Names the outcome and the rule.
    """
    members = cohort.trained_on()
    rows = np.flatnonzero([_is_seen(member, landmark) for member in members])
    chosen = [members[row] for row in rows]
    before = _only(everyone, chosen, rows)
    return LandmarkTable(
        landmark=landmark,
        rows=rows,
        table=replace(
            before,
            X=np.column_stack([before.X, _course_rows(chosen, landmark)]),
            features=(*before.features, *COURSE_FEATURES),
            bystanders=_undecided(cohort, everyone, landmark, config),
        ),
        before=before,
        rule=replace(before, X=_rule(chosen, landmark, config.course)[:, None], features=(_RULE,)),
        counts=_counts(cohort, landmark, before, config),
    )


def _stopped(member: CohortMember, landmark: Landmark) -> bool:
    return member.course_ended_week is not None and member.course_ended_week < landmark.week


def _is_seen(member: CohortMember, landmark: Landmark) -> bool:
    return not _stopped(member, landmark) and landmark.seen(member.course) is not None


def _course_rows(members: Sequence[CohortMember], landmark: Landmark) -> FloatArray:
    rows = [patient_row(m.patient, COURSE_FEATURES, None, m.course, landmark) for m in members]
    return np.array(rows).reshape(-1, len(COURSE_FEATURES))


def _undecided(
    cohort: Cohort, everyone: TrainingTable, landmark: Landmark, config: TrainingConfig
) -> Bystanders | None:
    """Return who is in treatment and scored, and whose outcome is unknown; None if nobody."""
    others = cohort.not_trained_on()
    rows = np.flatnonzero([each.outcome is None and _is_seen(each, landmark) for each in others])
    if everyone.bystanders is None or len(rows) == 0:
        return None
    chosen = [others[row] for row in rows]
    X = np.column_stack([everyone.bystanders.X[rows], _course_rows(chosen, landmark)])
    return bystanders(chosen, X, config)


def _only(
    everyone: TrainingTable, members: Sequence[CohortMember], rows: IntArray
) -> TrainingTable:
    names = sites_of(members)
    return replace(
        everyone,
        X=everyone.X[rows],
        y=everyone.y[rows],
        site=pool_single_patient_sites(names),
        site_names=tuple(name for name in everyone.site_names if name in names),
        bystanders=None,
        started=None if everyone.started is None else everyone.started[rows],
    )


def _rule(members: Sequence[CohortMember], landmark: Landmark, config: CourseConfig) -> FloatArray:
    """Return 1 where a patient has improved by so much, 0 where not, NaN where unknown, (n,).

    Before the week of the rule it is what is seen of it so far.
    """
    at_rule = replace(landmark, week=min(landmark.week, config.rule_week))
    improvement = np.array(
        [course_summary(m.patient, m.course, at_rule)[IMPROVEMENT] for m in members]
    )
    return np.where(np.isnan(improvement), np.nan, improvement >= config.rule_percent)


def _counts(
    cohort: Cohort, landmark: Landmark, table: TrainingTable, config: TrainingConfig
) -> LandmarkCounts:
    listed = [member for member in cohort.members if is_trained_on(member.arm, cohort.spec)]
    in_treatment = [member for member in listed if not _stopped(member, landmark)]
    scored = [member for member in in_treatment if _is_seen(member, landmark)]
    left = [m.outcome for m in listed if _stopped(m, landmark) and m.outcome is not None]
    reached = sum(outcome.achieved(config.outcome) for outcome in left)
    return LandmarkCounts(
        listed=len(listed),
        stopped=len(listed) - len(in_treatment),
        stopped_known=len(left),
        stopped_events=reached if all(may_be_shown([reached, len(left) - reached])) else None,
        not_scored=len(in_treatment) - len(scored),
        outcome_unknown=sum(member.outcome is None for member in scored),
        learned_from=len(table.y),
        events=int(np.count_nonzero(table.y)),
    )
