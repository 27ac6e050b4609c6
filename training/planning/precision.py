"""How wide the 95 % intervals of AUROC and calibration slope will be with so many patients.

Both hold for a calibrated model with a given AUROC whose log-odds are those of
`training.planning.sample_size.linear_predictor`, judged on patients it has not seen: held out in
turn from the cohort, or a cohort of their own.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, logit
from scipy.stats import chi2, norm, t

from training.performance.site_summary import FEWEST_EVENTS
from training.planning.sample_size import linear_predictor, score_distribution

CONFIDENCE: Final = 0.95
_UPPER_TAIL: Final = (1 + CONFIDENCE) / 2
# Quantiles of a chi-squared at the middles of equal shares: a mean over them is an expectation.
_MIDDLES: Final = (np.arange(2000) + 0.5) / 2000


@dataclass(frozen=True)
class ExpectedInterval:
    """The interval to expect around a true value."""

    lower: float
    upper: float

    @property
    def width(self) -> float:
        """Upper less lower limit."""
        return self.upper - self.lower


def auroc_standard_error(auroc: float, events: int, nonevents: int) -> float:
    """Return the standard error of an AUROC of scores N(mu, 1) with the outcome, N(0, 1) without.

    `sqrt([A (1 - A) + (n1 + n0 - 2) (Q - A^2)] / (n1 n0))` (Hanley and McNeil 1982, Radiology
    143:29), where Q, the chance that two patients with the outcome both outrank one without, is
    integrated for these scores; by their symmetry it is also that of one against two.

    Parameters
    ----------
    events, nonevents : int
        Patients with and without the outcome.
    """
    score, density = score_distribution(auroc)
    both = float(np.sum(density * norm.cdf(score) ** 2))
    spread = auroc * (1 - auroc) + (events + nonevents - 2) * (both - auroc**2)
    return float(np.sqrt(spread / (events * nonevents)))


def auroc_interval(auroc: float, prevalence: float, patients: int) -> ExpectedInterval | None:
    """Return the interval of an AUROC among patients who are ranked together.

    Its standard error is `auroc_standard_error`, taken to the logit scale.

    Parameters
    ----------
    auroc, prevalence : float
        0.5 to 1 and 0 to 1, exclusive.
    patients : int
        Who were not learned from.

    Returns
    -------
    ExpectedInterval or None
        None with fewer than 5 patients expected of either outcome.
    """
    variance = _logit_variance(auroc, prevalence, patients)
    return None if variance is None else _around(auroc, float(norm.ppf(_UPPER_TAIL)), variance)


def auroc_interval_over_sites(
    auroc: float, prevalence: float, patients: int, sites: int
) -> ExpectedInterval | None:
    """Return the Hartung-Knapp interval of an AUROC averaged over equally large sites.

    At best, that is: as if the true AUROC were the same everywhere. With K sites of variance `v`
    on the logit scale, `t(K - 1) sqrt(v / K) E sqrt(max(1, q))`, where `(K - 1) q` is chi-squared
    with K - 1 degrees of freedom (see `training.performance.site_summary.random_effects`).

    Parameters
    ----------
    sites : int
        At least 2, each with the same share of the patients.

    Returns
    -------
    ExpectedInterval or None
        None with fewer than 5 patients of either outcome expected at a site.
    """
    variance = _logit_variance(auroc, prevalence, patients // sites)
    if variance is None:
        return None
    degrees = sites - 1
    q = chi2.ppf(_MIDDLES, degrees) / degrees
    reach = float(t.ppf(_UPPER_TAIL, degrees) * np.mean(np.sqrt(np.maximum(1, q))))
    return _around(auroc, reach, variance / sites)


def slope_standard_error(auroc: float, prevalence: float, patients: int) -> float:
    """Return the standard error of the calibration slope of a calibrated model.

    `sqrt(I00 / (n (I00 I11 - I01^2)))` with `Ijk` the mean of `p (1 - p) L^(j + k)` over the log-
    odds L (Riley et al. 2021, Statistics in Medicine 40:4230, doi:10.1002/sim.9025).
    """
    distribution = linear_predictor(auroc, prevalence)
    log_odds = distribution.log_odds
    information = distribution.mass * expit(log_odds) * expit(-log_odds)
    total = float(np.sum(information))
    centre = float(np.sum(information * log_odds)) / total
    return float(1 / np.sqrt(patients * np.sum(information * (log_odds - centre) ** 2)))


def slope_interval(auroc: float, prevalence: float, patients: int) -> ExpectedInterval:
    """Return the interval of the calibration slope around 1."""
    reach = float(norm.ppf(_UPPER_TAIL)) * slope_standard_error(auroc, prevalence, patients)
    return ExpectedInterval(1 - reach, 1 + reach)


def _logit_variance(auroc: float, prevalence: float, patients: int) -> float | None:
    events = round(patients * prevalence)
    nonevents = patients - events
    if min(events, nonevents) < FEWEST_EVENTS:
        return None
    return (auroc_standard_error(auroc, events, nonevents) / (auroc * (1 - auroc))) ** 2


def _around(auroc: float, reach: float, variance: float) -> ExpectedInterval:
    centre = float(logit(auroc))
    lower, upper = expit([centre - reach * variance**0.5, centre + reach * variance**0.5])
    return ExpectedInterval(float(lower), float(upper))
