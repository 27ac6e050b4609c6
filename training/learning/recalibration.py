"""Logistic recalibration of margins that were made out of fold, with a slope that may not turn."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from training.learning.rows import BoolArray, FloatArray, SiteArray

Parameters = np.ndarray[tuple[int], np.dtype[np.float64]]

# Perfectly separated margins have no finite maximum; 20 a SD is a step function already.
_STEEPEST_SLOPE = 20.0


@dataclass(frozen=True)
class Recalibration:
    """Calibrated log-odds are `slope * margin + intercept`."""

    slope: float
    intercept: float

    @property
    def has_signal(self) -> bool:
        """Whether the margins say anything; without, the base rate is served."""
        return self.slope > 0

    def log_odds(self, margin: FloatArray) -> FloatArray:
        """Return calibrated log-odds, shape as `margin`."""
        return self.slope * margin + self.intercept


def fit_recalibration(margin: FloatArray, y: BoolArray, site: SiteArray) -> Recalibration:
    """Fit `logit P(y) = slope * margin + intercept` with `slope >= 0`.

    On small or null data the unconstrained slope is negative as often as not (52 % of null draws
    at n = 200), and would turn the sign of every contribution; held at 0 it serves the base rate.

    The slope is the maximum-likelihood slope within sites, each with an intercept of its own:
    where whole sites are held out, margins are low at sites whose outcome is frequent, since the
    others' base rate is then lower, and a common intercept would take that for a negative slope.
    The one intercept that is served makes the mean prediction the base rate.

    Parameters
    ----------
    margin : ndarray of float, shape (n,)
        Out-of-fold margins in log-odds; NaN where a patient was never held out.
    y : ndarray of bool, shape (n,)
        Whether the outcome was reached; both values occur.
    site : ndarray of str, shape (n,)
        Site of each patient.
    """
    known = ~np.isnan(margin)
    x, reached = margin[known], y[known].astype(np.float64)
    slope = _slope_within(x, reached, np.unique(site[known], return_inverse=True)[1])
    if slope <= 0:
        return Recalibration(0.0, float(logit(np.mean(y))))
    return Recalibration(slope, _intercept(slope * x, float(np.mean(reached))))


def _slope_within(x: FloatArray, y: FloatArray, group: npt.NDArray[np.intp]) -> float:
    spread = float(np.std(x)) if len(x) else 0.0
    # Margins that differ by rounding alone hold no signal.
    if spread < 1e-9 or not 0 < y.sum() < len(y):
        return 0.0
    z = (x - np.mean(x)) / spread
    n_groups = int(group.max()) + 1

    def loss(parameters: Parameters) -> tuple[float, FloatArray]:
        log_odds = parameters[0] * z + parameters[1:][group]
        residual = expit(log_odds) - y
        value = float(np.mean(np.logaddexp(0.0, log_odds) - y * log_odds))
        by_group = np.bincount(group, residual, minlength=n_groups)
        return value, np.append(residual @ z, by_group) / len(y)

    # A group of one outcome drives its intercept outwards, where it no longer matters.
    bounds = [(0.0, _STEEPEST_SLOPE), *[(-30.0, 30.0)] * n_groups]
    start = np.append(0.0, np.full(n_groups, logit(np.mean(y))))
    fitted = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000},
    )  # fmt: skip
    return float(fitted.x[0]) / spread


def _intercept(offset: FloatArray, base_rate: float) -> float:
    """Return the intercept at which the mean prediction is the base rate."""
    reach = float(np.max(np.abs(offset))) + 40.0
    root: float = brentq(lambda b: float(np.mean(expit(offset + b))) - base_rate, -reach, reach)
    return root
