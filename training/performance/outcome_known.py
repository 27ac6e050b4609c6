"""How likely each patient's outcome was to become known, and the weights that make up for it."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import expit

from training.dataset import OUTCOME_UNKNOWN, TrainingTable
from training.learning.rows import BoolArray, FloatArray, SiteArray
from training.performance.calibration import fit_logistic

# Who stays in treatment depends on how ill, how anxious and how often disappointed they are, and on
# what else fills their day. Few, since the patients who were lost are few.
PREDICTORS_OF_STAYING: Final = (
    "age_years", "female", "employed", "depression_severity", "anxiety_severity",
    "log_episode_duration", "failed_trials", "benzodiazepine",
)  # fmt: skip

# A normal prior of SD 1 on log-odds a standard deviation, and on those of a site: odds ratios from
# 1/7 to 7. Weak priors against sparse data: Greenland et al. 2016, BMJ 352:i1981.
_PENALTY: Final = 1.0
# Cole and Hernan 2008, American Journal of Epidemiology 168:656, doi:10.1093/aje/kwn164.
_TRUNCATED_AT: Final = (0.01, 0.99)
# An indicator of "unknown" that is nearly constant tells nothing.
_LEAST_SHARE: Final = 0.05


@dataclass
class OutcomeWeights:
    """Inverse-probability weights of the patients whose outcome is known.

    Weights are `P(known) / P(known | baseline, site)` (stabilised), truncated at the 1st and 99th
    percentile of the sample. The regression is penalised, and fitted anew in every draw; medians,
    standardisation and the limits of truncation are those of the sample.

    Parameters
    ----------
    design : ndarray, shape (n, k)
        The first column is constant and not penalised.
    known : ndarray of bool, shape (n,)
        Whose outcome is known; both occur.
    """

    design: FloatArray
    known: BoolArray
    _limits: tuple[float, float] = field(init=False, repr=False)
    _drawn: FloatArray = field(init=False, repr=False)
    _weights: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._limits = (0.0, np.inf)
        in_sample = self._fitted(np.ones((1, len(self.known))))
        lower, upper = np.quantile(in_sample, _TRUNCATED_AT)
        self._limits = (float(lower), float(upper))
        self._drawn = self._weights = np.empty((0, 0))

    def of_draws(self, counts: FloatArray) -> FloatArray:
        """Return how much each patient of known outcome counts, shape (draws, known).

        Parameters
        ----------
        counts : ndarray, shape (draws, n)
            How often each patient was drawn.
        """
        if counts is not self._drawn:  # several models are judged on the same draws
            self._weights = counts[:, self.known] * self._fitted(counts)
            self._drawn = counts
        return self._weights

    def _fitted(self, counts: FloatArray) -> FloatArray:
        penalty = np.full(self.design.shape[1], _PENALTY)
        penalty[0] = 0.0
        coefficients = fit_logistic(self.design, self.known, counts, penalty=penalty)
        share = (counts @ self.known)[:, None] / counts.sum(axis=1, keepdims=True)
        chance = expit(coefficients @ self.design[self.known].T)
        # A draw without anybody who was lost has nothing to make up for.
        weights: FloatArray = np.nan_to_num(share / chance, nan=1.0)
        np.clip(weights, *self._limits, out=weights)
        return weights


def effective_n(weights: FloatArray) -> float:
    """Return how many equally weighted patients tell as much: `(sum w)^2 / sum w^2` (Kish 1965)."""
    return float(np.sum(weights) ** 2 / np.sum(weights**2))


def outcome_weights(table: TrainingTable) -> OutcomeWeights | None:
    """Return the weights of a cohort's patients; None where every outcome is known.

    The first patients are those of the table, in order; then its bystanders of unknown outcome.
    """
    others = table.bystanders
    if others is None or not (lost := others.group == OUTCOME_UNKNOWN).any():
        return None
    names = [feature.name for feature in table.features]
    columns = [names.index(name) for name in PREDICTORS_OF_STAYING if name in names]
    X = np.concatenate([table.X[:, columns], others.X[np.ix_(lost, columns)]])
    site = np.concatenate([table.site, others.site[lost]])
    return OutcomeWeights(design_matrix(X, site), np.arange(len(X)) < len(table.y))


def design_matrix(X: FloatArray, site: SiteArray) -> FloatArray:
    """Return a constant, imputed standardised columns, indicators of unknown values, and sites.

    Parameters
    ----------
    X : ndarray, shape (n, c)
        NaN where unknown. Columns that nobody has, or that are constant, are left out.
    site : ndarray of str, shape (n,)
        Each gets an intercept: it explains who was followed up, and never enters a model of the
        outcome.
    """
    columns = [np.ones(len(X))]
    for values in X.T:
        unknown = np.isnan(values)
        if unknown.all():
            continue
        filled = np.where(unknown, np.median(values[~unknown]), values)
        columns += [filled, unknown] if unknown.mean() > _LEAST_SHARE else [filled]
    standardised = [
        (column - np.mean(column)) / np.std(column) for column in columns[1:] if np.std(column) > 0
    ]
    names = np.unique(site)
    sites = [(site == name).astype(np.float64) for name in names] if len(names) > 1 else []
    return np.column_stack([columns[0], *standardised, *sites])
