"""Whether figures of several groups of patients differ by more than chance, over many looks."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

from training.learning.rows import FloatArray


def heterogeneity_p(estimates: FloatArray, variances: FloatArray) -> float:
    """Return the p value of Cochran's Q, small where the true values are not all equal.

    `Q = sum w (x - mean)^2` with `w = 1 / variance`, chi-square with k - 1 degrees of freedom
    (Cochran 1954, Biometrics 10:101). For two groups it is the z test of their difference.

    Parameters
    ----------
    estimates, variances : ndarray, shape (k,)
        Of independent groups, at least two; variances above 0.
    """
    w = 1 / variances
    mean = np.sum(w * estimates) / np.sum(w)
    return float(chi2.sf(np.sum(w * (estimates - mean) ** 2), len(estimates) - 1))


def holm(p: Sequence[float]) -> list[float]:
    """Return p values corrected for having looked so often (Holm 1979, Scand J Statist 6:65).

    The smallest of m is multiplied by m, the next by m - 1, and so on; none gets smaller than one
    before it, or larger than 1. One of the looks is below 0.05 by chance in at most 5 % of cases.

    Examples
    --------
    >>> holm([0.04, 0.01, 0.5])
    [0.08, 0.03, 0.5]
    """
    ascending = np.argsort(p, kind="stable")
    stepped = np.sort(p) * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[ascending] = np.minimum(1, np.maximum.accumulate(stepped))
    return [float(value) for value in corrected]
