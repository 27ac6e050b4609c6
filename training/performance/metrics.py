"""Overall accuracy, and decisions at a threshold, of held-out probabilities.

Measures of this module, of `discrimination` and of `calibration` share their arguments:

- `y`, shape (n,): whether each patient reached the outcome;
- `p`, shape (n,): predicted probability, 0 to 1;
- `weights`, shape (draws, n): how often each patient counts in each draw. A bootstrap is a matrix
  of such counts, the sample itself one row of ones (`unit_weights`).

They return one value a draw, shape (draws,), or (draws, thresholds); NaN where a draw leaves the
measure undefined. Scoring all draws in one matrix product is what makes 2,000 of them cheap;
scikit-learn's functions, which take one weighting at a time, are what the tests compare with.

Which measures, and why these: Van Calster et al. 2025, Lancet Digital Health,
doi:10.1016/j.landig.2025.100916.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.learning.rows import BoolArray, FloatArray

# A probability of exactly 0 or 1 has no log-odds and, when wrong, an infinite log loss. Moving it
# by one in a million caps the loss of one patient at 13.8 and changes nothing else that is shown.
PROBABILITY_MARGIN: Final = 1e-6


def unit_weights(n: int) -> FloatArray:
    """Return the weights of the sample itself, shape (1, n): every patient once."""
    return np.ones((1, n))


def inside_unit_interval(p: FloatArray) -> FloatArray:
    """Return probabilities moved into [1e-6, 1 - 1e-6], so that their log-odds are finite."""
    clipped: FloatArray = np.clip(p, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    return clipped


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide, giving NaN and no warning where the denominator is 0."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def weighted_mean(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean of `x`, shape (n,), in each draw."""
    return ratio(weights @ x, weights.sum(axis=1))


def brier(y: BoolArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the Brier score, mean (p - y)^2: 0 is perfect, 0.25 is a coin (Brier 1950)."""
    return weighted_mean((p - y) ** 2, weights)


def brier_scaled(y: BoolArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return 1 - Brier / Brier of the event rate: 1 is perfect, 0 the rate itself, below 0 worse.

    The reference is phi (1 - phi) with phi the observed event rate of the draw (Steyerberg et al.
    2010, Epidemiology 21:128, doi:10.1097/EDE.0b013e3181c30fb2).
    """
    event_rate = weighted_mean(y.astype(np.float64), weights)
    return 1 - ratio(brier(y, p, weights), event_rate * (1 - event_rate))


def log_loss(y: BoolArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean of -log of the probability given to what happened (natural logarithm)."""
    inside = inside_unit_interval(p)
    return weighted_mean(-np.log(np.where(y, inside, 1 - inside)), weights)


def observed_to_expected(y: BoolArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return O:E, events observed over the sum of probabilities: above 1, too few were expected."""
    return ratio(weights @ y.astype(np.float64), weights @ p)


@dataclass(frozen=True)
class ThresholdCounts:
    """Patients flagged at thresholds: those with `p >= threshold`.

    Attributes
    ----------
    thresholds : ndarray, shape (thresholds,)
        Probabilities, 0 <= threshold < 1.
    true_positives, false_positives : ndarray, shape (draws, thresholds)
        Flagged patients with and without the outcome.
    events, nonevents : ndarray, shape (draws, 1)
        All patients with and without the outcome.
    """

    thresholds: FloatArray
    true_positives: FloatArray
    false_positives: FloatArray
    events: FloatArray
    nonevents: FloatArray

    @property
    def sensitivity(self) -> FloatArray:
        """Share of the patients with the outcome who are flagged."""
        return ratio(self.true_positives, self.events)

    @property
    def specificity(self) -> FloatArray:
        """Share of the patients without the outcome who are not flagged."""
        return ratio(self.nonevents - self.false_positives, self.nonevents)

    @property
    def positive_predictive_value(self) -> FloatArray:
        """Share of the flagged who reach the outcome."""
        return ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def negative_predictive_value(self) -> FloatArray:
        """Share of those not flagged who do not reach the outcome."""
        cleared = self.nonevents - self.false_positives
        return ratio(cleared, cleared + self.events - self.true_positives)

    @property
    def net_benefit(self) -> FloatArray:
        """Net benefit of treating the flagged: `TP / n - FP / n * t / (1 - t)`.

        In true positives a patient; treating nobody has 0 (Vickers and Elkin 2006, Medical
        Decision Making 26:565, doi:10.1177/0272989X06295361).
        """
        return self._net_benefit(self.true_positives, self.false_positives)

    @property
    def net_benefit_treat_all(self) -> FloatArray:
        """Net benefit of treating everyone, whatever the prediction."""
        return self._net_benefit(self.events, self.nonevents)

    def _net_benefit(self, treated_events: FloatArray, treated_nonevents: FloatArray) -> FloatArray:
        odds = self.thresholds / (1 - self.thresholds)
        return ratio(treated_events - treated_nonevents * odds, self.events + self.nonevents)


def threshold_counts(
    y: BoolArray, p: FloatArray, thresholds: FloatArray, weights: FloatArray
) -> ThresholdCounts:
    """Count the patients flagged at each threshold, in each draw."""
    flagged = p[:, None] >= thresholds
    return ThresholdCounts(
        thresholds=thresholds,
        true_positives=weights @ (flagged & y[:, None]).astype(np.float64),
        false_positives=weights @ (flagged & ~y[:, None]).astype(np.float64),
        events=weights @ y[:, None].astype(np.float64),
        nonevents=weights @ (~y[:, None]).astype(np.float64),
    )


def binned_shares(p: FloatArray, edges: FloatArray, weights: FloatArray) -> FloatArray:
    """Return which share of the patients lies in each bin, shape (draws, bins).

    Parameters
    ----------
    edges : ndarray, shape (bins,)
        Lower edges, ascending from 0; a bin reaches up to the next edge, the last one to 1.
    """
    bin_of = np.searchsorted(edges, p, side="right") - 1
    membership = (bin_of[:, None] == np.arange(len(edges))).astype(np.float64)
    return ratio(weights @ membership, weights.sum(axis=1, keepdims=True))
