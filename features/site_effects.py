"""What scanners add to connectivity, once learned, and how it is taken away from one patient.

Apart from `harmonisation.py`, which learns it, so that serving starts without scikit-learn. All of
it is plain numbers, and stands in `model.json` as text.
"""

from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

FloatArray = npt.NDArray[np.float64]

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SiteShift(BaseModel):
    """What one site's scanner does to each feature, in pooled standard deviations."""

    model_config = _FROZEN

    site: str = Field(min_length=1)
    location: tuple[float, ...] = Field(description="Added to each feature.")
    scale: tuple[float, ...] = Field(description="Multiplies the spread of each feature.")
    n_scans: int = Field(ge=2, description="Scans that it was estimated from.")
    adapted: bool = Field(default=False, description="Estimated after training, by `adapt`.")


class SitePrior(BaseModel):
    """How shifts are distributed over sites and features: what is known of a site never seen."""

    model_config = _FROZEN

    location_mean: float = Field(description="Of a normal distribution.")
    location_variance: float = Field(gt=0)
    variance_shape: float = Field(gt=1, description="Of an inverse gamma distribution.")
    variance_rate: float = Field(gt=0)


class SiteEffects(BaseModel):
    """Learned site effects; `without` takes them away.

    With the fitted value `m = mean + sum(coefficient * (covariate - covariate_mean))`, a value x of
    a known site becomes `m + sd * ((x - m) / sd - location) / scale`.
    """

    model_config = _FROZEN

    features: tuple[str, ...] = Field(min_length=1)
    covariates: tuple[str, ...] = Field(description="Features whose effect is kept.")
    covariate_means: tuple[float, ...] = Field(description="Taken where one is unknown.")
    coefficients: tuple[tuple[float, ...], ...] = Field(description="A covariate, then a feature.")
    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]
    sites: tuple[SiteShift, ...] = Field(description="By name; none where nothing was learned.")
    prior: SitePrior | None = Field(description="Null where it could not be estimated.")
    reference_site: str | None = Field(
        default=None, description="The site to whose scanner all others are brought, if any."
    )

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        p, q = len(self.features), len(self.covariates)
        shifts = [values for shift in self.sites for values in (shift.location, shift.scale)]
        if any(len(v) != p for v in (self.mean, self.standard_deviation, *self.coefficients)):
            raise ValueError("every feature needs a mean, a standard deviation and coefficients")
        if len(self.coefficients) != q or len(self.covariate_means) != q:
            raise ValueError("every covariate needs a mean and coefficients")
        if any(len(values) != p for values in shifts):
            raise ValueError("every site needs a location and a scale for every feature")
        spreads = (*self.standard_deviation, *(s for shift in self.sites for s in shift.scale))
        if any(spread <= 0 for spread in spreads):
            raise ValueError("standard deviations and scales must be positive")
        if any(one >= other for one, other in pairwise(shift.site for shift in self.sites)):
            raise ValueError("sites must stand once each, by name")
        return self

    def knows(self, site: str | None) -> bool:
        """Whether the site's effect was learned."""
        return any(shift.site == site for shift in self.sites)

    def fitted(self, covariates: npt.ArrayLike) -> FloatArray:
        """Return what is expected of patients with these covariates at no site in particular.

        Parameters
        ----------
        covariates : array-like of shape (n, q)
            NaN where unknown.

        Returns
        -------
        ndarray of float, shape (n, p)
        """
        given = np.asarray(covariates, dtype=np.float64)
        expected = np.tile(self.mean, (len(given), 1))
        # One after the other: the bits of a matrix product depend on the number of rows.
        for column, (mean, row) in enumerate(
            zip(self.covariate_means, self.coefficients, strict=True)
        ):
            centred = np.where(np.isnan(given[:, column]), 0.0, given[:, column] - mean)
            expected += centred[:, None] * np.array(row)
        return expected

    def without(
        self, X: npt.ArrayLike, site: npt.ArrayLike, covariates: npt.ArrayLike
    ) -> FloatArray:
        """Return the features without what the patients' sites add.

        Each row depends on itself alone. Patients of a site that is not known, and of the reference
        site, keep their values to the last bit, and NaN stays NaN.

        Parameters
        ----------
        X : array-like of shape (n, p)
            In the order of `features`.
        site : array-like of str, shape (n,)
        covariates : array-like of shape (n, q)
            NaN where unknown.

        Returns
        -------
        ndarray of float, shape (n, p)
        """
        adjusted = np.array(X, dtype=np.float64)
        names = np.asarray(site, dtype=np.str_)
        expected = self.fitted(covariates)
        spread = np.array(self.standard_deviation)
        for shift in self.sites:
            own = np.flatnonzero(names == shift.site)
            if shift.site == self.reference_site or not len(own):
                continue
            standard = (adjusted[own] - expected[own]) / spread
            standard = (standard - np.array(shift.location)) / np.array(shift.scale)
            adjusted[own] = standard * spread + expected[own]
        return adjusted
