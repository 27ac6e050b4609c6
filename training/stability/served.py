"""The served model with its replicates: fitted, measured, and put into its interval."""

from dataclasses import dataclass

import pandas as pd

from serving.predictor import ResponsePredictor
from training.dataset import TrainingTable
from training.engine.stage import run_stage
from training.stability.attribution import Attribution
from training.stability.measures import patient_table, stability_table
from training.stability.replicates import Replicates, fit_replicate, plan_bootstraps
from training.stability.spread import with_stability_interval
from training.workshop import Workshop


@dataclass(frozen=True)
class Stability:
    """How far the served model's predictions move when the cohort is drawn again.

    Attributes
    ----------
    predictor : ResponsePredictor
        The served model, with the replicates' interval.
    rows : DataFrame
        Of the evaluation table.
    patients : DataFrame
        See `training.stability.measures.patient_table`.
    attribution : Attribution or None
        What each replicate attributes to the features.
    """

    predictor: ResponsePredictor
    rows: pd.DataFrame
    patients: pd.DataFrame
    attribution: Attribution | None


def measure_stability(
    predictor: ResponsePredictor, table: TrainingTable, model: str, workshop: Workshop
) -> Stability | None:
    """Fit the replicates of a model; None where none are asked for, or it has no trees.

    Parameters
    ----------
    predictor : ResponsePredictor
        Fitted on all patients of the table.
    model : str
        Its name in the evaluation table.
    """
    config = workshop.config
    if not config.stability.replicates or predictor.document.booster is None:
        return None
    plan = plan_bootstraps(table, predictor, config)
    results = run_stage(
        workshop.engine, workshop.work, "bootstrapping", fit_replicate, plan,
        range(config.stability.replicates), workshop.stage("bootstrapping"),
    )  # fmt: skip
    replicates = Replicates.of(results)
    log_odds = predictor.log_odds(plan.rows.X)
    return Stability(
        predictor=with_stability_interval(predictor, plan, replicates),
        rows=stability_table(replicates, table, log_odds, model, config),
        patients=patient_table(replicates, log_odds, config.interval.level),
        attribution=replicates.attribution,
    )
