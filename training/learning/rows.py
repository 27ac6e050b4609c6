"""The arrays that a model learns from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
SiteArray = npt.NDArray[np.str_]
DateArray = npt.NDArray[np.datetime64]


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
    """

    X: FloatArray
    y: BoolArray
    site: SiteArray
    monotone: tuple[int, ...]
    patient: IntArray | None = None

    @property
    def smaller_class(self) -> int:
        """Number of patients in the rarer of the two outcomes."""
        return int(min(np.count_nonzero(self.y), np.count_nonzero(~self.y)))

    def rows(self, index: IntArray) -> "TrainingRows":
        """Return those rows."""
        patient = None if self.patient is None else self.patient[index]
        return TrainingRows(self.X[index], self.y[index], self.site[index], self.monotone, patient)

    def columns(self, index: IntArray) -> "TrainingRows":
        """Return those columns."""
        monotone = tuple(self.monotone[number] for number in index)
        return TrainingRows(self.X[:, index], self.y, self.site, monotone, self.patient)
