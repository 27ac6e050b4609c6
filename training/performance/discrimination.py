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

from dataclasses import dataclass

import numpy as np

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.metrics import ratio


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
    """

    above: FloatArray
    above_or_tied: FloatArray
    weights: FloatArray

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


def placements(y: BoolArray, p: FloatArray, group: IntArray, weights: FloatArray) -> Placements:
    """Rank each patient with the outcome among those without it, group by group."""
    parts = [_placements_in_group(y, p, group == code, weights) for code in np.unique(group)]
    return Placements(*(np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)))


def _placements_in_group(
    y: BoolArray, p: FloatArray, member: BoolArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
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
    )


def auprc(y: BoolArray, p: FloatArray, group: IntArray, weights: FloatArray) -> FloatArray:
    """Return the average precision: mean, over events, of the precision at each one's rank.

    Ranks are those within the group. `sum_k (R_k - R_(k-1)) P_k` over the distinct probabilities,
    without interpolation, as scikit-learn defines it. Without any signal it is about the event
    rate; in groups of few patients it is above it.
    """
    found = np.zeros(len(weights))
    for code in np.unique(group):
        member = group == code
        found += _precision_sum(y[member], p[member], weights[:, member])
    return ratio(found, weights @ y.astype(np.float64))


def _precision_sum(y: BoolArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    order = np.argsort(-p, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    flagged = np.cumsum(weights[:, order], axis=1)[:, last_of_ties]
    found = np.cumsum(weights[:, order] * y[order], axis=1)[:, last_of_ties]
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    total: FloatArray = (np.diff(found, axis=1, prepend=0) * precision).sum(axis=1)
    return total
