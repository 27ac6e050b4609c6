"""What pushed the probability up and down, in percentage points that add up.

Contributions add up in log-odds. Each becomes a change of the probability by its share of the whole
way, `step_i = c_i (p - p_0) / (c_1 + ... + c_n)`, where p_0 is the model's starting point and p its
answer. This is the Aumann-Shapley value of the logistic curve on the straight way from the one to
the other: no order of the inputs is chosen, a step has the sign of its contribution, and the steps
add up to `p - p_0` exactly. Aumann and Shapley 1974, Values of Non-Atomic Games.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from serving.booster_text import FloatArray
from serving.calibrated_trees import expit

# As many as a reader takes in; the others are told together.
LARGEST: Final = 5
_SMALL_LOG_ODDS: Final = 1e-6  # over so short a way the curve is straight, within rounding


@dataclass(frozen=True)
class Push:
    """One step from the starting point to the answer.

    Attributes
    ----------
    label, value : str
        The input and what was known of it.
    step : float
        Change of the probability, exactly.
    before, after : float
        Where the probability stood, in percent, rounded to a tenth.
    """

    label: str
    value: str
    step: float
    before: float
    after: float

    @property
    def points(self) -> str:
        """The step in percentage points, rounded so that all that are shown add up."""
        points = round(self.after - self.before, 1)
        return "0.0" if points == 0 else f"{points:+.1f}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Pushes:
    """All steps, and the stretch of the axis that they need.

    Attributes
    ----------
    start, end : float
        The starting point and the answer, in percent, rounded to a tenth.
    pushes : tuple of Push
        The largest, and the others together at the end.
    """

    start: float
    end: float
    pushes: tuple[Push, ...]

    def place(self, percent: float) -> float:
        """Return where a percentage stands between the lowest (5) and the highest (95) shown."""
        shown = [self.start, self.end, *(each.after for each in self.pushes)]
        low, high = min(shown), max(shown)
        share = (percent - low) / (high - low) if high > low else 0.5
        return round(5 + 90 * share, 2)


def probability_steps(baseline_log_odds: float, contributions: FloatArray) -> FloatArray:
    """Return what each contribution did to the probability; see the module.

    Parameters
    ----------
    baseline_log_odds : float
        Of the starting point.
    contributions : ndarray of float64, shape (p,)
        In log-odds.

    Returns
    -------
    ndarray of float64, shape (p,)
        Their sum is the answer's probability less the starting point's.
    """
    total = float(contributions.sum())
    start, end = expit(baseline_log_odds), expit(baseline_log_odds + total)
    if abs(total) < _SMALL_LOG_ODDS:
        middle = expit(baseline_log_odds + total / 2)
        return contributions * (middle * (1 - middle))
    return contributions * ((end - start) / total)


def explained_pushes(
    baseline_log_odds: float,
    contributions: FloatArray,
    labels: Sequence[str],
    values: Sequence[str],
) -> Pushes:
    """Return the largest steps one by one and the others together.

    Parameters
    ----------
    baseline_log_odds : float
    contributions : ndarray of float64, shape (p,)
    labels, values : sequence of str, length p
        Of the inputs, in words.
    """
    steps = probability_steps(baseline_log_odds, contributions)
    order = [int(each) for each in np.argsort(-np.abs(steps), kind="stable") if steps[each]]
    shown = order if len(order) == LARGEST + 1 else order[:LARGEST]
    named = [(labels[each], values[each], float(steps[each])) for each in shown]
    others = order[len(shown) :]
    if others:
        named.append((f"{len(others)} other inputs together", "", float(steps[others].sum())))
    start = position = expit(baseline_log_odds)
    pushes = []
    for label, value, step in named:
        pushes.append(Push(label, value, step, _percent(position), _percent(position + step)))
        position += step
    return Pushes(_percent(start), _percent(position), tuple(pushes))


def _percent(probability: float) -> float:
    return round(100 * probability, 1)
