r"""ComBat: learn what each scanner adds to connectivity, so that it can be taken away.

Johnson 2007 (doi:10.1093/biostatistics/kxj037), as used on connectivity by Fortin 2018
(doi:10.1016/j.neuroimage.2017.11.024): a value of feature g at site i is

.. math:: x_{ijg} = \alpha_g + c_{ij}\beta_g + \sigma_g(\gamma_{ig} + \delta_{ig}\epsilon_{ijg})

with covariates c whose effect is kept. Each site's :math:`\gamma_{ig}` and :math:`\delta_{ig}^2`
are shrunk towards those of its other features, under a normal and an inverse gamma prior.

It is learned from training patients alone and applied to one at a time. The outcome is never a
covariate; `docs/harmonisation.md` shows what goes wrong with it, and what without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from data_schemas.errors import DataError
from features.site_effects import FloatArray, SiteEffects, SitePrior, SiteShift

BoolArray = npt.NDArray[np.bool_]

# Fewer scans say little of a scanner's spread; a choice.
MINIMUM_SITE_SCANS: Final = 5
# Relative change at which the two conditional means are taken as solved, as in `neuroCombat`.
_CONVERGED: Final = 1e-4
_MOST_STEPS: Final = 1000
# Of a feature's spread to its size: below it, it does not vary but for rounding.
_ROUNDING: Final = 1e-12


class ComBat(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Remove site effects by empirical Bayes, as `neuroCombat` does, from patients never seen too.

    Parameters
    ----------
    reference_site : str, optional
        Keeps its values, and the others are brought to it; the average of all sites without it, or
        where it has too few scans.
    minimum_site_scans : int
        Sites with fewer scans are treated as sites never seen.
    feature_names, covariate_names : sequence of str, optional
        Names in the learned effects; numbered without them.

    Attributes
    ----------
    effects_ : SiteEffects
        What was learned, in plain numbers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> site = np.repeat(["north", "south"], 50)
    >>> X = rng.normal(size=(100, 4)) + 3.0 * (site == "south")[:, None]
    >>> adjusted = ComBat().fit_transform(X, site=site)
    >>> bool(np.ptp([adjusted[site == name].mean() for name in ("north", "south")]) < 0.02)
    True
    """

    def __init__(
        self,
        *,
        reference_site: str | None = None,
        minimum_site_scans: int = MINIMUM_SITE_SCANS,
        feature_names: Sequence[str] | None = None,
        covariate_names: Sequence[str] | None = None,
    ) -> None:
        self.reference_site = reference_site
        self.minimum_site_scans = minimum_site_scans
        self.feature_names = feature_names
        self.covariate_names = covariate_names

    def fit(
        self,
        X: npt.ArrayLike,
        y: object = None,  # noqa: ARG002
        *,
        site: npt.ArrayLike,
        covariates: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn the effects of sites from training patients; outcomes are not looked at.

        Parameters
        ----------
        X : array-like of shape (n, p)
            NaN where unknown; each feature is learned from the rows where it is known.
        site : array-like of str, shape (n,)
            Empty where unknown.
        covariates : array-like of shape (n, q), optional
            Whose effect on X is kept; NaN where unknown.
        """
        values = np.array(X, dtype=np.float64)
        given = _covariates(covariates, len(values))
        self.effects_ = _learned(
            values,
            np.asarray(site, dtype=np.str_),
            given,
            _Settings(
                self.reference_site,
                max(2, self.minimum_site_scans),
                _names(self.feature_names, values.shape[1], "feature"),
                _names(self.covariate_names, given.shape[1], "covariate"),
            ),
        )
        return self

    def transform(
        self,
        X: npt.ArrayLike,
        *,
        site: npt.ArrayLike,
        covariates: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Return the features without site effects; see `SiteEffects.without`."""
        check_is_fitted(self)
        given = np.asarray(X, dtype=np.float64)
        return self.effects_.without(given, site, _covariates(covariates, len(given)))

    def fit_transform(self, X: npt.ArrayLike, y: object = None, **given: Any) -> FloatArray:  # noqa: ANN401
        """Learn from patients and return them without site effects."""
        return self.fit(X, y, **given).transform(X, **given)


def adapt(
    effects: SiteEffects, name: str, X: npt.ArrayLike, covariates: npt.ArrayLike
) -> SiteEffects:
    """Return the effects with a further site, estimated from a handful of its scans.

    Outcomes are not needed. The site's shift is shrunk towards what the training sites' shifts
    were like: the fewer scans, the more. Nothing that was learned before changes.

    Parameters
    ----------
    effects : SiteEffects
        Of the training sites, at least two.
    name : str
        The new site's.
    X : array-like of shape (n, p)
        Its scans, the columns those of `effects.features`; NaN where unknown.
    covariates : array-like of shape (n, q)
        NaN where unknown.

    Raises
    ------
    DataError
        When fewer than `MINIMUM_SITE_SCANS` scans are given, the site is known already, or nothing
        is known of how sites differ.
    """
    values = np.asarray(X, dtype=np.float64)
    n_scans = int(np.count_nonzero(~np.isnan(values).all(axis=1)))
    if effects.prior is None:
        raise DataError("The model has learned no site effects; there is nothing to adapt.")
    if effects.knows(name):
        raise DataError(f"The model knows the scanner of site '{name}' already.")
    if n_scans < MINIMUM_SITE_SCANS:
        raise DataError(
            f"{n_scans} usable scans of the site are too few to adapt to its scanner; at least "
            f"{MINIMUM_SITE_SCANS} are needed. Without them its patients' scans are used as they "
            "are."
        )
    standard = (values - effects.fitted(covariates)) / np.array(effects.standard_deviation)
    location, variance = _shrunken(_Moments.of(standard), effects.prior)
    shift = _shift(name, location, variance, n_scans, adapted=True)
    sites = sorted((*effects.sites, shift), key=lambda each: each.site)
    return effects.model_copy(update={"sites": tuple(sites)})


@dataclass(frozen=True)
class _Settings:
    reference_site: str | None
    minimum_site_scans: int
    features: tuple[str, ...]
    covariates: tuple[str, ...]


@dataclass(frozen=True)
class _Pooled:
    """The model of all sites together, a number a feature; `usable` where it could be fitted."""

    mean: FloatArray
    coefficients: FloatArray
    variance: FloatArray
    usable: BoolArray


@dataclass(frozen=True)
class _Moments:
    """Standardised values of one site, and their moments, a feature each."""

    values: FloatArray
    n: FloatArray
    mean: FloatArray
    variance: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Return the moments; where fewer than two values are known, n is 0."""
        known = ~np.isnan(values)
        n = known.sum(axis=0).astype(np.float64)
        n[n < 2] = 0
        divisor = np.maximum(n, 2)
        mean = np.where(known, values, 0.0).sum(axis=0) / divisor
        deviations = np.where(known, values - mean, 0.0)
        variance = (deviations**2).sum(axis=0) / (divisor - 1)
        # As in `neuroCombat`: a spread of nothing is no spread to divide by.
        variance[(variance == 0) | (n == 0)] = 1.0
        return cls(values, n, mean, variance)


def _covariates(given: npt.ArrayLike | None, n: int) -> FloatArray:
    return np.empty((n, 0)) if given is None else np.asarray(given, dtype=np.float64)


def _names(given: Sequence[str] | None, n: int, kind: str) -> tuple[str, ...]:
    return tuple(f"{kind}_{number}" for number in range(n)) if given is None else tuple(given)


def _learned(
    X: FloatArray, site: npt.NDArray[np.str_], covariates: FloatArray, settings: _Settings
) -> SiteEffects:
    scanned = ~np.isnan(X).all(axis=1) & (site != "")
    names, counts = np.unique(site[scanned], return_counts=True)
    names = names[counts >= settings.minimum_site_scans]
    rows = np.flatnonzero(scanned & np.isin(site, names))
    reference = settings.reference_site if settings.reference_site in names else None
    means = _known_means(covariates[rows])
    centred = np.where(np.isnan(covariates), 0.0, covariates - means)[rows]
    member = site[rows][:, None] == names
    pooled = _pooled(X[rows], member, centred, None if reference is None else names == reference)
    spread = np.sqrt(pooled.variance)
    standard = (X[rows] - pooled.mean - centred @ pooled.coefficients) / spread
    standard[:, ~pooled.usable] = np.nan
    moments = {
        str(name): _Moments.of(standard[own]) for name, own in zip(names, member.T, strict=True)
    }
    shifts = [
        _own_shift(name, each, int(np.count_nonzero(own)), reference=name == reference)
        for (name, each), own in zip(moments.items(), member.T, strict=True)
    ]
    others = [each for name, each in moments.items() if name != reference]
    return SiteEffects(
        features=settings.features,
        covariates=settings.covariates,
        covariate_means=tuple(means.tolist()),
        coefficients=tuple(tuple(row) for row in pooled.coefficients.tolist()),
        mean=tuple(pooled.mean.tolist()),
        standard_deviation=tuple(spread.tolist()),
        # One site alone cannot be told from everyone.
        sites=tuple(shifts) if len(shifts) > 1 else (),
        prior=_prior(others) if len(shifts) > 1 else None,
        reference_site=reference,
    )


def _known_means(values: FloatArray) -> FloatArray:
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    means: FloatArray = total / np.maximum(known.sum(axis=0), 1)
    return means


def _pooled(
    X: FloatArray, member: BoolArray, centred: FloatArray, reference: BoolArray | None
) -> _Pooled:
    """Fit each feature by site and covariates, those known in the same patients together."""
    p, q = X.shape[1], centred.shape[1]
    mean, coefficients, variance = np.zeros(p), np.zeros((q, p)), np.ones(p)
    usable = np.zeros(p, dtype=np.bool_)
    patterns, which = np.unique(~np.isnan(X), axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        columns = np.flatnonzero(which == number)
        own, values = member[known], X[np.ix_(known, columns)]
        counts = own.sum(axis=0)
        if np.count_nonzero(counts >= 2) < 2 or (reference is not None and counts[reference] < 2):
            continue
        design = np.column_stack([own, centred[known]])
        fitted = np.linalg.lstsq(design, values)[0]
        weights = counts / counts.sum() if reference is None else reference.astype(np.float64)
        judged = np.ones(len(own), np.bool_) if reference is None else own[:, reference].any(axis=1)
        left = np.mean((values - design @ fitted)[judged] ** 2, axis=0)
        varies = left > (_ROUNDING * (1 + np.abs(values).max(axis=0))) ** 2
        chosen = columns[varies]
        mean[chosen] = (weights @ fitted[: len(counts)])[varies]
        coefficients[:, chosen] = fitted[len(counts) :][:, varies]
        variance[chosen], usable[chosen] = left[varies], True
    return _Pooled(mean, coefficients, variance, usable)


def _own_shift(name: str, moments: _Moments, n_scans: int, *, reference: bool) -> SiteShift:
    nothing = np.zeros(len(moments.n)), np.ones(len(moments.n))
    prior = None if reference else _prior([moments])
    known = moments.n > 0
    unshrunken = np.where(known, moments.mean, 0.0), np.where(known, moments.variance, 1.0)
    location, variance = nothing if reference else unshrunken
    if prior is not None:
        location, variance = _shrunken(moments, prior)
    return _shift(name, location, variance, n_scans)


def _shift(
    name: str, location: FloatArray, variance: FloatArray, n_scans: int, *, adapted: bool = False
) -> SiteShift:
    return SiteShift(
        site=name,
        location=tuple(location.tolist()),
        scale=tuple(np.sqrt(variance).tolist()),
        n_scans=n_scans,
        adapted=adapted,
    )


def _prior(sites: Sequence[_Moments]) -> SitePrior | None:
    """Return the priors by the method of moments; None where there are too few shifts."""
    locations = np.concatenate([each.mean[each.n > 0] for each in sites]) if sites else np.empty(0)
    if len(locations) < 2:
        return None
    variances = np.concatenate([each.variance[each.n > 0] for each in sites])
    m, s2 = float(np.mean(variances)), float(np.var(variances, ddof=1))
    t2 = float(np.var(locations, ddof=1))
    if s2 < _ROUNDING or t2 < _ROUNDING:
        return None
    return SitePrior(
        location_mean=float(np.mean(locations)),
        location_variance=t2,
        variance_shape=(2 * s2 + m**2) / s2,
        variance_rate=(m * s2 + m**3) / s2,
    )


def _shrunken(site: _Moments, prior: SitePrior) -> tuple[FloatArray, FloatArray]:
    """Return the posterior location and variance of a site, 0 and 1 where nothing is known.

    Either is the mean given the other (equations 3.1 and 3.2 of Johnson 2007), in turns.
    """
    known = site.n > 0
    values, n = site.values[:, known], site.n[known]
    given = ~np.isnan(values)
    location, variance = site.mean[known], site.variance[known]
    observed, t2 = location, prior.location_variance
    for _ in range(_MOST_STEPS):
        step = (t2 * n * observed + variance * prior.location_mean) / (t2 * n + variance)
        squares = np.where(given, (values - step) ** 2, 0.0).sum(axis=0)
        spread = (0.5 * squares + prior.variance_rate) / (n / 2 + prior.variance_shape - 1)
        change = max(_change(step, location), _change(spread, variance))
        location, variance = step, spread
        if change <= _CONVERGED:
            break
    full_location, full_variance = np.zeros(len(site.n)), np.ones(len(site.n))
    full_location[known], full_variance[known] = location, variance
    return full_location, full_variance


def _change(new: FloatArray, old: FloatArray) -> float:
    """Return the largest relative change; negative ones count as none, as in `neuroCombat`."""
    change = np.divide(np.abs(new - old), old, out=np.zeros(len(old)), where=old != 0)
    return float(change.max(initial=0.0))
