"""Studies that nightly proofs repeat over seeds: here, so that worker processes can import them."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from drawn_tables import drawn_table
from oracle_bound import N_TEST, limit, rows_of
from sklearn.metrics import roc_auc_score

from training.config import TrainingConfig, load_config
from training.dataset import TrainingTable
from training.engine.engines import LocalEngine, Value
from training.engine.program import program_digest
from training.engine.stage import run_stage
from training.engine.work import Work
from training.learning.models import (
    LIGHTGBM_BOTH,
    LIGHTGBM_CLINICAL,
    LIGHTGBM_CONNECTIVITY,
    BoostedModel,
    fit_boosted,
    fit_logistic,
    probability,
)
from training.learning.rows import BoolArray, FloatArray, SiteArray
from training.learning.splits import LEAVE_ONE_SITE_OUT, outer_splits
from training.learning.validation import FoldResult, out_of_fold_frame, validate
from training.performance.calibration import calibration_slope
from training.performance.evaluation import compare_models
from training.performance.site_rows import WITHIN_SITE
from training.simulator.draw import draw_patients
from training.simulator.oracle import response_probability

DOCS = Path(__file__).parents[1] / "docs"
N_PATIENTS = 800


@dataclass(frozen=True)
class Study:
    """What all seeds share; the program is part of it, so that no stale result counts."""

    config: TrainingConfig
    program: str


Function = Callable[[Study, Any], dict[str, Value]]


def repeated(function: Function, tasks: Sequence[Any], result: Path) -> pd.DataFrame:
    """Return a study's figures, a line a task, and write them as a table.

    Two tasks run at a time. What is finished is kept in the folder for temporary files, so that an
    interrupted proof goes on where it was.
    """
    folder = Path(tempfile.gettempdir()) / f"tms-response-nightly-{result.stem}"
    work = Work(folder, {})

    def progress(done: int, total: int) -> None:
        print(f"{result.stem}: {done} of {total}", file=sys.__stderr__, flush=True)

    study = Study(load_config(), program_digest())
    found = run_stage(LocalEngine(2), work, result.stem, function, study, tasks, progress)
    frame = pd.DataFrame([{name: value.item() for name, value in line.items()} for line in found])
    frame.to_csv(result, index=False, lineterminator="\n", float_format="%.6f")
    shutil.rmtree(folder)
    return frame


def null_comparison(study: Study, seed: int) -> dict[str, Value]:
    """Compare the models with and without connectivity where connectivity says nothing."""
    config = study.config
    table = drawn_table(draw_patients(N_PATIENTS, "null", seed), config)
    name, splits = outer_splits(
        table.y, table.site, minimum_sites=3, folds=5, repeats=1, seed=config.seed
    )
    assert name == LEAVE_ONE_SITE_OUT
    pair = (LIGHTGBM_BOTH, LIGHTGBM_CLINICAL)
    differences = compare_models(
        out_of_fold_frame(table, validate(table, splits, pair, config)),
        name,
        [pair],
        bootstraps=config.validation.bootstraps,
        confidence=config.validation.confidence,
        seed=config.seed,
    )
    auroc = differences[(differences["metric"] == "auroc") & (differences["split"] == WITHIN_SITE)]
    [row] = auroc.to_dict("records")
    figures = {name: float(row[name]) for name in ("estimate", "lower", "upper")}
    return {"seed": seed, **figures, "n": int(row["n"])}


def null_harmonisation(study: Study, seed: int) -> dict[str, Value]:
    """Judge the model of connectivity alone with and without ComBat where it says nothing."""
    measured = drawn_table(draw_patients(N_PATIENTS, "null", seed), study.config)
    combat = study.config.harmonisation.model_copy(update={"method": "combat"})
    _, splits = outer_splits(
        measured.y, measured.site, minimum_sites=3, folds=5, repeats=1, seed=study.config.seed
    )
    aurocs = {}
    for name, harmonisation in (("none", None), ("combat", combat)):
        table = replace(measured, harmonisation=harmonisation)
        results = validate(table, splits, [LIGHTGBM_CONNECTIVITY], study.config)
        aurocs[name] = _mean_within_site_auroc(table, results)
    return {"seed": seed, **aurocs, "difference": aurocs["combat"] - aurocs["none"]}


def _mean_within_site_auroc(table: TrainingTable, results: Sequence[FoldResult]) -> float:
    """Return the mean over sites with 5 scanned patients of either outcome."""
    aurocs = []
    for result in results:
        scanned = table.has_connectome[result.split.test]
        y = table.y[result.split.test][scanned]
        if min(y.sum(), (~y).sum()) >= 5:
            aurocs.append(roc_auc_score(y, result.log_odds[scanned]))
    return float(np.mean(aurocs))


def served_calibration(study: Study, seed: int) -> dict[str, Value]:
    """Fit what is served on one cohort, and judge it on many further patients of its sites."""
    cohort = draw_patients(N_PATIENTS, "conservative", seed)
    fitted = fit_boosted(drawn_table(cohort, study.config).training_rows(), study.config)
    further = draw_patients(N_TEST, "conservative", 10_000 + seed, sites=cohort.enrolment.sites)
    table = drawn_table(further, study.config)
    log_odds = fitted.log_odds(table.X)
    recalibration = fitted.recalibration.slope if isinstance(fitted, BoostedModel) else 0.0
    slope, error = slope_within_sites(table.y, log_odds, table.site)
    scanned = table.has_connectome
    parts = {"unscanned": ~scanned, "scanned": scanned}
    return {
        "seed": seed,
        "recalibration_slope": recalibration,
        "slope": slope,
        "standard_error": error,
        **{
            f"slope_{name}": slope_within_sites(table.y[m], log_odds[m], table.site[m])[0]
            for name, m in parts.items()
        },
        "sd_log_odds": float(np.std(log_odds)),
        "auroc": float(roc_auc_score(table.y, log_odds)),
        "settings": fitted.settings(),
    }


def slope_within_sites(y: BoolArray, log_odds: FloatArray, site: SiteArray) -> tuple[float, float]:
    """Return the calibration slope with an intercept for every site, and its standard error."""
    code = np.unique(site, return_inverse=True)[1]
    p = probability(log_odds)
    slope = float(calibration_slope(y, p, np.ones((1, len(y))), code)[0])
    if np.isnan(slope):
        return slope, slope
    sizes = np.bincount(code, p * (1 - p))
    means = np.bincount(code, p * (1 - p) * log_odds) / sizes
    information = float(np.sum(p * (1 - p) * (log_odds - means[code]) ** 2))
    return slope, information**-0.5


def oracle_bound(study: Study, task: tuple[str, int]) -> dict[str, Value]:
    """Judge models of the clinical columns beside the best that can be known."""
    scenario, seed = task
    cohort = draw_patients(N_PATIENTS, scenario, seed)
    rows = rows_of(cohort)
    known = rows.rows(np.flatnonzero(cohort.outcome_known))
    further = draw_patients(N_TEST, scenario, 20_000 + seed)
    held_out = rows_of(further)
    oracle = response_probability(further)
    models = {
        "lightgbm_clinical": fit_boosted(known, study.config),
        "logistic_clinical": fit_logistic(known, study.config, tuned=True),
    }
    return {
        "scenario": scenario,
        "seed": seed,
        **{
            name: float(roc_auc_score(held_out.y, fitted.log_odds(held_out.X)))
            for name, fitted in models.items()
        },
        "oracle": float(roc_auc_score(held_out.y, oracle)),
        "limit": limit(held_out.y, oracle),
    }
