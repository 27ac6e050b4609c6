"""Models of the course of treatment, each against the champion's of the same week."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import pandas as pd

from data_schemas.errors import DataError
from serving.course import landmark_of
from serving.predictor import ResponsePredictor
from training.course.judging import COURSE
from training.course.summary import COURSE_OUT_OF_FOLD_FILE, COURSE_SUMMARY_FILE, CourseSummary
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance.held_out import HeldOut, held_out_models
from training.performance.resampling import Drawing
from training.promotion.comparison import Compared, compare

COURSE_FILES: Final = (COURSE_OUT_OF_FOLD_FILE, COURSE_SUMMARY_FILE)


@dataclass(frozen=True)
class WeekEvidence:
    """The comparison at one landmark: patients who were still treated and scored by then."""

    week: float
    n_patients: int
    n_events: int
    compared: tuple[Compared, ...]


@dataclass(frozen=True)
class HeldOutCourse:
    """What the models of a run's course predicted for the patients held out.

    Attributes
    ----------
    weeks : dict of float to HeldOut
    split_names : dict of float to str
        How they were held out.
    """

    weeks: dict[float, HeldOut]
    split_names: dict[float, str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run's folder; nothing where it has no models of the course.

        Raises
        ------
        DataError
            When its files are damaged.
        """
        summary = CourseSummary.load(folder)
        if summary is None:
            return cls({}, {})
        try:
            table = pd.read_csv(folder / COURSE_OUT_OF_FOLD_FILE)
        except (OSError, ValueError):
            message = f"{folder} holds no {COURSE_OUT_OF_FOLD_FILE} that can be read; train again."
            raise DataError(message) from None
        names = {each.week: each.split_name for each in summary.landmarks if each.split_name}
        rows = {week: table[(table["week"] == week) & (table["model"] == COURSE)] for week in names}
        return cls({week: held_out_models(own)[COURSE] for week, own in rows.items()}, names)


def compare_courses(
    challenger: HeldOutCourse, champion: HeldOutCourse, drawing: Drawing
) -> tuple[WeekEvidence, ...]:
    """Compare week by week, where both held the same patients out alike; of one cohort."""
    found = []
    for week, mine in challenger.weeks.items():
        theirs, split = champion.weeks.get(week), challenger.split_names[week]
        if theirs is None or champion.split_names[week] != split:
            continue
        if np.array_equal(mine.row, theirs.row) and np.array_equal(mine.y, theirs.y):
            compared = compare(mine, theirs, drawing, by_site=split == LEAVE_ONE_SITE_OUT)
            found.append(WeekEvidence(week, mine.n, int(np.count_nonzero(mine.y)), compared))
    return tuple(found)


def weeks_to_compare(challenger: ResponsePredictor, champion: ResponsePredictor) -> list[float]:
    """Return the weeks at which both answer, by models of which none is an update of the other."""
    theirs = {landmark_of(each).week: each.identity.version for each in champion.landmarks}
    weeks = []
    for each in challenger.landmarks:
        week, updates = landmark_of(each).week, each.document.updates
        alike = {each.identity.version, *(update.parent for update in updates[-1:])}
        if week in theirs and theirs[week] not in alike:
            weeks.append(week)
    return weeks


def missing_weeks(challenger: ResponsePredictor, champion: ResponsePredictor) -> Iterator[str]:
    """Say at which weeks the champion has a model of its own, and the challenger none."""
    mine = {landmark_of(each).week for each in challenger.landmarks}
    missing = [f"{week:g}" for each in champion.landmarks
               if (week := landmark_of(each).week) not in mine]  # fmt: skip
    if missing and not mine:
        yield (
            "It does not answer in the course of treatment, as the champion does: running services "
            "refuse it until they are started anew. Train it with --course."
        )
    elif missing:
        yield (
            f"It has no model of week {', '.join(missing)} of treatment, and the champion has; "
            "train it with the same [course] landmark_weeks."
        )
