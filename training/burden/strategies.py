"""Three ways to plan a treatment, as what each patient adds to the sums behind a figure.

Let y be 1 where a patient reached the outcome (a *responder*) and 0 otherwise, S the sessions in a
course, p a held-out chance and t a threshold.

- *Treat all*: everyone has the course first.
- *Sequencing* at t: those with p >= t, before treatment, have the course first; the others have the
  next step first, such as another drug, and the course after it if that does not help. Nobody
  loses access; responders among the others wait.
- *Re-scoring* at t: everyone begins. After a week of which models of the course speak, those with
  p < t, from what is known by then, stop and go over to the next step; the others go on, and so do
  those who are not scored by then. Responders among those who stop are *lost*: each counts as if
  the whole course had been needed, and none of it had helped.

The two strategies change what is done with some patients, and leave the rest as under treat all.
`d` is 1 where a patient is changed. The figures are ratios of sums over patients:

- *sessions per responder*, in the first round of treatment: sessions given in it, over the
  responders to it, with s the sessions that those who stop have had by then:

  | strategy    | sessions per responder                 |
  |-------------|----------------------------------------|
  | treat all   | sum(S) / sum(y)                        |
  | sequencing  | sum((1 - d) S) / sum((1 - d) y)        |
  | re-scoring  | sum((1 - d) S + d s) / sum((1 - d) y)  |

- *cost per responder*, over both steps, with c the cost of a session, k that of the next step, and
  q the share of patients in whom the next step succeeds. It is assumed to be the same for everyone,
  whatever became of their course:

  | patient                   | cost            | responders        |
  |---------------------------|-----------------|-------------------|
  | course first              | S c + (1 - y) k | y + (1 - y) q     |
  | next step first           | k + (1 - q) S c | y + (1 - y) q     |
  | stopped after s sessions  | s c + k         | q                 |

Under that assumption the order of two steps changes nobody's chance to respond to one of them, only
what it takes. A strategy may be cheaper merely because it changes many patients; whether the
*model* earns anything is told by the difference to the same number of patients drawn by lot.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.config import BurdenCosts
from training.learning.rows import BoolArray, FloatArray

SESSIONS: Final = "sessions_per_responder"
COST: Final = "cost_per_responder"


@dataclass(frozen=True)
class Figure:
    """A ratio of sums: what each patient adds to either, as under treat all and when changed.

    Attributes
    ----------
    name : str
        `SESSIONS` or `COST`.
    total, total_changed : ndarray, shape (n,)
        Sessions, or cost.
    responders, responders_changed : ndarray, shape (n,)
        Responders; an expected number where a chance is assumed.
    """

    name: str
    total: FloatArray
    total_changed: FloatArray
    responders: FloatArray
    responders_changed: FloatArray


@dataclass(frozen=True)
class Strategy:
    """Whom a strategy changes at each threshold, and what that changes.

    Attributes
    ----------
    thresholds : ndarray, shape (thresholds,)
        Chances, 0 to 1.
    changed : ndarray, shape (n, thresholds)
        Share of a patient's held-out predictions, one a repeat of the validation, that are below
        the threshold; 0 for those whom the strategy does not ask.
    asked : ndarray of bool, shape (n,)
        Who has such a prediction.
    y : ndarray of bool, shape (n,)
        Who reached the outcome.
    figures : tuple of Figure
    """

    thresholds: FloatArray
    changed: FloatArray
    asked: BoolArray
    y: BoolArray
    figures: tuple[Figure, ...]


def share_below(probability: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return in which share of the repeats each patient is below each threshold, (n, thresholds).

    Parameters
    ----------
    probability : ndarray, shape (repeats, n)
    thresholds : ndarray, shape (thresholds,)
    """
    below: FloatArray = (probability[:, :, None] < thresholds).mean(axis=0)
    return below


def sequencing(
    y: BoolArray,
    probability: FloatArray,
    thresholds: FloatArray,
    *,
    sessions: int,
    costs: BurdenCosts | None,
) -> Strategy:
    """Return the strategy that lets the chance before treatment decide which step comes first.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
    probability : ndarray, shape (repeats, n)
        Held-out chances before treatment.
    thresholds : ndarray, shape (thresholds,)
    sessions : int
        In a course.
    costs : BurdenCosts or None
        Without them there is no cost per responder.
    """
    figures = sequencing_figures(y, sessions, costs)
    everyone = np.ones_like(y)
    return Strategy(thresholds, share_below(probability, thresholds), everyone, y, figures)


def sequencing_figures(
    y: BoolArray, sessions: int, costs: BurdenCosts | None
) -> tuple[Figure, ...]:
    """Return what each patient adds under treat all, and when the next step comes first."""
    figures = [_sessions(y, sessions, 0)]
    if costs is not None:
        whole = sessions * costs.session
        next_first = costs.next_step + (1 - costs.next_step_rate) * whole
        either = y + (1.0 - y) * costs.next_step_rate
        figures.append(_cost(y, whole, next_first, either, costs))
    return tuple(figures)


def rescoring(
    y: BoolArray,
    probability: FloatArray,
    asked: BoolArray,
    thresholds: FloatArray,
    *,
    sessions: int,
    sessions_by_then: int,
    costs: BurdenCosts | None,
) -> Strategy:
    """Return the strategy that lets the chance in the course of treatment decide who goes on.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        Of everyone who begins.
    probability : ndarray, shape (repeats, asked)
        Held-out chances at the week, of those who are in treatment and scored by then.
    asked : ndarray of bool, shape (n,)
        Who these are.
    sessions_by_then : int
        Given by the end of the week.
    thresholds, sessions, costs
        As in `sequencing`.
    """
    changed = np.zeros((len(y), len(thresholds)))
    changed[asked] = share_below(probability, thresholds)
    figures = [_sessions(y, sessions, sessions_by_then)]
    if costs is not None:
        stopped = sessions_by_then * costs.session + costs.next_step
        rate = np.full(len(y), costs.next_step_rate)
        figures.append(_cost(y, sessions * costs.session, stopped, rate, costs))
    return Strategy(thresholds, changed, asked, y, tuple(figures))


def _sessions(y: BoolArray, sessions: int, sessions_changed: int) -> Figure:
    n = len(y)
    return Figure(
        SESSIONS,
        np.full(n, float(sessions)),
        np.full(n, float(sessions_changed)),
        y.astype(np.float64),
        np.zeros(n),
    )


def _cost(
    y: BoolArray, course: float, changed: float, responders_changed: FloatArray, costs: BurdenCosts
) -> Figure:
    failed = (~y).astype(np.float64)
    return Figure(
        COST,
        course + failed * costs.next_step,
        np.full(len(y), changed),
        y + failed * costs.next_step_rate,
        responders_changed,
    )
