"""Differences between models on the same patients."""

import numpy as np
import pandas as pd
import pytest
from held_out_predictions import (
    BOTH,
    CLINICAL,
    CV,
    LOSO,
    WITHIN,
    estimate,
    judged,
    predictions,
    rows,
)

from data_schemas.errors import DataError
from training.performance.evaluation import compare_models
from training.performance.measures import DECISION_THRESHOLDS


def compared(
    frame: pd.DataFrame, split: str = LOSO, pair: tuple[str, str] = (BOTH, CLINICAL)
) -> pd.DataFrame:
    """Compare two models with few bootstraps."""
    return compare_models(frame, split, [pair], bootstraps=200, confidence=0.95, seed=7)


@pytest.mark.parametrize("split", [LOSO, CV])
def test_a_difference_is_that_of_the_two_models_on_the_same_patients(split: str) -> None:
    frame = predictions(repeats=2, by_site=split == LOSO)
    scanned = frame[frame["has_connectome"]]
    table, found = judged(scanned, split), compared(frame, split)
    ranked = WITHIN if split == LOSO else CV
    corrected = [[CV, "auroc_corrected_t"], [CV, "brier_corrected_t"]] if split == CV else []
    assert found[["split", "metric"]].drop_duplicates().to_numpy().tolist() == [
        [split, "brier"], [split, "log_loss"], [split, "net_benefit"], [ranked, "auroc"],
        *corrected,
    ]  # fmt: skip
    assert (found["model"] == "lightgbm_both - lightgbm_clinical").all()
    assert (found["n"] == 80).all()
    for metric in ("brier", "log_loss"):
        expected = estimate(table, BOTH, split, metric) - estimate(table, CLINICAL, split, metric)
        value = found.loc[found["metric"] == metric, "estimate"].iloc[0]
        assert value == pytest.approx(expected)
    of_both, of_clinical = (rows(table, m, split, "net_benefit") for m in (BOTH, CLINICAL))
    expected_curve = of_both["estimate"].to_numpy() - of_clinical["estimate"].to_numpy()
    curve = found[found["metric"] == "net_benefit"]
    assert curve["estimate"].to_numpy() == pytest.approx(expected_curve)
    assert curve["threshold"].tolist() == DECISION_THRESHOLDS.tolist()


def test_a_pair_without_connectivity_is_compared_on_everyone() -> None:
    pair = (CLINICAL, "base_rate")
    assert (compared(predictions(), pair=pair)["n"] == 160).all()
    everyone = predictions().drop(columns="has_connectome")
    assert (compared(everyone)["n"] == 160).all()


def test_a_better_model_has_intervals_on_its_side_and_equals_none() -> None:
    found = compared(predictions(n=400)).set_index("metric")
    assert found["lower"]["auroc"] > 0
    assert found["upper"]["brier"] < 0
    same = compared(predictions(), pair=(BOTH, BOTH))
    assert (same[["estimate", "lower", "upper"]] == 0).all(axis=None)


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    frame = predictions(n=300).drop(columns="has_connectome")
    table = judged(frame, bootstraps=200)
    difference = rows(compared(frame), f"{BOTH} - {CLINICAL}", LOSO, "brier").iloc[0]
    of_both, of_clinical = (rows(table, m, LOSO, "brier").iloc[0] for m in (BOTH, CLINICAL))
    unpaired = np.hypot(
        of_both["upper"] - of_both["lower"], of_clinical["upper"] - of_clinical["lower"]
    )
    assert difference["upper"] - difference["lower"] < 0.9 * unpaired


def test_what_cannot_be_compared() -> None:
    frame = predictions()
    with pytest.raises(
        DataError, match=r"predictions of lightgbm_bot\. Did you mean 'lightgbm_both'"
    ):
        compared(frame, pair=("lightgbm_bot", CLINICAL))
    fewer = frame[(frame["model"] != BOTH) | (frame["row"] > 1)]
    with pytest.raises(DataError, match="did not predict the same patients"):
        compared(fewer)
    assert compared(frame.assign(has_connectome=False)).empty
    assert compared(frame.assign(has_connectome=frame["y"] == 1)).empty
