"""The scores during treatment as numbers, from what was known at the end of a week."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_schemas.course import DAYS_A_WEEK, Course
from data_schemas.instruments import get_instrument
from data_schemas.patient import Patient

FloatArray = npt.NDArray[np.float64]

LATEST: Final = "course_latest_score"
IMPROVEMENT: Final = "course_improvement"
SLOPE: Final = "course_slope"
N_SCORES: Final = "course_scores"
DAYS_SINCE: Final = "course_days_since_score"
COURSE_NAMES: Final = (LATEST, IMPROVEMENT, SLOPE, N_SCORES, DAYS_SINCE)


@dataclass(frozen=True)
class Landmark:
    """A week at whose end one looks back, and how scores and times are to be read.

    Attributes
    ----------
    week : float
        Weeks of treatment; nothing later is looked at.
    instrument : str
        Of the scores. An improvement needs the baseline total on the same one.
    sessions_a_week : float
        Turns sessions into weeks.
    """

    week: float
    instrument: str
    sessions_a_week: float

    def seen(self, course: Course | None) -> Course | None:
        """Return the scores up to the week; None where there are none."""
        return course and course.until(self.week, self.sessions_a_week)


def course_summary(patient: Patient, course: Course | None, landmark: Landmark) -> dict[str, float]:
    """Return the features of `COURSE_NAMES`; NaN where unknown.

    - latest score, in points;
    - improvement: fall from the baseline total to the latest score, in percent of the baseline;
    - slope: least-squares change of the score, in points a week, the baseline total being that of
      week 0 where it is known; NaN with one point alone;
    - scores: how many there are, 0 where there are none;
    - days since the latest of them, at the end of the week.

    Parameters
    ----------
    patient : Patient
        For the baseline total.
    course : Course or None
        Whole or in part: what is later than the landmark changes nothing.
    landmark : Landmark
    """
    seen = landmark.seen(course)
    if seen is None:
        return {**dict.fromkeys(COURSE_NAMES, np.nan), N_SCORES: 0.0}
    weeks = np.array(seen.weeks(landmark.sessions_a_week))
    scores = np.array([visit.score for visit in seen.visits])
    baseline = _baseline(patient, landmark.instrument)
    return {
        LATEST: float(scores[-1]),
        IMPROVEMENT: 100 * (baseline - float(scores[-1])) / baseline,
        SLOPE: _slope(weeks, scores, baseline),
        N_SCORES: float(len(scores)),
        DAYS_SINCE: float(DAYS_A_WEEK * (landmark.week - weeks[-1])),
    }


def _baseline(patient: Patient, instrument: str) -> float:
    """Return the total before treatment; NaN where unknown, of another scale, or the lowest."""
    total = patient.depression_total
    if total is None or patient.depression_instrument != instrument:
        return float("nan")
    return float(total) if total > get_instrument(instrument).minimum else float("nan")


def _slope(weeks: FloatArray, scores: FloatArray, baseline: float) -> float:
    if not np.isnan(baseline):
        weeks, scores = np.append(0.0, weeks), np.append(baseline, scores)
    if len(weeks) < 2:
        return float("nan")
    around = weeks - weeks.mean()
    return float(around @ (scores - scores.mean()) / (around @ around))
