"""Riley's criteria: how many patients a prediction model of a yes-or-no outcome needs.

Riley et al. 2019, Statistics in Medicine 38:1276, doi:10.1002/sim.7992. Three criteria, of which
the largest number counts:

1. small overfitting: predictions shrunk by no more than a tenth;
2. small optimism: apparent and true R-squared (Nagelkerke's) no more than 0.05 apart;
3. a precise base rate: known within 0.05 either way.

They need the Cox-Snell R-squared that the model is expected to reach. It is had from an expected
AUROC by the model of Riley et al. 2021, Statistics in Medicine 40:859, doi:10.1002/sim.8806, in
which the linear predictor is N(mu y, 1). There a million patients are simulated; here the same
quantity is integrated, so that it is exact and the same every time.

The formulae assume a regression. From an AUROC of 0.8 they ask for too few patients (Pavlou et al.
2024, doi:10.1186/s12874-024-02268-5).
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit
from scipy.stats import norm

from training.learning.rows import FloatArray

# Riley et al. 2019: what is asked of shrinkage, optimism and base rate.
SHRINKAGE: Final = 0.9
OPTIMISM: Final = 0.05
RISK_MARGIN: Final = 0.05
_NORMAL_95: Final = 1.96

# Equally spaced sums converge faster than any power of the step for a normal density; beyond nine
# SDs its mass is below 1e-18.
_STANDARD_NORMAL: Final = np.arange(-9, 9.005, 0.01)
_MASS: Final = norm.pdf(_STANDARD_NORMAL) * 0.01


@dataclass(frozen=True)
class RequiredSample:
    """Patients that each criterion asks for.

    Attributes
    ----------
    parameters : int
        Candidate predictor parameters.
    prevalence : float
        Share of patients who reach the outcome.
    r_squared : float
        Expected Cox-Snell R-squared.
    for_shrinkage, for_optimism, for_base_rate : int
        Patients asked for by criteria 1, 2 and 3.
    """

    parameters: int
    prevalence: float
    r_squared: float
    for_shrinkage: int
    for_optimism: int
    for_base_rate: int

    @property
    def patients(self) -> int:
        """The largest of the three."""
        return max(self.for_shrinkage, self.for_optimism, self.for_base_rate)

    @property
    def events(self) -> int:
        """Patients expected to reach the outcome among those."""
        return ceil(self.patients * self.prevalence)

    @property
    def events_per_parameter(self) -> float:
        """Expected events over parameters."""
        return self.patients * self.prevalence / self.parameters


@dataclass(frozen=True)
class LinearPredictor:
    """The log-odds of a calibrated model with a given AUROC, as a distribution over patients.

    Attributes
    ----------
    log_odds : ndarray, shape (2, m)
        Support for patients without the outcome (first row) and with it.
    mass : ndarray, shape (2, m)
        Share of all patients at each point; sums to 1.
    """

    log_odds: FloatArray
    mass: FloatArray


def linear_predictor(auroc: float, prevalence: float) -> LinearPredictor:
    """Return the log-odds of a calibrated model, given how well it ranks.

    A score that is N(0, 1) without the outcome and N(mu, 1) with it has the AUROC
    `Phi(mu / sqrt(2))`, and by Bayes' rule the log-odds `logit(prevalence) + mu score - mu^2 / 2`.

    Parameters
    ----------
    auroc : float
        0.5 to 1, exclusive.
    prevalence : float
        0 to 1, exclusive.
    """
    mu = _separation(auroc)
    score = np.stack([_STANDARD_NORMAL, score_distribution(auroc)[0]])
    mass = np.stack([(1 - prevalence) * _MASS, prevalence * _MASS])
    return LinearPredictor(float(logit(prevalence)) + mu * score - mu**2 / 2, mass)


def score_distribution(auroc: float) -> tuple[FloatArray, FloatArray]:
    """Return scores of patients with the outcome, N(mu, 1), and their shares, shape (m,) each."""
    return _STANDARD_NORMAL + _separation(auroc), _MASS


def _separation(auroc: float) -> float:
    return float(np.sqrt(2) * norm.ppf(auroc))


def r_squared_from_auroc(auroc: float, prevalence: float) -> float:
    """Return the Cox-Snell R-squared of a calibrated model with that AUROC.

    `1 - exp(-2 (l - l0))`, with the mean log-likelihood `l` of a patient under the model and `l0`
    under the prevalence alone.

    Examples
    --------
    >>> round(r_squared_from_auroc(0.65, 0.47), 4)
    0.0689
    """
    distribution = linear_predictor(auroc, prevalence)
    signed = distribution.log_odds * np.array([[-1.0], [1.0]])
    model = -float(np.sum(distribution.mass * np.logaddexp(0, -signed)))
    return float(-np.expm1(-2 * (model - _null_log_likelihood(prevalence))))


def largest_r_squared(prevalence: float) -> float:
    """Return the Cox-Snell R-squared of a perfect model, which is below 1."""
    return float(-np.expm1(2 * _null_log_likelihood(prevalence)))


def _null_log_likelihood(prevalence: float) -> float:
    return float(prevalence * np.log(prevalence) + (1 - prevalence) * np.log1p(-prevalence))


def required_sample(parameters: int, prevalence: float, r_squared: float) -> RequiredSample:
    """Return how many patients the criteria ask for.

    Parameters
    ----------
    parameters : int
        Candidate predictor parameters, at least 1.
    prevalence : float
        0 to 1, exclusive.
    r_squared : float
        Expected Cox-Snell R-squared, above 0 and below `largest_r_squared(prevalence)`.

    Examples
    --------
    >>> needed = required_sample(20, 0.47, r_squared_from_auroc(0.65, 0.47))
    >>> needed.for_shrinkage, needed.for_optimism, needed.for_base_rate
    (2513, 506, 383)
    """
    largest = largest_r_squared(prevalence)
    for_little_optimism = r_squared / (r_squared + OPTIMISM * largest)
    base_rate = (_NORMAL_95 / RISK_MARGIN) ** 2 * prevalence * (1 - prevalence)
    return RequiredSample(
        parameters=parameters,
        prevalence=prevalence,
        r_squared=r_squared,
        for_shrinkage=ceil(patients_for_shrinkage(parameters, r_squared, SHRINKAGE)),
        for_optimism=ceil(patients_for_shrinkage(parameters, r_squared, for_little_optimism)),
        for_base_rate=ceil(base_rate),
    )


def patients_for_shrinkage(parameters: int, r_squared: float, shrinkage: float) -> float:
    """Return the patients at which the expected shrinkage is as given.

    `n = p / ((S - 1) ln(1 - R2 / S))` (Riley et al. 2019, equation 11).

    Parameters
    ----------
    shrinkage : float
        Between `r_squared` and 1, exclusive.
    """
    return parameters / ((shrinkage - 1) * float(np.log1p(-r_squared / shrinkage)))


def expected_shrinkage(parameters: int, r_squared: float, patients: int) -> float:
    """Return the slope by which the log-odds of a model fitted on so many patients must shrink.

    The solution of `patients_for_shrinkage`, which rises with the shrinkage from 0 to infinity.

    Examples
    --------
    >>> round(expected_shrinkage(20, r_squared_from_auroc(0.65, 0.47), 2513), 3)
    0.9
    """

    def excess(shrinkage: float) -> float:
        return patients_for_shrinkage(parameters, r_squared, shrinkage) - patients

    lowest = r_squared * (1 + 1e-12)
    highest = 1 - 1e-12
    if excess(lowest) > 0:
        return r_squared
    return float(brentq(excess, lowest, highest, xtol=1e-15))
