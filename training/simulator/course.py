"""The weekly scores of each simulated patient, given the totals before and after treatment.

By the score of week w a patient has improved by the fraction

    p_w = share_reached(w) * P + deviation_w

where P is the fraction of the whole course, already drawn. The deviation has the standard
deviation at which the squared correlation of p_w with P is `variance_explained`:
`share_reached * sd(P) * sqrt(1 / variance_explained - 1)`. A part of it is the rater's noise and
the rounding, new at every visit; the rest is the patient's own and stays with him from week to
week. All of it has a random stream of its own, so that nothing that was drawn before changes.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_schemas.instruments import get_instrument
from training.simulator.clinical import OUTCOME_INSTRUMENT, BoolArray
from training.simulator.columns import FloatArray
from training.simulator.draw import PatientDraw
from training.simulator.streams import random_stream

SESSIONS_A_WEEK: Final = 5
# Variance of a rounding error, in points.
_ROUNDING: Final = 1 / 12

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CourseDraw:
    """Scores during treatment, weeks 1 to w.

    Attributes
    ----------
    session : ndarray of int, shape (n, w)
        Sessions received when each score was taken.
    score : ndarray of float, shape (n, w)
        HDRS-17 points, complete.
    observed : ndarray of bool, shape (n, w)
        False after treatment ended, and where the visit was missed.
    sessions_received : ndarray of float, shape (n,)
        Of those who stopped before the plan ended; NaN for the others.
    """

    session: IntArray
    score: FloatArray
    observed: BoolArray
    sessions_received: FloatArray


def draw_course(draw: PatientDraw) -> CourseDraw:
    """Return the course of every patient of a draw: the same draw gives the same course."""
    parameters, rng = draw.parameters.course, random_stream(draw.seed, "course")
    n, n_weeks = len(draw), len(parameters.share_reached)
    planned = draw.recorded["sessions_planned"].astype(np.int64)
    weeks = np.arange(1, n_weeks + 1)
    shift = rng.choice(
        parameters.visit_shift_sessions, size=(n, n_weeks), p=parameters.visit_shift_share
    )
    session = SESSIONS_A_WEEK * weeks + shift
    received = _sessions_received(draw, planned, rng)
    missed = rng.random((n, n_weeks)) < parameters.visit_missing
    score = _scores(draw, session, rng)
    # The total after the last session is the final one.
    during = (session < planned[:, None]) & (session <= received[:, None])
    return CourseDraw(
        session=session,
        score=score,
        observed=during & ~missed,
        sessions_received=np.where(received < planned, received, np.nan),
    )


def _sessions_received(draw: PatientDraw, planned: IntArray, rng: np.random.Generator) -> IntArray:
    """Return how many sessions each had: any number below the plan for those who stop."""
    stops = rng.random(len(draw)) < draw.parameters.course.stopped_early
    last = rng.integers(1, planned)
    return np.where(stops | ~draw.outcome_known, last, planned)


def _scores(draw: PatientDraw, session: IntArray, rng: np.random.Generator) -> FloatArray:
    parameters, outcomes = draw.parameters.course, draw.outcomes
    baseline = outcomes.baseline_total
    final = 1 - outcomes.final_total / baseline
    explained = np.array(parameters.variance_explained)
    reached = np.array(parameters.share_reached)
    spread = reached * np.std(final) * np.sqrt(1 / explained - 1)
    rater = draw.parameters.improvement.rating_noise_sd_points
    of_rating = np.mean((rater**2 + _ROUNDING) / baseline**2)
    own = np.sqrt(np.maximum(spread**2 - of_rating, 0.0))
    deviation = own * _drifting(len(draw), len(reached), parameters.deviation_correlation, rng)
    # What is reached at the session of the visit, which may be earlier or later than planned.
    at_weeks = np.arange(len(reached) + 1) * SESSIONS_A_WEEK
    share = np.interp(session, at_weeks, [0.0, *reached])
    improvement = share * final[:, None] + deviation
    noise = rater * rng.standard_normal(improvement.shape)
    points = np.rint(baseline[:, None] * (1 - improvement) + noise)
    scale = get_instrument(OUTCOME_INSTRUMENT)
    scores: FloatArray = np.clip(points, scale.minimum, scale.maximum) + 0.0
    return scores


def _drifting(n: int, n_weeks: int, correlation: float, rng: np.random.Generator) -> FloatArray:
    """Return standard normal values that are correlated from week to week, (n, weeks)."""
    z = rng.standard_normal((n, n_weeks))
    for week in range(1, n_weeks):
        z[:, week] = correlation * z[:, week - 1] + np.sqrt(1 - correlation**2) * z[:, week]
    return z
