"""What a stability interval costs a patient: looked up, or by asking every replicate.

`python -m benchmarks.stability_interval` trains on the simulated cohort. For the second way ten
replicates are fitted and each is asked twenty times over, which costs what 200 would.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import numpy.typing as npt

from benchmarks.reporting import machine, table, write_section
from serving.booster_text import merge_boosters
from serving.calibrated_trees import CalibratedTrees
from serving.predictor import SPREAD_FILE, ResponsePredictor
from serving.stability_interval import ReplicateSpread, SpreadTable
from training.cohort.read import read_cohort
from training.config import load_config
from training.dataset import build_table
from training.engine.engines import LocalEngine
from training.engine.stage import run_stage
from training.learning.fit import fit_predictor
from training.learning.models import LIGHTGBM_BOTH, BoostedModel, fit_boosted
from training.simulator.writer import simulate
from training.stability.replicates import (
    BootstrapPlan,
    Replicates,
    draw_within_sites,
    fit_replicate,
    plan_bootstraps,
)
from training.stability.spread import with_stability_interval

N_FITTED, N_REPLICATES, N_PATIENTS = 10, 200, 200

Rows = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]


def trained(folder: Path) -> tuple[ResponsePredictor, BootstrapPlan]:
    """Train on the default simulated cohort and give the model 200 replicates in compact form."""
    simulate(folder)
    cohort, config = read_cohort(folder), load_config()
    cohort_table = build_table(cohort, config)
    predictor = fit_predictor(
        cohort_table, cohort.spec, config, served=LIGHTGBM_BOTH, fingerprint=cohort.fingerprint
    )
    plan = plan_bootstraps(cohort_table, predictor, config)
    results = run_stage(
        LocalEngine(2), None, "bootstrapping", fit_replicate, plan, range(N_REPLICATES)
    )
    return with_stability_interval(predictor, plan, Replicates.of(results)), plan


def replicate_boosters(plan: BootstrapPlan) -> list[tuple[Columns, lightgbm.Booster]]:
    """Return each replicate's columns and one booster: the bag merged, as in the artefact."""
    merged = []
    for number in range(N_FITTED):
        drawn = draw_within_sites(plan.rows.site, np.random.default_rng(number))
        fitted = fit_boosted(replace(plan.rows.rows(drawn), patient=drawn), plan.config)
        assert isinstance(fitted, BoostedModel)
        booster = lightgbm.Booster(model_str=merge_boosters(fitted.bag.boosters))
        merged.append((fitted.columns, booster))
    return merged


def microseconds(function: Callable[[Rows], object], rows: Rows) -> tuple[float, float]:
    """Return the median and 99th percentile of one call a patient."""
    for row in rows[:20]:
        function(row)
    taken = []
    for row in rows:
        started = time.perf_counter()
        function(row)
        taken.append(1e6 * (time.perf_counter() - started))
    return float(np.median(taken)), float(np.quantile(taken, 0.99))


def measured(folder: Path) -> tuple[str, str]:
    """Return what was measured in a sentence, and the figures as a table."""
    predictor, plan = trained(folder / "cohort")
    predictor.save(folder / "model")
    rows = plan.rows.X[:N_PATIENTS]
    text = (folder / "model" / SPREAD_FILE).read_text("utf-8")
    spread = ReplicateSpread(SpreadTable.from_text(text, rows.shape[1]))
    bags = predictor.document.interval.model_copy(update={"spread": None})
    booster = (folder / "model" / "booster.txt").read_text("utf-8")
    document = predictor.document.model_copy(update={"interval": bags})
    without, with_spread = (
        CalibratedTrees(document, booster), CalibratedTrees(predictor.document, booster, text),
    )  # fmt: skip
    boosters = replicate_boosters(plan) * (N_REPLICATES // N_FITTED)

    def ask_replicates(row: Rows) -> Rows:
        one = row.reshape(1, -1)
        asked = [
            each.predict(one[:, columns], raw_score=True, num_threads=1)
            for columns, each in boosters
        ]
        ends: Rows = np.quantile(np.array(asked, dtype=np.float64), [0.05, 0.95], axis=0)
        return ends

    n_bags = predictor.document.booster.n_bags if predictor.document.booster else 0
    about = (
        f"{len(plan.rows.y)} patients, {rows.shape[1]} features, {N_REPLICATES} replicates of "
        f"{n_bags} boosters; `spread.json` takes {len(text) / 1000:.0f} kB. Microseconds a patient."
    )
    rows_of_table = []
    for label, function, asked in (
        ("probability, contributions, spread of the bags", without.explained, rows),
        ("the same with the stability interval", with_spread.explained, rows),
        ("its look-up alone", lambda row: np.sort(spread.thousandths(row)), rows),
        (f"LightGBM asked for each of {N_REPLICATES} replicates", ask_replicates, rows[:40]),
    ):
        median, high = microseconds(function, asked)
        rows_of_table.append([label, f"{median:,.0f}", f"{high:,.0f}"])
    return about, table(["", "median", "99th percentile"], rows_of_table)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        sentence, figures = measured(Path(scratch))
    write_section(
        "stability_interval",
        "Cost of a stability interval",
        sentence,
        machine("lightgbm", "numpy"),
        figures,
    )
