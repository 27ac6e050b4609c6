"""Yes-or-no questions about a patient's features, all answered by one comparison.

The trees of a model, the replicates behind its interval and its notices each ask on which side of
some limits a patient's values lie. What one patient costs is the number of calls, hardly how much
each of them does; so all that a model asks is collected once, when it is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from serving.booster_text import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Questions:
    """Whether `sign * value <= limit`, which is never so of a value that is unknown.

    Attributes
    ----------
    columns : ndarray of int, shape (q,)
        The feature that each question is about.
    signs : ndarray of float, shape (q,)
        1 or -1.
    limits : ndarray of float, shape (q,)
        NaN where the answer is always no.
    """

    columns: npt.NDArray[np.intp]
    signs: FloatArray
    limits: FloatArray

    @classmethod
    def of(cls, columns: npt.ArrayLike, limits: npt.ArrayLike, above: npt.ArrayLike) -> Self:
        """Return questions whether values are above their limits or, where not, at most these.

        Parameters
        ----------
        columns, limits, above : array-like of int, float and bool, shape (q,)
            One `above` may stand for all.
        """
        limits = np.asarray(limits, dtype=np.float64)
        # x > t is -x < -t, which is -x <= the next number below -t.
        return cls(
            np.asarray(columns, dtype=np.intp),
            np.where(above, -1.0, np.ones_like(limits)),
            np.where(above, just_below(-limits), limits),
        )

    @classmethod
    def joined(cls, parts: "Sequence[Questions]") -> Self:
        """Return the questions of several parts, one part after the other."""
        columns, signs, limits = zip(
            *((each.columns, each.signs, each.limits) for each in parts), strict=True
        )
        return cls(np.concatenate(columns), np.concatenate(signs), np.concatenate(limits))

    def __len__(self) -> int:
        return len(self.columns)

    def answers(self, X: FloatArray) -> BoolArray:
        """Return the answers, shape (q,) or (n, q).

        Parameters
        ----------
        X : ndarray of float64, shape (p,) or (n, p)
            Features of one patient or several, NaN where unknown.
        """
        asked = X.take(self.columns, axis=-1)
        asked *= self.signs
        return asked <= self.limits


def just_below(limits: FloatArray) -> FloatArray:
    """Return the next numbers below some limits: a value below the limit is at most these."""
    with np.errstate(over="ignore"):
        below: FloatArray = np.nextafter(limits, -np.inf)
    return below


NO_QUESTIONS: Final = Questions.of([], [], above=[])
