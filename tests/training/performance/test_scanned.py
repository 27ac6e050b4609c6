"""All models on the patients with an accepted connectome, against an evaluation of them alone."""

import numpy as np
import pandas as pd
import pytest
from held_out_predictions import BOTH, CLINICAL, predictions

from training.learning.rows import FloatArray
from training.performance.discrimination import placements
from training.performance.evaluation import evaluate
from training.performance.held_out import held_out_models
from training.performance.metrics import unit_weights
from training.performance.scanned import evaluate_scanned

LOSO, CV = "leave_one_site_out", "repeated_nested_cv"
MAIN = ["brier", "o_to_e", "calibration_slope", "auroc"]


def scanned(frame: pd.DataFrame, split: str = LOSO) -> pd.DataFrame:
    """Judge the scanned patients with few bootstraps."""
    return evaluate_scanned(
        frame, split, ["base_rate", CLINICAL, BOTH], bootstraps=60, confidence=0.95, seed=7
    )


def estimates(table: pd.DataFrame) -> FloatArray:
    """Return estimate and number of patients of the main measures of both LightGBM models."""
    chosen = table[table["model"].isin([BOTH, CLINICAL]) & table["metric"].isin(MAIN)]
    ordered = chosen.sort_values(["model", "metric"])
    return ordered[["estimate", "n"]].to_numpy(np.float64)


@pytest.mark.parametrize("split", [LOSO, CV])
def test_it_is_the_evaluation_of_the_scanned_alone(split: str) -> None:
    frame = predictions(n=400, repeats=2, by_site=split == LOSO)
    found = scanned(frame, split)
    assert set(found["split"]) == {f"{split}/scanned"}
    alone = evaluate(
        frame[frame["has_connectome"]], split, bootstraps=2, confidence=0.95, seed=7
    )  # fmt: skip
    within = alone["split"] == f"{LOSO}/within_site"
    pooled = alone["split"] == split
    ranked = alone["metric"].isin(["auroc", "calibration_slope"])
    expected = alone[(within & ranked) | (pooled & ~ranked)] if split == LOSO else alone[pooled]
    assert estimates(found) == pytest.approx(estimates(expected))
    assert found["lower"].notna().all()
    of_both = found[found["model"] == BOTH]
    assert of_both["metric"].tolist() == MAIN
    assert "calibration_slope" not in set(found[found["model"] == "base_rate"]["metric"])


def test_sites_too_small_for_an_auroc_are_averaged_over_their_events() -> None:
    frame = predictions(n=80, n_sites=10)
    table = scanned(frame)
    everyone = held_out_models(frame)[BOTH]
    held = everyone.of(everyone.has_connectome)
    expected = placements(
        held.y, held.probability[0], held.site_code[0], unit_weights(held.n)
    ).auroc
    row = table[(table["model"] == BOTH) & (table["metric"] == "auroc")].iloc[0]
    assert row["estimate"] == pytest.approx(expected[0])
    assert row["lower"] < row["estimate"] < row["upper"]
    assert row["n"] == held.n


def test_few_scanned_patients_of_one_outcome_are_not_judged() -> None:
    frame = predictions()
    reached = frame["row"].isin(frame[frame["y"] == 1]["row"].unique()[:4])
    assert scanned(frame.assign(has_connectome=reached | (frame["y"] == 0))).empty
    assert scanned(frame.assign(has_connectome=False)).empty
