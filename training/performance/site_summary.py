"""Discrimination and O:E within each held-out site, and their summary over sites.

Each site's AUROC compares only patients whom one fit predicted. On the logit scale these, and on
the log scale O:E, are summarised by a random-effects meta-analysis (Snell et al. 2018, Statistical
Methods in Medical Research 27:3505, doi:10.1177/0962280217705678; Debray et al. 2019, the same
28:2768, doi:10.1177/0962280218785504).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm, t

from training.learning.rows import BoolArray, FloatArray

# With fewer patients of either outcome, an AUROC and its standard error are mostly noise.
FEWEST_EVENTS: Final = 5


@dataclass(frozen=True)
class SiteAuroc:
    """AUROC of one site with a logit interval, and what the summary needs.

    `log_odds` and `variance` are logit AUROC and its variance; `exact` says that every prediction
    in the site was the same, so that the AUROC is 0.5 without any sampling error.
    """

    estimate: float
    lower: float
    upper: float
    log_odds: float
    variance: float
    exact: bool


@dataclass(frozen=True)
class RandomEffects:
    """A random-effects summary; NaN where there are too few groups for a part of it.

    Attributes
    ----------
    mean, lower, upper : float
        Average over sites with its Hartung-Knapp interval.
    tau : float
        SD of the true values between sites.
    prediction_lower, prediction_upper : float
        Where the true value of a further site is expected.
    """

    mean: float
    lower: float
    upper: float
    tau: float
    prediction_lower: float
    prediction_upper: float


def has_auroc(y: BoolArray) -> bool:
    """Return whether a site has 5 patients of either outcome."""
    return bool(min(np.count_nonzero(y), np.count_nonzero(~y)) >= FEWEST_EVENTS)


def delong(y: BoolArray, p: FloatArray, weights: FloatArray | None = None) -> tuple[float, float]:
    """Return AUROC and its variance (DeLong et al. 1988, Biometrics 44:837, doi:10.2307/2531595).

    With `V10` of an event the share of non-events ranked below it, ties counting half, and `V01`
    of a non-event the share of events above it: `var(V10) / n1 + var(V01) / n0`. With weights,
    shares and means are weighted, and the variance is the linearised one of a weighted mean.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        At least two of either outcome.
    p : ndarray, shape (n,)
        Anything that ranks.
    weights : ndarray, shape (n,), optional
        How much each patient counts, above 0; taken as known.
    """
    w = np.ones(len(y)) if weights is None else weights
    below_event = _share_below(p[y], p[~y], w[~y])
    above_nonevent = 1 - _share_below(p[~y], p[y], w[y])
    auroc, event_variance = _mean_and_variance(below_event, w[y])
    _, nonevent_variance = _mean_and_variance(above_nonevent, w[~y])
    return auroc, event_variance + nonevent_variance


def _share_below(x: FloatArray, others: FloatArray, weights: FloatArray) -> FloatArray:
    order = np.argsort(others, kind="stable")
    ascending = others[order]
    cumulated = np.concatenate([[0.0], np.cumsum(weights[order])])
    left = np.searchsorted(ascending, x, side="left")
    right = np.searchsorted(ascending, x, side="right")
    share: FloatArray = (cumulated[left] + cumulated[right]) / (2 * cumulated[-1])
    return share


def _mean_and_variance(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return a weighted mean and its variance; `var(ddof=1) / n` where all weights are equal."""
    mean = float(np.sum(weights * values) / np.sum(weights))
    share = weights / np.sum(weights)
    effective_n = 1 / float(np.sum(share**2))
    squares = float(np.sum((share * (values - mean)) ** 2))
    return mean, squares * effective_n / (effective_n - 1)


def hanley_mcneil_variance(auroc: float, n_events: int, n_nonevents: int) -> float:
    """Return the variance of an AUROC from its value (Hanley and McNeil 1982, Radiology 143:29).

    `[A (1-A) + (n1-1) (Q1-A^2) + (n0-1) (Q2-A^2)] / (n1 n0)`, `Q1 = A/(2-A)`, `Q2 = 2 A^2/(1+A)`.
    """
    both_events = auroc / (2 - auroc) - auroc**2
    both_nonevents = 2 * auroc**2 / (1 + auroc) - auroc**2
    spread = auroc * (1 - auroc) + (n_events - 1) * both_events + (n_nonevents - 1) * both_nonevents
    return spread / (n_events * n_nonevents)


def site_auroc(
    y: BoolArray, probability: FloatArray, confidence: float, weights: FloatArray | None = None
) -> SiteAuroc:
    """Return the AUROC of one site, averaged over repeats, with an interval on the logit scale.

    DeLong's variance is 0 when the ranking is perfect, perfectly wrong or empty. Half a pair of
    patients is then added to either side, and the variance is that of Hanley and McNeil.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        At least 5 of either outcome.
    probability : ndarray, shape (repeats, n)
        0 to 1.
    confidence : float
        Such as 0.95.
    weights : ndarray, shape (n,), optional
        How much each patient counts.
    """
    estimate, variance = np.mean([delong(y, p, weights) for p in probability], axis=0)
    centre = estimate
    if variance < 1e-12:
        n_events, n_nonevents = int(y.sum()), int((~y).sum())
        pairs = n_events * n_nonevents
        centre = (estimate * pairs + 0.5) / (pairs + 1)
        variance = hanley_mcneil_variance(centre, n_events, n_nonevents)
    log_odds = float(logit(centre))
    log_variance = float(variance / (centre * (1 - centre)) ** 2)
    exact = bool(np.ptp(probability, axis=1).max() < 1e-12)
    reach = 0.0 if exact else norm.ppf((1 + confidence) / 2) * log_variance**0.5
    lower, upper = expit([log_odds - reach, log_odds + reach])
    return SiteAuroc(
        float(estimate), min(float(lower), float(estimate)), max(float(upper), float(estimate)),
        log_odds, log_variance, exact,
    )  # fmt: skip


