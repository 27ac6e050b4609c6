"""Whether the patients asked about still resemble those whom the model learned from.

Predictions are looked at in windows of a stated number, one after the other, each once. A verdict
is given where the chance of any false one, over all features and windows of a year, stays below a
stated share (Bonferroni); below a stated number of known values there is none.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

import numpy as np
from scipy.stats import binomtest, fisher_exact, norm, t

from features.table import YES_NO
from serving.model_document import FeatureDocument
from training.learning.rows import FloatArray

CONFIDENCE: Final = 0.95
FEWEST_KNOWN_VALUES: Final = 50
"""Below it no verdict is given: the normal approximation would not hold so far out."""

Verdict = Literal["drifted", "steady", "too few"]


@dataclass(frozen=True)
class Shift:
    """How far one feature lies from the training patients, in one window.

    Attributes
    ----------
    name, label : str
        Of the feature.
    n_known : int
        Values in the window.
    difference, lower, upper : float
        Mean less that of the training patients, in their standard deviations, with its interval;
        NaN where they did not vary, or too few are known.
    missing_share, missing_lower, missing_upper : float
        Share of the window in whom it is unknown, with its interval.
    missing_in_training : float
        The same share among the training patients.
    moved, missing : {"drifted", "steady", "too few"}
        The two verdicts.
    """

    name: str
    label: str
    n_known: int
    difference: float
    lower: float
    upper: float
    missing_share: float
    missing_lower: float
    missing_upper: float
    missing_in_training: float
    moved: Verdict
    missing: Verdict


def feature_shift(
    feature: FeatureDocument, column: FloatArray, n_training: int, false_alarms: float
) -> Shift:
    """Compare one window with the training patients.

    Parameters
    ----------
    feature : FeatureDocument
        With the training mean and standard deviation.
    column : ndarray, shape (n,)
        Values of the window, NaN where unknown.
    n_training : int
        Training patients in all.
    false_alarms : float
        The accepted chance of a false verdict, for each of the two.
    """
    known = column[~np.isnan(column)]
    difference, lower, upper, moved = _moved(feature, known, n_training, false_alarms)
    n_missing = len(column) - len(known)
    share = proportion(n_missing, len(column))
    return Shift(
        feature.name, feature.label, len(known), difference, lower, upper, *share,
        feature.missing_share,
        moved,
        _counts_differ(
            n_missing, len(column), round(feature.missing_share * n_training), n_training,
            false_alarms,
        ),
    )  # fmt: skip


def _moved(
    feature: FeatureDocument, known: FloatArray, n_training: int, false_alarms: float
) -> tuple[float, float, float, Verdict]:
    reference = feature.reference
    if reference is None or not reference.sd or reference.mean is None or len(known) < 2:
        return np.nan, np.nan, np.nan, "too few"
    n_reference = round((1 - feature.missing_share) * n_training)
    limited = np.clip(known, reference.p1, reference.p99)
    difference = (float(limited.mean()) - reference.mean) / reference.sd
    spread = float(limited.std(ddof=1)) / reference.sd
    half = float(norm.ppf((1 + CONFIDENCE) / 2)) * sqrt(spread**2 / len(known) + 1 / n_reference)
    if feature.unit == YES_NO:
        yes = round(reference.mean * n_reference)
        verdict = _counts_differ(int(limited.sum()), len(known), yes, n_reference, false_alarms)
    else:
        # Under "no drift" the window varies as the training patients did.
        z = difference / sqrt(1 / len(known) + 1 / n_reference)
        verdict = _verdict(2 * float(norm.sf(abs(z))), len(known), false_alarms)
    return difference, difference - half, difference + half, verdict


def _counts_differ(count: int, n: int, other: int, n_other: int, false_alarms: float) -> Verdict:
    """Compare two shares by Fisher's exact test, which holds for rare ones too."""
    table = [[count, n - count], [other, n_other - other]]
    return _verdict(float(fisher_exact(np.array(table)).pvalue), n, false_alarms)


def _verdict(chance: float, n: int, false_alarms: float) -> Verdict:
    if n < FEWEST_KNOWN_VALUES:
        return "too few"
    return "drifted" if chance < false_alarms else "steady"


def proportion(count: int, n: int) -> tuple[float, float, float]:
    """Return a share with its exact (Clopper-Pearson) interval; NaN of nobody."""
    if n == 0:
        return np.nan, np.nan, np.nan
    interval = binomtest(count, n).proportion_ci(CONFIDENCE, "exact")
    return count / n, float(interval.low), float(interval.high)


def mean_with_interval(sample: FloatArray) -> tuple[float, float, float]:
    """Return a mean with its interval by Student's t; NaN where it cannot be given."""
    if not sample.size:
        return np.nan, np.nan, np.nan
    n, mean = len(sample), float(sample.mean())
    if n == 1:
        return mean, np.nan, np.nan
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * float(sample.std(ddof=1)) / sqrt(n)
    return mean, mean - half, mean + half


def mean_differs(
    sample: FloatArray, expected: float, n_training: int, false_alarms: float
) -> Verdict:
    """Compare the mean of some numbers with that of as many training patients, as spread out."""
    n = len(sample)
    if n < FEWEST_KNOWN_VALUES or np.ptp(sample) == 0:
        return "too few"
    error = float(sample.std(ddof=1)) * sqrt(1 / n + 1 / n_training)
    z = (float(sample.mean()) - expected) / error
    return _verdict(2 * float(norm.sf(abs(z))), n, false_alarms)


def shares_differ(
    recent: int, n_recent: int, before: int, n_before: int, false_alarms: float
) -> Verdict:
    """Compare a share in the latest window with all windows before it."""
    if min(n_recent, n_before) < FEWEST_KNOWN_VALUES:
        return "too few"
    return _counts_differ(recent, n_recent, before, n_before, false_alarms)
