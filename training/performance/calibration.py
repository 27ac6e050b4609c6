"""Whether held-out probabilities mean what they say: intercept, slope and a flexible curve.

Arguments are those of `training.performance.metrics`. The hierarchy is that of Van Calster et al.
2019, BMC Medicine, doi:10.1186/s12916-019-1466-7: mean calibration (O:E, intercept), weak (slope),
moderate (a flexible curve on the diagonal).

The flexible curve is a logistic regression of the outcome on a restricted cubic spline of the log-
odds with three knots (Harrell's quantiles 0.1, 0.5, 0.9): one bend, which a few hundred patients
can carry, and straight in log-odds beyond the outer knots. Resampled curves keep the knots of the
sample. ICI, E50 and E90 are the mean, median and 90th percentile of the distance between curve and
prediction (Austin and Steyerberg 2019, Statistics in Medicine 38:4051, doi:10.1002/sim.8281).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, logit

from training.learning.rows import BoolArray, FloatArray, IntArray
from training.performance.metrics import inside_unit_interval

# Harrell, Regression Modeling Strategies, 2nd ed. 2015, table 2.3: three knots.
KNOT_QUANTILES: Final = (0.1, 0.5, 0.9)

_FEWEST_VALUES_FOR_A_BEND: Final = 5
_MAXIMUM_STEPS: Final = 50
# Newton's error is about the square of its last step: below 1e-10.
_TOLERANCE: Final = 1e-5
_LARGEST_STEP: Final = 5.0
# On columns of unit variance; beyond it the draw is (nearly) separated and has no maximum.
_SEPARATED: Final = 40.0


def fit_logistic(
    X: FloatArray,
    y: BoolArray,
    weights: FloatArray,
    offset: FloatArray | float = 0.0,
    penalty: FloatArray | float = 0.0,
) -> FloatArray:
    """Fit one logistic regression a draw, by Newton's method, all draws at once.

    Maximises `sum_i w_i [y_i eta_i - log(1 + exp(eta_i))] - sum_j penalty_j b_j^2 / 2` with
    `eta = offset + X @ b`.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Columns of about unit variance; a constant one where an intercept is wanted.
    offset : ndarray, shape (n,) or (draws, n), or float
        Log-odds with a coefficient held at 1.
    penalty : ndarray, shape (k,), or float
        Of each coefficient: 1 / variance of a normal prior around 0. Not penalised without it.

    Returns
    -------
    ndarray, shape (draws, k)
        NaN where a draw has no maximum: one outcome only, or perfectly separated.
    """
    products = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    offsets = np.asarray(offset, dtype=np.float64)
    held_to_zero = np.broadcast_to(np.asarray(penalty, dtype=np.float64), X.shape[1])
    # The small ridge keeps a flat direction solvable and moves nothing.
    ridge = np.diag(held_to_zero + 1e-10 * len(y))
    coefficients = np.full((len(weights), X.shape[1]), np.nan)
    n_events = weights @ y.astype(np.float64)
    moving = np.flatnonzero((n_events > 0) & (n_events < weights.sum(axis=1)))
    current = np.zeros((len(moving), X.shape[1]))
    for _ in range(_MAXIMUM_STEPS):
        if len(moving) == 0:
            break
        fitted = expit((offsets[moving] if offsets.ndim == 2 else offsets) + current @ X.T)
        drawn = weights if len(moving) == len(weights) else weights[moving]
        residual = y - fitted
        residual *= drawn
        fitted *= 1 - fitted
        fitted *= drawn
        hessian = (fitted @ products).reshape(-1, *ridge.shape)
        gradient = residual @ X - held_to_zero * current
        step = np.linalg.solve(hessian + ridge, gradient[:, :, None])[:, :, 0]
        current = current + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
        done = np.abs(step).max(axis=1) < _TOLERANCE
        coefficients[moving[done]] = current[done]
        stays = ~done & (np.abs(current).max(axis=1) < _SEPARATED)
        moving, current = moving[stays], current[stays]
    return coefficients


def calibration_intercept(y: BoolArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return calibration in the large: `a` in `logit P(y) = a + logit p`; 0 is perfect.

    Above 0, the outcome is more frequent than predicted (the slope is held at 1; Cox 1958,
    Biometrika 45:562).
    """
    log_odds = logit(inside_unit_interval(p))
    return fit_logistic(np.ones((len(p), 1)), y, weights, offset=log_odds)[:, 0]


