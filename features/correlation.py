"""Correlations of time series, one subject after another through the same memory.

Series are centred in double precision and multiplied in single precision: one product of matrices,
in half the time of double precision. With up to 400 volumes the correlations differ from those of
`numpy.corrcoef` by less than 1e-6, far below what a scan of the same person a day later differs
by. Where more digits are needed, use `numpy.corrcoef`.
"""

import numpy as np
import numpy.typing as npt

from data_schemas.errors import DataError

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]

# A series whose spread is no more than the rounding of its mean is constant: each of t additions
# rounds once, so that the mean may be wrong by t times this share of itself.
_ROUNDING = float(np.finfo(np.float64).eps)


class Correlator:
    """Correlates the time series of one subject after another.

    Examples
    --------
    >>> series = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 3.0], [2.0, -1.0, 3.0]])
    >>> Correlator().correlate(series)[0].round(6).tolist()
    [1.0, -1.0, nan]
    """

    def __init__(self) -> None:
        self._centred = np.empty((0, 0))
        self._scaled = np.empty((0, 0), dtype=np.float32)
        self._product = np.empty((0, 0), dtype=np.float32)

    def correlate(self, series: npt.NDArray[np.floating]) -> Float32Array:
        """Return the Pearson correlations between all pairs of parcels.

        Parameters
        ----------
        series : ndarray of float, shape (t, n)
            One row a volume, one column a parcel; left as it is.

        Returns
        -------
        ndarray of float32, shape (n, n)
            NaN for a parcel with an unknown or constant series, or with a spread beyond single
            precision (1e-18 to 1e18); the others are not affected. It is overwritten by the next
            call: copy it to keep it.

        Raises
        ------
        DataError
            When it is not a table, or has fewer than three volumes.
        """
        if series.ndim != 2 or len(series) < 3:
            raise DataError(
                "Correlations need a table of time series with at least three volumes, one row a "
                "volume and one column a parcel."
            )
        centred, scaled, product = self._memory(*series.shape)
        # What is unknown, infinite or constant becomes NaN, and the sums say so without a warning.
        with np.errstate(invalid="ignore", over="ignore", under="ignore", divide="ignore"):
            mean = series.mean(axis=0, dtype=np.float64)
            np.subtract(series, mean, out=centred)
            norm = np.sqrt(np.einsum("ij,ij->j", centred, centred))
            norm[~(norm > _ROUNDING * len(series) ** 1.5 * np.abs(mean))] = np.nan
            # Copied first: numpy multiplies and converts at once several times more slowly.
            np.copyto(scaled, centred, casting="same_kind")
            scaled *= (1 / norm).astype(np.float32)
            np.matmul(scaled.T, scaled, out=product)
        np.clip(product, -1, 1, out=product)
        return product

    def _memory(
        self, n_volumes: int, n_parcels: int
    ) -> tuple[FloatArray, Float32Array, Float32Array]:
        """Return memory for two copies of the series and their product, kept while large enough."""
        if self._product.shape != (n_parcels, n_parcels):
            self._product = np.empty((n_parcels, n_parcels), dtype=np.float32)
        if self._centred.shape[1] != n_parcels or len(self._centred) < n_volumes:
            self._centred = np.empty((n_volumes, n_parcels))
            self._scaled = np.empty((n_volumes, n_parcels), dtype=np.float32)
        return self._centred[:n_volumes], self._scaled[:n_volumes], self._product
