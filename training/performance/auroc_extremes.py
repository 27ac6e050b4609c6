"""The lowest and the highest AUROC that unknown outcomes leave possible.

Of all ways to give the patients of unknown outcome one, these are the two at the ends. Within a
group, and for a given number k of them who reach the outcome, AUROC is highest where they are the
k who rank highest: to swap one of them with one below raises no pair. So a group has one candidate
for each k. The AUROC of several groups together is a ratio, of the events' placements to their
number, and is maximised exactly by Dinkelbach's method (1967, Management Science 13:492,
doi:10.1287/mnsc.13.7.492): for a trial value of the ratio the groups part, and the best of each
gives the next trial value, until it no longer rises. The lowest is the highest of the ranks turned
round.
"""

from dataclasses import dataclass

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray

_TOLERANCE = 1e-12


@dataclass(frozen=True)
class _Candidates:
    """What one group adds if the k highest of its unknown patients reach the outcome, k from 0 on.

    Attributes
    ----------
    unknown : ndarray of int, shape (u,)
        Its patients of unknown outcome, the highest first.
    placements : ndarray, shape (u + 1,)
        Sum, over the events, of the share of the others ranked below.
    events : ndarray, shape (u + 1,)
        Their number; 0 where nobody is left to be compared with.
    """

    unknown: IntArray
    placements: FloatArray
    events: FloatArray


def extreme_outcomes(
    y: BoolArray, p: FloatArray, group: IntArray, unknown: BoolArray, *, highest: bool
) -> BoolArray:
    """Return all outcomes, the unknown ones such that AUROC is highest, or lowest.

    AUROC ranks patients within their group, averaged over those with the outcome, as in
    `training.performance.discrimination.placements`.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        Whether the outcome was reached; read where it is known only.
    p : ndarray, shape (n,)
        Anything that ranks.
    group : ndarray of int, shape (n,)
        Who is ranked among whom.
    unknown : ndarray of bool, shape (n,)
        Whose outcome is not known.
    highest : bool
        Which of the two ends.
    """
    ranks = p if highest else -p
    groups = [_candidates(y, ranks, group == code, unknown) for code in np.unique(group)]
    assumed = np.where(unknown, False, y)
    for each, count in zip(groups, _best_counts(groups), strict=True):
        assumed[each.unknown[:count]] = True
    return assumed


def _best_counts(groups: list[_Candidates]) -> list[int]:
    """Return, for each group, how many of the unknown reach the outcome."""
    ratio, best = -1.0, [0] * len(groups)
    while True:
        counts = [int(np.argmax(each.placements - ratio * each.events)) for each in groups]
        chosen = list(zip(groups, counts, strict=True))
        events = sum(each.events[count] for each, count in chosen)
        if events == 0:  # nobody is compared with anybody, whatever the outcomes
            return best
        found = float(sum(each.placements[count] for each, count in chosen) / events)
        if found <= ratio + _TOLERANCE:
            return best
        ratio, best = found, counts


def _candidates(y: BoolArray, p: FloatArray, member: BoolArray, unknown: BoolArray) -> _Candidates:
    lost = np.flatnonzero(member & unknown)
    lost = lost[np.argsort(-p[lost], kind="stable")]
    events, others = p[member & ~unknown & y], p[member & ~unknown & ~y]
    # Pairs of the known, of those who reach it with the known, of the known with the rest, and of
    # those who reach it with the rest.
    pairs = np.full(len(lost) + 1, _above(events, others).sum())
    pairs[1:] += np.cumsum(_above(p[lost], others).sum(axis=1))
    pairs[:-1] += np.cumsum(_above(events, p[lost]).sum(axis=0)[::-1])[::-1]
    among = _above(p[lost], p[lost]).cumsum(axis=0).cumsum(axis=1)
    if len(lost):
        pairs[1:] += among[:, -1] - np.diagonal(among)
    count = np.arange(len(lost) + 1)
    n_others = len(others) + len(lost) - count
    compared = n_others > 0
    return _Candidates(
        unknown=lost,
        placements=np.divide(pairs, n_others, out=np.zeros(len(pairs)), where=compared),
        events=np.where(compared, len(events) + count, 0).astype(np.float64),
    )


def _above(p: FloatArray, other: FloatArray) -> FloatArray:
    """Return 1 where the row ranks above the column, half where they tie."""
    higher: FloatArray = (p[:, None] > other) + 0.5 * (p[:, None] == other)
    return higher
