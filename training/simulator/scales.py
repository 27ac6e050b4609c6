"""Rating scales and counts as roundings of a standardised value, there and back."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RoundedScale:
    """Whole numbers recorded of a latent `z`: `mean + sd z`, rounded and clipped.

    Attributes
    ----------
    mean, sd : float
        In points; of the logarithm where `logarithmic`.
    lowest, highest : int
        Everything beyond is recorded as these.
    logarithmic : bool
        Whether the points are `exp(mean + sd z)`.
    """

    mean: float
    sd: float
    lowest: int
    highest: int
    logarithmic: bool = False

    def record(self, z: FloatArray) -> FloatArray:
        """Return what is recorded of `z`, in whole points."""
        points = self.mean + self.sd * z
        if self.logarithmic:
            points = np.exp(points)
        return np.clip(np.rint(points), self.lowest, self.highest) + 0.0  # no negative zero

    def interval(self, recorded: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the bounds of the `z` that are recorded so; the whole line where NaN."""
        low = np.where(recorded > self.lowest, self._edge(recorded - 0.5), -np.inf)
        high = np.where(recorded < self.highest, self._edge(recorded + 0.5), np.inf)
        return low, high

    def _edge(self, points: FloatArray) -> FloatArray:
        if self.logarithmic:
            points = np.log(np.maximum(points, np.finfo(np.float64).tiny))
        return (points - self.mean) / self.sd
