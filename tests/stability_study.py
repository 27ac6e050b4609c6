"""A model, bootstraps of its pipeline, and what those say of patients who were not in training."""

from dataclasses import dataclass, replace

import numpy as np
from cohort_tables import minimal_spec

from serving.predictor import ResponsePredictor
from training.config import TrainingConfig
from training.dataset import TrainingTable
from training.engine.engines import LocalEngine
from training.engine.stage import run_stage
from training.learning.fit import fit_predictor
from training.learning.models import LIGHTGBM_BOTH
from training.learning.rows import FloatArray
from training.stability.replicates import (
    BootstrapPlan,
    Replicates,
    fit_replicate,
    plan_bootstraps,
)
from training.stability.spread import with_stability_interval


@dataclass(frozen=True)
class StabilityStudy:
    """What `make_stability_study` made.

    Attributes
    ----------
    predictor, with_interval : ResponsePredictor
        Before and after the replicates.
    new_patients : ndarray, shape (m, p)
        Patients who were not in training, the columns those of the model.
    new_log_odds : ndarray, shape (replicates, m)
        What the replicates themselves say of them.
    """

    table: TrainingTable
    config: TrainingConfig
    predictor: ResponsePredictor
    plan: BootstrapPlan
    replicates: Replicates
    with_interval: ResponsePredictor
    new_patients: FloatArray
    new_log_odds: FloatArray


def make_stability_study(
    table: TrainingTable,
    new: FloatArray,
    config: TrainingConfig,
    n_replicates: int,
    n_jobs: int = 1,
) -> StabilityStudy:
    """Train on a table, replicate, and ask about new patients with the columns of the table."""
    predictor = fit_predictor(
        table, minimal_spec(), config, served=LIGHTGBM_BOTH, fingerprint="f" * 64
    )
    plan = plan_bootstraps(table, predictor, config)
    names = [feature.name for feature in table.features]
    new_patients = new[:, [names.index(feature.name) for feature in predictor.features]]
    asked = replace(plan, probes=np.concatenate([plan.probes, new_patients]))
    results = run_stage(
        LocalEngine(n_jobs), None, "bootstrapping", fit_replicate, asked, range(n_replicates)
    )
    answered, n_probes = Replicates.of(results), len(plan.probes)
    replicates = replace(answered, probe_log_odds=answered.probe_log_odds[:, :n_probes])
    return StabilityStudy(
        table=table,
        config=config,
        predictor=predictor,
        plan=plan,
        replicates=replicates,
        with_interval=with_stability_interval(predictor, plan, replicates),
        new_patients=new_patients,
        new_log_odds=answered.probe_log_odds[:, n_probes:],
    )


def served_ends(predictor: ResponsePredictor, X: FloatArray) -> FloatArray:
    """Return lower and upper ends of the served intervals as probabilities, shape (2, n)."""
    intervals = [each.interval for each in predictor._model.explained_many(X)]
    assert all(interval is not None for interval in intervals)
    return np.array([(each["lower"], each["upper"]) for each in intervals if each is not None]).T
