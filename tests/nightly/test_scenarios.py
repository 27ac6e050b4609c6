"""What a run with the default configuration finds in each scenario of the simulator.

The result is committed as `docs/scenarios.csv` and rewritten by this proof: for response and
remission, every model's AUROC, calibration slope, Brier score and O:E, and what connectivity adds
to AUROC in the scanned patients. `oracle` is the best that can be known from the clinical columns,
on the same patients; its O:E lies near 1.1, since it speaks of everyone, and those who do not
respond drop out more often.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pytest
from drawn_tables import drawn_table
from nightly_studies import DOCS

from training.config import load_config
from training.dataset import TrainingTable
from training.engine.engines import LocalEngine
from training.engine.work import Work
from training.judging.judge import judge_secondary
from training.judging.parts import draws_of
from training.learning.models import (
    BASE_RATE,
    LIGHTGBM_BOTH,
    LIGHTGBM_CLINICAL,
    LIGHTGBM_CONNECTIVITY,
    LOGISTIC_CLINICAL,
)
from training.learning.rows import FloatArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance.evaluation import evaluate
from training.performance.site_rows import WITHIN_SITE
from training.simulator.draw import draw_patients
from training.simulator.oracle import response_probability
from training.workshop import Workshop

RESULT: Final = DOCS / "scenarios.csv"
SCENARIOS: Final = ("null", "conservative", "elbau", "optimistic")
ORACLE: Final = "oracle"
GAIN: Final = f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}"
# Metric -> the split that it is read from.
METRICS: Final = {
    "auroc": WITHIN_SITE,
    "calibration_slope": WITHIN_SITE,
    "brier": LEAVE_ONE_SITE_OUT,
    "o_to_e": LEAVE_ONE_SITE_OUT,
}
MODELS: Final = (
    BASE_RATE, LOGISTIC_CLINICAL, LIGHTGBM_CLINICAL, LIGHTGBM_CONNECTIVITY, LIGHTGBM_BOTH, ORACLE,
)  # fmt: skip
COLUMNS: Final = ["scenario", "outcome", "model", "metric", "estimate", "lower", "upper", "n"]


def scenario_figures(scenario: str, workshop: Workshop) -> Iterator[pd.DataFrame]:
    """Yield the rows of response, of the oracle, and of remission."""
    draw = draw_patients(800, scenario, workshop.config.seed)
    known = draw.outcome_known
    table = drawn_table(draw, workshop.config)
    oracle = oracle_rows(table, response_probability(draw)[known], workshop)
    for outcome, y in (
        ("response", draw.outcomes.response),
        ("remission", draw.outcomes.remission),
    ):
        judged = judge_secondary(replace(table, y=y[known]), f"{scenario} {outcome}", workshop)
        assert judged.split_name == LEAVE_ONE_SITE_OUT
        found = [judged.evaluation] + ([oracle] if outcome == "response" else [])
        yield pd.concat(found).assign(scenario=scenario, outcome=outcome)


def oracle_rows(table: TrainingTable, p: FloatArray, workshop: Workshop) -> pd.DataFrame:
    """Return the evaluation of the oracle in the rows of a table."""
    frame = pd.DataFrame(
        {
            "row": np.arange(1, 1 + len(p)), "site": table.site, "repeat": 0,
            "fold": np.unique(table.site, return_inverse=True)[1], "y": table.y.astype(int),
            "model": ORACLE, "probability": p,
        }
    )  # fmt: skip
    return evaluate(frame, LEAVE_ONE_SITE_OUT, **draws_of(workshop.config))


def main_figures(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the committed columns of the committed figures."""
    of_models = rows["model"].isin(MODELS) & (rows["metric"].map(METRICS) == rows["split"])
    gain = (rows["model"] == GAIN) & (rows["metric"] == "auroc") & (rows["split"] == WITHIN_SITE)
    return rows.loc[of_models | gain, COLUMNS]


def auroc_of(
    figures: pd.DataFrame, scenario: str, outcome: str, model: str
) -> tuple[float, float, float]:
    """Return an AUROC, or a difference, and its interval."""
    here = (figures["scenario"] == scenario) & (figures["outcome"] == outcome)
    [row] = figures[here & (figures["model"] == model) & (figures["metric"] == "auroc")].to_dict(
        "records"
    )
    return float(row["estimate"]), float(row["lower"]), float(row["upper"])


def assert_as_made(figures: pd.DataFrame) -> None:
    """Hold the figures to what the simulator put into the scenarios."""
    for scenario in SCENARIOS:
        best, *_ = auroc_of(figures, scenario, "response", ORACLE)
        # Nobody who knows the clinical columns alone does better than the best that can be known.
        for model in (LOGISTIC_CLINICAL, LIGHTGBM_CLINICAL):
            _, lower, _ = auroc_of(figures, scenario, "response", model)
            assert lower <= best, (scenario, model)
    for outcome in ("response", "remission"):
        for model, chance in ((LIGHTGBM_CONNECTIVITY, 0.5), (GAIN, 0.0)):
            _, lower, upper = auroc_of(figures, "null", outcome, model)
            assert lower <= chance <= upper, (outcome, model)


@pytest.mark.nightly
def test_each_scenario_gives_what_it_was_made_to_give() -> None:
    folder = Path(tempfile.gettempdir()) / "tms-response-nightly-scenarios"

    def progress(stage: str, done: int, total: int) -> None:
        print(f"{stage}: {done} of {total}", file=sys.__stderr__, flush=True)

    workshop = Workshop(load_config(), LocalEngine(2), Work(folder, {}), progress)
    rows = [part for scenario in SCENARIOS for part in scenario_figures(scenario, workshop)]
    figures = main_figures(pd.concat(rows, ignore_index=True))
    figures.to_csv(RESULT, index=False, lineterminator="\n", float_format="%.4f")
    shutil.rmtree(folder)
    assert_as_made(figures)


def test_the_committed_table_is_whole_and_as_made() -> None:
    # "null" is the name of a scenario here, and no missing value.
    figures = pd.read_csv(RESULT, keep_default_na=False)
    assert list(figures.columns) == COLUMNS
    assert not figures.duplicated(["scenario", "outcome", "model", "metric"]).any()
    # The base rate is a constant and has no slope; the oracle knows of response only.
    assert len(figures) == len(SCENARIOS) * ((6 * 4 - 1 + 1) + (5 * 4 - 1 + 1))
    assert_as_made(figures)
