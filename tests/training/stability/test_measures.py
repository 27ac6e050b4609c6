"""The measures of stability, each recomputed by another road."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from stability_study import StabilityStudy

from training.config import TrainingConfig
from training.learning.rows import FloatArray
from training.stability.measures import patient_table, stability_table
from training.stability.replicates import Replicates


def config_of(study: StabilityStudy) -> TrainingConfig:
    validation = study.config.validation.model_copy(update={"thresholds": (0.4, 0.6)})
    return study.config.model_copy(update={"validation": validation})


@pytest.fixture(scope="module")
def served(study: StabilityStudy) -> FloatArray:
    return study.predictor.log_odds(study.plan.rows.X)


@pytest.fixture(scope="module")
def table(study: StabilityStudy, served: FloatArray) -> pd.DataFrame:
    return stability_table(study.replicates, study.table, served, "mine", config_of(study))


def only(table: pd.DataFrame, metric: str, threshold: float | None = None) -> pd.Series:
    found = table[table["metric"] == metric]
    if threshold is not None:
        found = found[found["threshold"] == threshold]
    assert len(found) == 1
    return found.iloc[0]


def test_patients_have_their_error_and_interval(study: StabilityStudy, served: FloatArray) -> None:
    patients = patient_table(study.replicates, served, 0.9)
    p = [[expit(x) for x in drawn] for drawn in study.replicates.log_odds.tolist()]
    own = [drawn[6] for drawn in p]
    seventh = patients.iloc[6]
    assert seventh["row"] == 7
    assert seventh["probability"] == pytest.approx(expit(served[6]))
    assert seventh["mape"] == pytest.approx(sum(abs(x - expit(served[6])) for x in own) / len(own))
    assert seventh["lower"] == pytest.approx(np.percentile(own, 5))
    assert seventh["upper"] == pytest.approx(np.percentile(own, 95))


def test_rows_stand_in_the_tidy_table(table: pd.DataFrame, study: StabilityStudy) -> None:
    assert list(table.columns) == [
        "model", "split", "metric", "threshold", "estimate", "lower", "upper", "n",
    ]  # fmt: skip
    assert set(table["model"]) == {"mine"}
    assert set(table["split"]) == {"stability"}
    assert set(table["n"]) == {len(study.table.y)}
    assert (table["lower"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["upper"]).all()
    assert not table.duplicated(["metric", "threshold"]).any()


def test_patients_are_summed_up(
    table: pd.DataFrame, study: StabilityStudy, served: FloatArray
) -> None:
    patients = patient_table(study.replicates, served, 0.9)
    width = patients["upper"] - patients["lower"]
    assert only(table, "mape")["estimate"] == pytest.approx(patients["mape"].mean())
    percentile = patients["mape"].quantile(0.95, interpolation="higher")
    assert only(table, "mape_95th_percentile")["estimate"] == pytest.approx(percentile, rel=0.02)
    for limit in (0.2, 0.3):
        row = only(table, "share_interval_wider_than", limit)
        assert row["estimate"] == pytest.approx((width > limit).mean())
    p, drawn = expit(served), expit(study.replicates.log_odds)
    for threshold in (0.4, 0.6):
        changed = [(one >= threshold) != (p >= threshold) for one in drawn]
        row = only(table, "classification_instability", threshold)
        assert row["estimate"] == pytest.approx(np.mean(changed))


def test_only_thresholds_that_were_named_are_reported(
    study: StabilityStudy, served: FloatArray
) -> None:
    table = stability_table(study.replicates, study.table, served, "mine", study.config)
    assert "classification_instability" not in set(table["metric"])


def test_replicates_are_judged_on_the_original_patients(
    table: pd.DataFrame, study: StabilityStudy
) -> None:
    y, site = study.table.y, study.table.site
    aurocs, slopes = [], []
    for log_odds in study.replicates.log_odds:
        by_site = [(s, roc_auc_score(y[site == s], log_odds[site == s])) for s in np.unique(site)]
        events = [y[site == s].sum() for s, _ in by_site]
        aurocs.append(np.average([auroc for _, auroc in by_site], weights=events))
        unpenalised = LogisticRegression(C=1e9, tol=1e-8, max_iter=500)
        slopes.append(unpenalised.fit(log_odds[:, None], y).coef_[0, 0])
    for metric, values in (("auroc", aurocs), ("calibration_slope", slopes)):
        row = only(table, f"apparent_{metric}")
        expected = np.quantile(values, [0.025, 0.5, 0.975])
        found = row[["lower", "estimate", "upper"]].astype(float)
        np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_curve_lies_within_its_band_and_the_predictions(
    table: pd.DataFrame, served: FloatArray
) -> None:
    curve = table[table["metric"] == "apparent_calibration_curve"]
    assert len(curve) > 10
    assert curve["threshold"].min() >= expit(served).min()
    assert curve["threshold"].max() <= expit(served).max()
    benefit = table[table["metric"] == "apparent_net_benefit"]
    assert benefit["threshold"].tolist() == [number / 100 for number in range(5, 81)]


def test_replicates_that_agree_with_the_model_are_perfectly_stable(
    study: StabilityStudy, served: FloatArray
) -> None:
    alike = Replicates(np.array([served] * 5), np.empty((5, 0)), np.full(5, 0.9))
    table = stability_table(alike, study.table, served, "mine", config_of(study))
    for metric in ("mape", "mape_95th_percentile", "share_without_signal"):
        assert only(table, metric)["estimate"] == 0
    assert only(table, "classification_instability", 0.4)["estimate"] == 0
    auroc = only(table, "apparent_auroc")
    assert auroc["lower"] == auroc["estimate"] == auroc["upper"]


def test_replicates_without_signal_are_counted_and_have_no_slope(
    study: StabilityStudy, served: FloatArray
) -> None:
    flat = replace(
        study.replicates,
        log_odds=np.zeros((4, len(served))),
        recalibration_slope=np.array([0.0, 0.0, 0.0, 1.0]),
    )
    table = stability_table(flat, study.table, served, "mine", study.config)
    none = only(table, "share_without_signal")
    assert none["estimate"] == 0.75
    assert 0 < none["lower"] < 0.75 < none["upper"] < 1
    assert only(table, "apparent_auroc")["estimate"] == 0.5
    assert "apparent_calibration_slope" not in set(table["metric"])
