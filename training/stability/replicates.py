"""Bootstraps of the whole pipeline: tuning, bagging and recalibration, each time anew.

Riley and Collins 2023, Biometrical Journal, doi:10.1002/bimj.202200302: the model-building process
is repeated on bootstrap samples of the training patients, and every model so made is asked about
the original patients. How far their answers lie apart is the stability of a prediction.

Patients are drawn with replacement *within their site*: the sites are those that they are, and as
large as they are. The spread speaks of other patients at these sites; what other sites would have
taught is not in it, nor is the chance in one patient's own outcome. A patient who is drawn twice
stays on one side of every inner fold (`TrainingRows.patient`); else each replicate would be tuned
and recalibrated on patients whom its boosters had seen, and be far too sure of itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np

from serving.predictor import ResponsePredictor
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.learning.fit import served_rows
from training.learning.harmonising import fit_harmoniser
from training.learning.models import BoostedModel, FittedModel, fit_boosted
from training.learning.rows import FloatArray, IntArray, SiteArray, TrainingRows
from training.stability.attribution import (
    Attribution,
    attribute,
    contributions_of,
    explained_rows,
)

# Any number of its own: keeps these draws apart from all others that the seed starts.
_STREAM: Final = 20_230_302
# Boosters add their number to the seed, which LightGBM reads as a 32-bit integer.
_LARGEST_SEED: Final = 2**30
N_PROBES: Final = 1500
_SHARE_MASKED: Final = 0.25


@dataclass(frozen=True)
class BootstrapPlan:
    """What all replicates share.

    Attributes
    ----------
    rows : TrainingRows
        All training patients, the columns those of the served model, harmonised as it does.
    config : TrainingConfig
        Of the served model.
    probes : ndarray of float, shape (m, p)
        Made-up rows of features that every replicate is asked about too, from `probe_rows`.
    domains : tuple of str, length p
        What each feature is about; empty to ask nothing of what replicates attribute to features.
    """

    rows: TrainingRows
    config: TrainingConfig
    probes: FloatArray
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replicates:
    """What the replicates answered.

    Attributes
    ----------
    log_odds : ndarray of float, shape (replicates, n)
        Calibrated log-odds of the original patients.
    probe_log_odds : ndarray of float, shape (replicates, m)
        The same of the plan's probes.
    recalibration_slope : ndarray of float, shape (replicates,)
        On out-of-fold margins of the replicate's own sample; 0 where no signal was found.
    attribution : Attribution or None
        What each attributes to the features, the replicates along the first axis.
    """

    log_odds: FloatArray
    probe_log_odds: FloatArray
    recalibration_slope: FloatArray
    attribution: Attribution | None = None

    @classmethod
    def of(cls, results: Sequence[Mapping[str, FloatArray]]) -> Self:
        """Put together what `fit_replicate` returned, in the order of the replicates' numbers."""
        return cls(
            log_odds=np.array([result["log_odds"] for result in results]),
            probe_log_odds=np.array([result["probe_log_odds"] for result in results]),
            recalibration_slope=np.concatenate(
                [result["recalibration_slope"] for result in results]
            ),
            attribution=_stacked(results),
        )

    def __len__(self) -> int:
        return len(self.recalibration_slope)


def plan_bootstraps(
    table: TrainingTable, predictor: ResponsePredictor, config: TrainingConfig
) -> BootstrapPlan:
    """Return what the replicates of a model share.

    Parameters
    ----------
    table : TrainingTable
        All patients that the model was fitted on.
    predictor : ResponsePredictor
        The artefact, from `training.learning.fit.fit_predictor`.
    config : TrainingConfig
        With which it was fitted.
    """
    rows = served_rows(table, predictor)
    domains = tuple(feature.domain for feature in predictor.features)
    return BootstrapPlan(rows, config, probe_rows(rows.X, config.seed), domains)


def probe_rows(X: FloatArray, seed: int) -> FloatArray:
    """Put rows of features together from patients, where replicates are compared with the model.

    Each takes every value, or that it is unknown, from one of two patients at random. In a third
    of them a quarter of all values is unknown besides.
    """
    rng = np.random.default_rng([_STREAM, seed])
    one, other = X[rng.integers(len(X), size=(2, N_PROBES))]
    probes: FloatArray = np.where(rng.random(one.shape) < 0.5, one, other)
    masked = rng.random(one.shape) < _SHARE_MASKED
    masked[N_PROBES // 3 :] = False
    probes[masked] = np.nan
    return probes


def fit_replicate(plan: BootstrapPlan, number: int) -> dict[str, FloatArray]:
    """Fit the pipeline on one bootstrap sample and ask it about the original patients.

    The result depends on the plan and the number alone, so replicates may run anywhere.

    Returns
    -------
    dict
        One replicate's part of each field of `Replicates`, the slope of shape (1,); those of
        `Attribution` besides.
    """
    rng = np.random.default_rng([_STREAM, plan.config.seed, number])
    drawn = draw_within_sites(plan.rows.site, rng)
    # Folds, and the columns that each tree is offered, are chance too and are drawn again.
    config = plan.config.model_copy(update={"seed": int(rng.integers(_LARGEST_SEED))})
    harmoniser = fit_harmoniser(plan.rows, drawn)
    rows = harmoniser.applied(plan.rows)
    fitted = fit_boosted(replace(rows.rows(drawn), patient=drawn), config)
    slope = fitted.recalibration.slope if isinstance(fitted, BoostedModel) else 0.0
    return {
        "log_odds": fitted.log_odds(rows.X),
        "probe_log_odds": fitted.log_odds(plan.probes),
        "recalibration_slope": np.array([slope]),
        **_attributed(fitted, rows.X, plan),
    }


def _attributed(fitted: FittedModel, X: FloatArray, plan: BootstrapPlan) -> dict[str, FloatArray]:
    if not plan.domains:
        return {}
    asked = explained_rows(len(X))
    # Bands are those of the plan's own columns: a replicate may harmonise its values otherwise.
    found = attribute(contributions_of(fitted, X[asked]), plan.rows.X[asked], plan.domains)
    return dict(vars(found))


def _stacked(results: Sequence[Mapping[str, FloatArray]]) -> Attribution | None:
    names = [field.name for field in fields(Attribution)]
    if not results or not all(name in result for result in results for name in names):
        return None
    return Attribution(**{name: np.array([each[name] for each in results]) for name in names})


def draw_within_sites(site: SiteArray, rng: np.random.Generator) -> IntArray:
    """Draw as many patients of every site as it has, with replacement; row numbers, shape (n,)."""
    members = [np.flatnonzero(site == name) for name in np.unique(site)]
    return np.concatenate([own[rng.integers(len(own), size=len(own))] for own in members])
