"""What single columns say of the outcome and of the site."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm, pearsonr

from features.table import Feature
from training.dataset import TrainingTable
from training.learning.rows import BoolArray, FloatArray, SiteArray
from training.performance.site_summary import delong, has_auroc

_FEWEST_OF_EITHER: Final = 10
# Enough for a standard error below 0.005; every second or tenth patient of a larger cohort is read.
_MOST_PATIENTS: Final = 20_000
_FEWEST_AT_A_SITE: Final = 5
# Share of a column's variance between sites from which on it is a name of the site.
_SITE_SHARE: Final = 0.99
_UNLIKELY: Final = 0.001


@dataclass(frozen=True)
class SinglePredictor:
    """How well one column alone tells the outcome.

    Attributes
    ----------
    name, label : str
        Of the column; the label also of whether it is known at all, in plain language.
    auroc : float
        0.5 to 1, whichever way round.
    lower : float
        Of an interval that holds for all columns together with 95 %.
    """

    name: str
    label: str
    auroc: float
    lower: float


def single_predictors(table: TrainingTable) -> list[SinglePredictor]:
    """Return every column, and whether it is known, as a predictor of the outcome on its own.

    Judged over all patients and within sites, and the better of the two is returned: a value made
    from the outcome of a site's other patients tells outcomes apart within sites only. Intervals
    have the variance of DeLong and Bonferroni's correction.
    """
    found: list[tuple[str, str, float, float]] = []
    step = -(-len(table.y) // _MOST_PATIENTS)
    for name, label, values in _candidates(table.features, table.X[::step]):
        known = ~np.isnan(values)
        y, x, site = table.y[::step][known], values[known], table.site[::step][known]
        if min(np.count_nonzero(y), np.count_nonzero(~y)) >= _FEWEST_OF_EITHER:
            found += [(name, label, *each) for each in (delong(y, x), *_within(y, x, site))]
    reach = float(norm.ppf(1 - 0.025 / max(1, len(found))))
    return [_either_way(*each, reach) for each in found]


def _candidates(
    features: Sequence[Feature], X: FloatArray
) -> Iterator[tuple[str, str, FloatArray]]:
    for number, feature in enumerate(features):
        values = X[:, number]
        known = ~np.isnan(values)
        if known.any():
            yield feature.name, feature.label, values
        if known.any() and not known.all():
            label = f"Whether it is known: {feature.label}"
            yield feature.name, label, known.astype(np.float64)


def _within(y: BoolArray, x: FloatArray, site: SiteArray) -> Iterator[tuple[float, float]]:
    """Yield the AUROC and variance within sites, weighted by pairs, where two sites have one."""
    members = [site == name for name in np.unique(site)]
    sites = [(y[own], x[own]) for own in members if has_auroc(y[own])]
    if len(sites) < 2:
        return
    pairs = np.array([np.count_nonzero(own) * np.count_nonzero(~own) for own, _ in sites])
    weights = pairs / pairs.sum()
    aurocs, variances = np.array([delong(*each) for each in sites]).T
    yield float(np.sum(weights * aurocs)), float(np.sum(weights**2 * variances))


def _either_way(
    name: str, label: str, auroc: float, variance: float, reach: float
) -> SinglePredictor:
    better = max(auroc, 1 - auroc)
    return SinglePredictor(name, label, better, better - reach * variance**0.5)


@dataclass(frozen=True)
class SiteColumn:
    """A column that gives the site away.

    Attributes
    ----------
    label : str
    sites : int
        That it tells apart.
    follows_outcome : bool
        Whether its value at a site follows the rate of the outcome there, beyond chance.
    """

    label: str
    sites: int
    follows_outcome: bool


def site_columns(table: TrainingTable) -> list[SiteColumn]:
    """Return the columns that hardly vary within sites and differ between three or more.

    Plans that a clinic has for everybody (sessions, protocol) are such columns too, where there are
    as many as clinics.
    """
    found = []
    for number, feature in enumerate(table.features):
        column = _site_column(feature, table.X[:, number], table.y, table.site)
        if column is not None:
            found.append(column)
    return found


def _site_column(
    feature: Feature, x: FloatArray, y: BoolArray, site: SiteArray
) -> SiteColumn | None:
    known = ~np.isnan(x)
    names, code, counts = np.unique(site[known], return_inverse=True, return_counts=True)
    large = counts >= _FEWEST_AT_A_SITE
    if np.count_nonzero(large) < 3:
        return None
    member = large[code]
    values, own = x[known][member], code[member]
    sizes = np.bincount(own, minlength=len(names))[large]
    means = np.bincount(own, values, minlength=len(names))[large] / sizes
    rates = np.bincount(own, y[known][member], minlength=len(names))[large] / sizes
    total = float(np.sum((values - values.mean()) ** 2))
    between = float(np.sum(sizes * (means - values.mean()) ** 2))
    distinct = len(np.unique(np.round(means, 9)))
    if total == 0 or between / total < _SITE_SHARE or distinct < max(3, len(means) / 2):
        return None
    follows = bool(np.ptp(rates) > 0 and pearsonr(means, rates).pvalue < _UNLIKELY)
    return SiteColumn(feature.label, distinct, follows)
