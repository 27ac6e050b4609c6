"""What a model attributes to its features, in figures that can be compared between replicates.

Contributions of single patients are neither kept nor handed on: each replicate gives, for every
feature, how far it moves predictions, which way, and how far in each band of its values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.learning.models import BoostedModel, FittedModel
from training.learning.rows import FloatArray, IntArray
from training.stability.cuts import MOST_PARTS, cuts_of

# Means over a thousand patients move by a hundredth; more would only cost time.
MOST_EXPLAINED: Final = 1000
N_BANDS: Final = MOST_PARTS + 1
"""Bands of values a feature at most, and, in the last place, those in whom it is unknown."""


@dataclass(frozen=True)
class Attribution:
    """What one model, or each of several, attributes to its p features.

    Attributes
    ----------
    size : ndarray of float, shape (..., p)
        Mean |SHAP|: how far a feature moves predictions on average, in log-odds.
    effect : ndarray of float, shape (..., p)
        How much further up a patient's log-odds are moved where the feature is one standard
        deviation higher, or is "yes" and not "no"; 0 where it does not vary.
    domain_size : ndarray of float, shape (..., d)
        Mean |sum of SHAP| over the features of each domain, in log-odds.
    band_mean : ndarray of float, shape (..., p, N_BANDS)
        Mean SHAP of the patients in each band of values; NaN where there is no such band.
    """

    size: FloatArray
    effect: FloatArray
    domain_size: FloatArray
    band_mean: FloatArray


def attribute(contributions: FloatArray, X: FloatArray, domains: Sequence[str]) -> Attribution:
    """Put contributions into figures.

    Parameters
    ----------
    contributions : ndarray of float, shape (n, p)
        SHAP values in calibrated log-odds.
    X : ndarray of float, shape (n, p)
        Features; NaN where unknown.
    domains : sequence of str, length p
        Of each feature.
    """
    of = np.array(domains)
    by_domain = [contributions[:, of == name].sum(axis=1) for name in domain_names(domains)]
    return Attribution(
        size=np.abs(contributions).mean(axis=0),
        effect=np.array([_effect(*pair) for pair in zip(contributions.T, X.T, strict=True)]),
        domain_size=np.array([np.abs(total).mean() for total in by_domain]),
        band_mean=np.array(
            [_band_means(phi, bands_of(x)) for phi, x in zip(contributions.T, X.T, strict=True)]
        ),
    )


def domain_names(domains: Sequence[str]) -> tuple[str, ...]:
    """Return the domains in the order in which they first occur."""
    return tuple(dict.fromkeys(domains))


def explained_rows(n: int) -> IntArray:
    """Return the rows on which models are compared: all, or a thousand evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_EXPLAINED)).round().astype(np.int64))


def contributions_of(model: FittedModel, X: FloatArray) -> FloatArray:
    """Return SHAP values of a fitted model in calibrated log-odds, shape (n, p).

    Zero for a model without trees, and for columns that it did not learn from.
    """
    found = np.zeros(X.shape)
    if isinstance(model, BoostedModel):
        seen = X[:, model.columns]
        margins = [
            np.asarray(booster.predict(seen, pred_contrib=True, num_threads=1))[:, :-1]
            for booster in model.bag.boosters
        ]
        found[:, model.columns] = model.recalibration.slope * np.mean(margins, axis=0)
    return found


def bands_of(values: FloatArray) -> IntArray:
    """Return the band of each value, counted from the lowest; the last one where it is unknown.

    At least twenty patients share a band of known values, by `training.stability.cuts.cuts_of`.
    """
    unknown = np.isnan(values)
    cuts = cuts_of(values[~unknown])
    return np.where(unknown, N_BANDS - 1, np.searchsorted(cuts, values, side="right"))


def _band_means(contributions: FloatArray, band: IntArray) -> FloatArray:
    count = np.bincount(band, minlength=N_BANDS)
    total = np.bincount(band, contributions, minlength=N_BANDS)
    means: FloatArray = np.divide(total, count, out=np.full(N_BANDS, np.nan), where=count > 0)
    return means


def _effect(contributions: FloatArray, values: FloatArray) -> float:
    """Return the slope of contribution on value, a standard deviation or from no to yes."""
    known = ~np.isnan(values)
    x, phi = values[known], contributions[known]
    spread = float(np.std(x)) if len(x) else 0.0
    if spread == 0:
        return 0.0
    slope = float(np.mean((x - x.mean()) * (phi - phi.mean()))) / spread**2
    return slope if np.isin(x, (0, 1)).all() else slope * spread
