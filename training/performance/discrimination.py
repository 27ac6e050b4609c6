"""How well held-out probabilities rank patients, within groups that one fit predicted.

Arguments are those of `training.performance.metrics`; `group`, shape (n,), tells who was predicted
by the same fit: the held-out site, or the fold. Probabilities of different fits are not on one
scale: a fit that lost a site with many responders predicts lower for exactly those patients, so
ranking across groups gives an AUROC below 0.5 on data without any signal. Hence patients are
compared with patients of their own group only, through *placement values*: for each patient with
the outcome, the share of patients without it, in the same group, who were ranked above. Their
distribution is the covariate-adjusted ROC curve, their mean one minus the area under it (Janes and
Pepe 2009, Biometrika 96:371, doi:10.1093/biomet/asp002). With one group it is the usual ROC curve.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.metrics import ratio, weighted_mean

# Where the adjusted ROC curve is read for the precision, closest where that changes fastest.
_RATES: Final = (np.arange(101) / 100) ** 2


@dataclass(frozen=True)
class Placements:
    """Placement values of the patients with the outcome.

    Attributes
    ----------
    above, above_or_tied : ndarray, shape (draws, events)
        Share of the group's patients without the outcome ranked above, and above or tied; 0 where
        the draw holds none of them, with weight 0.
    weights : ndarray, shape (draws, events)
        How often each patient with the outcome counts.
    nonevents : ndarray, shape (draws, events)
        How many patients without the outcome, by their weights, the shares are of.
    """

    above: FloatArray
    above_or_tied: FloatArray
    weights: FloatArray
    nonevents: FloatArray

    @property
    def auroc(self) -> FloatArray:
        """Chance that a patient with the outcome ranks above one without, ties counting half."""
        middle = (self.above + self.above_or_tied) / 2
        return 1 - ratio((self.weights * middle).sum(axis=1), self.weights.sum(axis=1))

    def sensitivity_at(self, false_positive_rates: FloatArray) -> FloatArray:
        """Return the ROC curve, shape (draws, rates): linear through ties, the top of each step."""
        tied = self.above_or_tied > self.above
        width = np.where(tied, self.above_or_tied - self.above, 1.0)
        curve = np.empty((len(self.weights), len(false_positive_rates)))
        total = self.weights.sum(axis=1)
        for column, rate in enumerate(false_positive_rates):
            beyond = rate - self.above
            found = np.where(tied, np.clip(beyond / width, 0, 1), beyond >= 0)
            curve[:, column] = ratio((self.weights * found).sum(axis=1), total)
        return curve

    @property
    def spread(self) -> "Placements":
        """The same placements, each spread over the gap between the neighbours it fell in.

        Among m patients without the outcome there are m + 1 gaps. Who ranks above all of them is
        somewhere in the first, not at 0: by that the curve is straight where nothing is known, and
        the diagonal in expectation where there is no signal.
        """
        m = self.nonevents
        above, above_or_tied = self.above * m, self.above_or_tied * m + 1
        return replace(self, above=above / (m + 1), above_or_tied=above_or_tied / (m + 1))


def placements(y: BoolArray, p: FloatArray, group: IntArray, weights: FloatArray) -> Placements:
    """Rank each patient with the outcome among those without it, group by group."""
    parts = [_placements_in_group(y, p, group == code, weights) for code in np.unique(group)]
    return Placements(*(np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)))


def _placements_in_group(
    y: BoolArray, p: FloatArray, member: BoolArray, weights: FloatArray
) -> tuple[FloatArray, ...]:
    events, nonevents = np.flatnonzero(member & y), np.flatnonzero(member & ~y)
    nonevents = nonevents[np.argsort(p[nonevents], kind="stable")]
    cumulated = np.zeros((len(weights), len(nonevents) + 1))
    np.cumsum(weights[:, nonevents], axis=1, out=cumulated[:, 1:])
    total = cumulated[:, -1:]
    first = np.searchsorted(p[nonevents], p[events], side="left")
    past = np.searchsorted(p[nonevents], p[events], side="right")
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return (
        (total - cumulated[:, past]) * scale,
        (total - cumulated[:, first]) * scale,
        weights[:, events] * (total > 0),
        np.broadcast_to(total, (len(weights), len(events))),
    )


def auprc(y: BoolArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the average precision: mean, over events, of the precision at each one's rank.

    `sum_k (R_k - R_(k-1)) P_k` over the distinct probabilities of all patients, without
    interpolation, as scikit-learn defines it. Without any signal it is about the event rate.
    """
    order = np.argsort(-p, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    flagged = np.cumsum(weights[:, order], axis=1)[:, last_of_ties]
    found = np.cumsum(weights[:, order] * y[order], axis=1)[:, last_of_ties]
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    total: FloatArray = (np.diff(found, axis=1, prepend=0) * precision).sum(axis=1)
    return ratio(total, weights @ y.astype(np.float64))


def adjusted_auprc(y: BoolArray, p: FloatArray, group: IntArray, weights: FloatArray) -> FloatArray:
    """Return the area under the precision-recall curve that the covariate-adjusted ROC implies.

    Where each group flags the same share f of its patients without the outcome, a share S(f) of
    those with it is found, and `phi S / (phi S + (1 - phi) f)` of the flagged reach it, phi being
    the event rate of all groups together; integrated over S. The average precision within each
    group, averaged, would lie far above the event rate where nothing is known: by 0.1 in groups of
    25. Here a model without any signal is expected at phi, and a constant is there exactly.

    In small groups a good ranking is understated, since its first gap is never seen to be empty: by
    0.04 in groups of 25 at an AUROC of 0.7, by 0.02 in groups of 25 to 100.

    Bootstrap intervals of 95 % held the true value in 91 to 94 of 100 simulated cohorts of eight
    such sites, with and without that signal.
    """
    spread = placements(y, p, group, weights).spread
    sensitivity = spread.sensitivity_at(_RATES)
    found = (sensitivity[:, 1:] + sensitivity[:, :-1]) / 2
    alarms = (_RATES[1:] + _RATES[:-1]) / 2
    rate = weighted_mean(y.astype(np.float64), weights)[:, None]
    precision = ratio(rate * found, rate * found + (1 - rate) * alarms)
    area: FloatArray = (np.diff(sensitivity, axis=1) * np.nan_to_num(precision)).sum(axis=1)
    return area