def restricted_tau_squared(estimates: FloatArray, variances: FloatArray) -> float:
    """Return the between-group variance by restricted maximum likelihood, at least 0.

    Solves `sum w^2 (y - mu)^2 = sum w - sum w^2 / sum w` with `w = 1 / (v + tau^2)` and `mu` the
    weighted mean (Viechtbauer 2005, Journal of Educational and Behavioral Statistics 30:261,
    doi:10.3102/10769986030003261).

    Parameters
    ----------
    estimates, variances : ndarray, shape (k,)
        At least two.
    """

    def score(tau_squared: float) -> float:
        w = 1 / (variances + tau_squared)
        residuals = estimates - np.sum(w * estimates) / np.sum(w)
        return float(np.sum((w * residuals) ** 2) - np.sum(w) + np.sum(w**2) / np.sum(w))

    if score(0.0) <= 0:
        return 0.0
    bound = float(np.ptp(estimates) ** 2 + np.max(variances))
    while score(bound) > 0:
        bound *= 2
    return float(brentq(score, 0.0, bound, xtol=1e-14))


def random_effects(
    estimates: FloatArray, variances: FloatArray, confidence: float
) -> RandomEffects:
    """Summarise estimates of several groups.

    The interval of the mean is that of Hartung and Knapp (2001, Statistics in Medicine 20:3875,
    doi:10.1002/sim.1009): t with k - 1 degrees of freedom and variance `q / sum w`,
    `q = sum w (y - mu)^2 / (k - 1)`. Where `q < 1` it would be narrower than if no variance had
    been estimated, so q is held at 1 or above (Roever et al. 2015, BMC Medical Research
    Methodology 15:99, doi:10.1186/s12874-015-0091-1). The prediction interval is `mu +- t
    sqrt(tau^2 + variance)` with k - 2 degrees of freedom (Higgins et al. 2009, Journal of the Royal
    Statistical Society A 172:137, doi:10.1111/j.1467-985X.2008.00552.x).

    With one group: its own normal interval and no tau; with two: no prediction interval.

    Parameters
    ----------
    estimates, variances : ndarray, shape (k,)
        At least one; variances within the groups, above 0.
    confidence : float
        Of both intervals.
    """
    k = len(estimates)
    upper_tail = (1 + confidence) / 2
    if k == 1:
        mean, reach = float(estimates[0]), float(norm.ppf(upper_tail) * np.sqrt(variances[0]))
        return RandomEffects(mean, mean - reach, mean + reach, np.nan, np.nan, np.nan)
    tau_squared = restricted_tau_squared(estimates, variances)
    w = 1 / (variances + tau_squared)
    mean = float(np.sum(w * estimates) / np.sum(w))
    q = float(np.sum(w * (estimates - mean) ** 2) / (k - 1))
    variance = max(1.0, q) / float(np.sum(w))
    reach = float(t.ppf(upper_tail, k - 1)) * variance**0.5
    ahead = float(t.ppf(upper_tail, k - 2)) if k > 2 else np.nan
    ahead *= (tau_squared + variance) ** 0.5
    return RandomEffects(
        mean, mean - reach, mean + reach, tau_squared**0.5, mean - ahead, mean + ahead
    )


def summarise_sites(sites: list[SiteAuroc], confidence: float) -> RandomEffects:
    """Return the random-effects AUROC; tau stays on the logit scale, all else is an AUROC.

    A model that gave every site one and the same probability has 0.5 in each, exactly. One that
    did so in some sites only keeps those sites, with the variance of Hanley and McNeil.

    Parameters
    ----------
    sites : list of SiteAuroc
        Of the sites that have an AUROC; at least one.
    """
    if all(site.exact for site in sites):
        tau = 0.0 if len(sites) > 1 else np.nan
        ahead = 0.5 if len(sites) > 2 else np.nan
        return RandomEffects(0.5, 0.5, 0.5, tau, ahead, ahead)
    summary = random_effects(
        np.array([site.log_odds for site in sites]),
        np.array([site.variance for site in sites]),
        confidence,
    )
    return _transformed(summary, expit)


def log_observed_to_expected(y: BoolArray, p: FloatArray) -> tuple[float, float]:
    """Return log O:E of one site and its variance, `sum (y / O - p / E)^2`.

    The variance is the linearised one of a ratio of totals; with one probability for everyone it
    is `(1 - phi) / O`, the usual one (Debray et al. 2019).

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        At least one event.
    p : ndarray, shape (n,)
        Predicted probabilities, not all 0.
    """
    observed, expected = float(np.count_nonzero(y)), float(np.sum(p))
    variance = float(np.sum((y / observed - p / expected) ** 2))
    return float(np.log(observed / expected)), variance


def summarise_ratios(
    log_ratios: FloatArray, variances: FloatArray, confidence: float
) -> RandomEffects:
    """Return the random-effects O:E; tau stays on the log scale, all else is an O:E."""
    return _transformed(random_effects(log_ratios, variances, confidence), np.exp)


def _transformed(
    summary: RandomEffects, inverse: Callable[[FloatArray], FloatArray]
) -> RandomEffects:
    mean, lower, upper, prediction_lower, prediction_upper = inverse(
        np.array(
            [summary.mean, summary.lower, summary.upper,
             summary.prediction_lower, summary.prediction_upper]
        )
    )  # fmt: skip
    return RandomEffects(
        float(mean), float(lower), float(upper), summary.tau,
        float(prediction_lower), float(prediction_upper),
    )  # fmt: skip
