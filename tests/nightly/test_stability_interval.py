"""The compact stability interval says of new patients what 200 replicates of the pipeline say.

For each scenario a cohort trains the model and a further one is asked about, as it is and with a
quarter of all values hidden. Beside the compact form stands the simplest one, the same distance in
log-odds for everyone. It writes `docs/stability_interval.csv`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from stability_study import StabilityStudy, make_stability_study, served_ends

from training.cohort.read import read_cohort
from training.config import load_config
from training.dataset import build_table
from training.learning.rows import BoolArray, FloatArray
from training.simulator.writer import simulate

RESULT = Path(__file__).parents[2] / "docs" / "stability_interval.csv"
SCENARIOS = ("null", "conservative", "elbau", "optimistic")


def study_of(folder: Path, scenario: str) -> StabilityStudy:
    config = load_config()
    tables = []
    for seed in (7, 8):
        simulate(folder / str(seed), scenario=scenario, seed=seed)
        tables.append(build_table(read_cohort(folder / str(seed)), config))
    new = tables[1].X
    hidden = np.where(np.random.default_rng(0).random(new.shape) < 0.25, np.nan, new)
    asked = np.concatenate([new, hidden])
    return make_stability_study(tables[0], asked, config, config.stability.replicates, n_jobs=2)


def compared(
    study: StabilityStudy, compact: FloatArray, asked: BoolArray, level: float
) -> dict[str, float]:
    """Compare ends, shape (2, m), with those of the replicates themselves, as probabilities."""
    p = expit(study.new_log_odds[:, asked])
    served = expit(study.predictor.log_odds(study.new_patients[asked]))
    exact = np.quantile(p, [(1 - level) / 2, (1 + level) / 2], axis=0)
    exact = np.array([np.minimum(exact[0], served), np.maximum(exact[1], served)])
    coverage = np.mean((p >= compact[0]) & (p <= compact[1]), axis=0)
    error = np.abs(compact - exact)
    return {
        "n": len(served),
        "mean_coverage": float(coverage.mean()),
        "coverage_5th_percentile": float(np.quantile(coverage, 0.05)),
        "median_width": float(np.median(exact[1] - exact[0])),
        "width_correlation": float(
            np.corrcoef(np.ptp(compact, axis=0), np.ptp(exact, axis=0))[0, 1]
        ),
        "median_absolute_error": float(np.median(error)),
        "absolute_error_95th_percentile": float(np.quantile(error, 0.95)),
    }


def ends_of_one_distance(study: StabilityStudy, level: float) -> FloatArray:
    """Return ends at the training patients' median distances in log-odds."""
    trained = study.predictor.log_odds(study.plan.rows.X)
    tails = [(1 - level) / 2, (1 + level) / 2]
    distance = np.median(np.quantile(study.replicates.log_odds - trained, tails, axis=0), axis=1)
    ends: FloatArray = expit(study.predictor.log_odds(study.new_patients) + distance[:, None])
    return ends


@pytest.mark.nightly
def test_new_patients_get_the_interval_of_the_replicates(tmp_path: Path) -> None:
    rows = []
    for scenario in SCENARIOS:
        study = study_of(tmp_path / scenario, scenario)
        if study.predictor.document.booster is None:
            continue  # The base rate is served, without an interval.
        level, m = study.config.interval.level, len(study.new_patients) // 2
        first = np.arange(2 * m) < m
        for form, ends in (
            ("spread.json", served_ends(study.with_interval, study.new_patients)),
            ("one distance for all", ends_of_one_distance(study, level)),
        ):
            for patients, asked in (("new", first), ("new, a quarter of values hidden", ~first)):
                figures = compared(study, ends[:, asked], asked, level)
                rows.append({"scenario": scenario, "form": form, "patients": patients, **figures})
    frame = pd.DataFrame(rows)
    frame.to_csv(RESULT, index=False, lineterminator="\n", float_format="%.4f")
    compact = frame[frame["form"] == "spread.json"]
    assert compact["mean_coverage"].between(0.85, 0.95).all()
    assert (compact["coverage_5th_percentile"] > 0.8).all()
    assert (compact["width_correlation"] > 0.9).all()
    assert (compact["median_absolute_error"] < 0.01).all()