def calibration_slope(
    y: BoolArray,
    p: FloatArray,
    weights: FloatArray,
    group: IntArray | None = None,
    offset: FloatArray | float = 0.0,
) -> FloatArray:
    """Return `b` in `logit P(y) = a + b logit p`; 1 is perfect, below 1 predictions too extreme.

    NaN when all predictions are equal: a constant has no slope. With `group`, each group has an
    intercept `a` of its own: held-out sites with many responders are predicted lower than others,
    by fits that did not see them, which a common intercept takes for too small a slope. A group
    with one outcome only says nothing of the slope, in the draws where that is so. An `offset`, in
    log-odds, is added to `a`.
    """
    log_odds = logit(inside_unit_interval(p))
    spread = float(np.std(log_odds))
    if not varies(log_odds):
        return np.full(len(weights), np.nan)
    codes = np.zeros(len(p), dtype=np.int64) if group is None else group
    X = np.column_stack(
        [(log_odds - np.mean(log_odds)) / spread, codes[:, None] == np.unique(codes)]
    )
    if group is not None:
        weights = weights * in_groups_with_both_outcomes(y, group, weights)
    return fit_logistic(X, y, weights, offset)[:, 0] / spread


def in_groups_with_both_outcomes(y: BoolArray, group: IntArray, weights: FloatArray) -> BoolArray:
    """Return whose group holds both outcomes in a draw, (draws, n)."""
    member = group[:, None] == np.unique(group)
    n_events = weights @ (member & y[:, None]).astype(np.float64)
    n_nonevents = weights @ (member & ~y[:, None]).astype(np.float64)
    place = np.searchsorted(np.unique(group), group)
    both: BoolArray = ((n_events > 0) & (n_nonevents > 0))[:, place]
    return both


def varies(log_odds: FloatArray) -> bool:
    """Return whether predictions differ by more than rounding."""
    return bool(np.ptp(log_odds) > 1e-9)


@dataclass(frozen=True)
class CalibrationCurve:
    """A flexible calibration curve, one a draw.

    Attributes
    ----------
    knots : ndarray, shape (3,) or (0,)
        In log-odds; none where the predictions take too few values, the curve then being straight.
    rotation : ndarray, shape (k, k)
        From the columns of the spline to uncorrelated ones of unit variance.
    coefficients : ndarray, shape (draws, k)
    """

    knots: FloatArray
    rotation: FloatArray
    coefficients: FloatArray

    def at(self, p: FloatArray) -> FloatArray:
        """Return the share who reach the outcome where `p` was predicted, (draws, len(p))."""
        columns = _spline_columns(logit(inside_unit_interval(p)), self.knots) @ self.rotation
        observed: FloatArray = expit(self.coefficients @ columns.T)
        return observed


def fit_calibration_curve(y: BoolArray, p: FloatArray, weights: FloatArray) -> CalibrationCurve:
    """Fit the flexible curve in every draw; NaN everywhere when all predictions are equal."""
    log_odds = logit(inside_unit_interval(p))
    if not varies(log_odds):
        return CalibrationCurve(np.empty(0), np.eye(2), np.full((len(weights), 2), np.nan))
    knots = _knots(log_odds)
    columns = _spline_columns(log_odds, knots)
    rotation = np.linalg.inv(np.linalg.qr(columns, mode="r")) * np.sqrt(len(p))
    return CalibrationCurve(knots, rotation, fit_logistic(columns @ rotation, y, weights))


def _knots(log_odds: FloatArray) -> FloatArray:
    """Return three knots, or none where too few distinct predictions would leave no bend to fit."""
    knots: FloatArray = np.quantile(log_odds, KNOT_QUANTILES)
    too_close = np.min(np.diff(knots)) < 1e-3 * np.ptp(log_odds)
    few_values = len(np.unique(log_odds)) < _FEWEST_VALUES_FOR_A_BEND
    return np.empty(0) if too_close or few_values else knots


def _spline_columns(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Return 1, x and, with three knots, Harrell's restricted cubic term, shape (n, 2 or 3)."""
    if len(knots) == 0:
        return np.column_stack([np.ones_like(x), x])
    first, middle, last = knots
    cubes = np.maximum(x[:, None] - knots, 0) ** 3
    shares = np.array([1.0, -(last - first) / (last - middle), (middle - first) / (last - middle)])
    return np.column_stack([np.ones_like(x), x, cubes @ shares / (last - first) ** 2])


def calibration_errors(
    curve: CalibrationCurve, p: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ICI, E50 and E90, each of shape (draws,).

    Mean, median and 90th percentile, over the patients of each draw, of the distance between the
    curve and the prediction.
    """
    distance = np.abs(curve.at(p) - p)
    order = np.argsort(distance, axis=1, kind="stable")
    ascending = np.take_along_axis(distance, order, axis=1)
    share = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    share /= share[:, -1:]
    ici = (weights * distance).sum(axis=1) / weights.sum(axis=1)
    return ici, _at_share(ascending, share, 0.5), _at_share(ascending, share, 0.9)


def _at_share(ascending: FloatArray, share: FloatArray, q: float) -> FloatArray:
    # The smallest distance that at least q of the patients do not exceed.
    place = np.argmax(share >= q - 1e-12, axis=1)
    found: FloatArray = ascending[np.arange(len(ascending)), place]
    return found
