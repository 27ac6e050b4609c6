"""The arrays that a model learns from."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
SiteArray = npt.NDArray[np.str_]
DateArray = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Measured:
    """Features as the scanners gave them, and what harmonisation learns of them with.

    Attributes
    ----------
    X : ndarray of float, shape (n, p)
        Features as measured, whatever was harmonised since.
    covariates : ndarray of float, shape (n, q)
        Whose effect on the features is kept.
    harmonised : ndarray of bool, shape (p,)
        Which columns are harmonised.
    names : tuple of str, length p
    covariate_names : tuple of str, length q
    reference_site : str or None
        The site to whose scanner the others are brought.
    """

    X: FloatArray
    covariates: FloatArray
    harmonised: BoolArray
    names: tuple[str, ...]
    covariate_names: tuple[str, ...]
    reference_site: str | None

    def rows(self, index: IntArray) -> "Measured":
        """Return those rows."""
        return replace(self, X=self.X[index], covariates=self.covariates[index])

    def columns(self, index: IntArray) -> "Measured":
        """Return those columns."""
        names = tuple(self.names[number] for number in index)
        return replace(self, X=self.X[:, index], harmonised=self.harmonised[index], names=names)


@dataclass(frozen=True)
class TrainingRows:
    """Rows to learn from.

    Attributes
    ----------
    X : ndarray of float, shape (n, p)
        Features; NaN where unknown.
    y : ndarray of bool, shape (n,)
        Whether the outcome was reached.
    site : ndarray of str, shape (n,)
        For grouping only.
    monotone : tuple of int, length p
        Direction to hold each feature to.
    patient : ndarray of int, shape (n,), or None
        Whose row it is, where a patient may have several, as in a bootstrap sample; None where
        each row is a patient of its own.
    measured : Measured or None
        Where X is to be harmonised: anew in every fold, from what was measured. None where not.
    """

    X: FloatArray
    y: BoolArray
    site: SiteArray
    monotone: tuple[int, ...]
    patient: IntArray | None = None
    measured: Measured | None = None

    @property
    def smaller_class(self) -> int:
        """Number of patients in the rarer of the two outcomes."""
        return int(min(np.count_nonzero(self.y), np.count_nonzero(~self.y)))

    def rows(self, index: IntArray) -> "TrainingRows":
        """Return those rows."""
        patient = None if self.patient is None else self.patient[index]
        measured = None if self.measured is None else self.measured.rows(index)
        return TrainingRows(
            self.X[index], self.y[index], self.site[index], self.monotone, patient, measured
        )

    def columns(self, index: IntArray) -> "TrainingRows":
        """Return those columns."""
        monotone = tuple(self.monotone[number] for number in index)
        measured = None if self.measured is None else self.measured.columns(index)
        return TrainingRows(self.X[:, index], self.y, self.site, monotone, self.patient, measured)
