"""Patients whom one fit predicted: of another study, or the latest of the same one."""

import pandas as pd
import pytest
from held_out_predictions import BOTH, predictions
from sklearn.metrics import roc_auc_score

from training.performance.evaluation import evaluate_external
from training.performance.held_out import held_out_models


def external(frame: pd.DataFrame, split_name: str = "external") -> pd.DataFrame:
    """Evaluate predictions of one fit with few bootstraps."""
    return evaluate_external(
        frame, split_name=split_name, bootstraps=60, confidence=0.95, seed=7, thresholds=(0.5,)
    )


@pytest.mark.parametrize(("n_sites", "by_site"), [(1, False), (2, False), (4, True)])
def test_one_fit_ranks_everyone_and_sites_only_from_three_on(
    n_sites: int, *, by_site: bool
) -> None:
    frame = predictions(n_sites=n_sites, by_site=False)
    table = external(frame)
    held = held_out_models(frame)[BOTH]
    expected = roc_auc_score(held.y, held.probability[0])
    overall = table[(table["model"] == BOTH) & (table["split"] == "external")]
    found = overall.set_index("metric")["estimate"]["auroc"]
    assert found == pytest.approx(expected)
    metrics = set(table[table["split"] == "external"]["metric"])
    assert {"auprc", "roc_sensitivity", "calibration_curve", "net_benefit", "ppv"} <= metrics
    others = set(table["split"]) - {"external"}
    within = set(table[table["split"] == "external/within_site"]["metric"])
    assert "auprc" not in within
    assert not by_site or {"auroc", "roc_sensitivity"} <= within
    sites = {f"external/site=site {k}" for k in range(n_sites)}
    assert others == ({"external/within_site", *sites} if by_site else set())


def test_later_patients_are_judged_as_those_of_another_study() -> None:
    external_rows = external(predictions(n_sites=2))
    temporal = external(predictions(n_sites=2), "temporal")
    columns = ["model", "metric", "threshold", "estimate", "n"]
    pd.testing.assert_frame_equal(temporal[columns], external_rows[columns])
