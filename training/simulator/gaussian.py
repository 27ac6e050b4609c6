"""Normal distributions cut to an interval, and logistic functions averaged over normals."""

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr, ndtri

FloatArray = npt.NDArray[np.float64]

_SMALLEST = np.finfo(np.float64).tiny


def interval_probability(
    mean: FloatArray | float, sd: FloatArray | float, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Return P(low < z < high) for z ~ N(mean, sd^2), exact in both tails."""
    lower, upper, _ = _in_the_lower_tail((low - mean) / sd, (high - mean) / sd)
    return np.asarray(ndtr(upper) - ndtr(lower))


def truncated_moments(
    mean: FloatArray | float, sd: FloatArray | float, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of z ~ N(mean, sd^2) given low < z < high.

    Examples
    --------
    >>> import numpy as np
    >>> whole = truncated_moments(1.0, 2.0, np.array([-np.inf]), np.array([np.inf]))
    >>> [float(moment[0]) for moment in whole]
    [1.0, 4.0]
    """
    lower, upper, sign = _in_the_lower_tail((low - mean) / sd, (high - mean) / sd)
    mass = np.maximum(ndtr(upper) - ndtr(lower), _SMALLEST)
    density_low, density_high = _density(lower), _density(upper)
    shift = (density_low - density_high) / mass
    spread = (_times(lower, density_low) - _times(upper, density_high)) / mass
    variance = np.maximum(1 + spread - shift**2, 0.0)
    return mean + sd * sign * shift, sd**2 * variance


def truncated_nodes(
    mean: FloatArray, sd: FloatArray, low: FloatArray, high: FloatArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Return quadrature nodes and weights of z ~ N(mean, sd^2) given low < z < high.

    Parameters
    ----------
    mean, sd, low, high : ndarray, shape (n,)
    count : int

    Returns
    -------
    nodes : ndarray, shape (n, count)
    weights : ndarray, shape (count,)
        Sum to one: Gauss-Legendre on the probability scale.
    """
    points, weights = np.polynomial.legendre.leggauss(count)
    lower, upper, sign = _in_the_lower_tail((low - mean) / sd, (high - mean) / sd)
    start, stop = ndtr(lower)[:, None], ndtr(upper)[:, None]
    quantiles = start + (stop - start) * (points + 1) / 2
    nodes = ndtri(np.maximum(quantiles, _SMALLEST))
    return mean[:, None] + sd[:, None] * sign[:, None] * nodes, weights / 2


def mean_logistic(mean: FloatArray, variance: FloatArray, count: int = 16) -> FloatArray:
    """Return E[1 / (1 + exp(-x))] for x ~ N(mean, variance), by Gauss-Hermite quadrature."""
    points, weights = np.polynomial.hermite_e.hermegauss(count)
    sd = np.sqrt(variance)
    total = np.zeros(np.broadcast_shapes(mean.shape, sd.shape))
    for point, weight in zip(points, weights / weights.sum(), strict=True):
        total += weight * expit(mean + sd * point)
    return total


def _in_the_lower_tail(
    low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mirror intervals above zero, where differences of probabilities would cancel."""
    mirrored = low > 0
    lower, upper = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    return lower, upper, np.where(mirrored, -1.0, 1.0)


def _density(z: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))


def _times(z: FloatArray, density: FloatArray) -> FloatArray:
    return np.where(np.isfinite(z), z, 0.0) * density
