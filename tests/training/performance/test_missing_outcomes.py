"""Sensitivity to outcomes that are not known, against the whole data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cohort_tables import simulated_table
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from training.dataset import OUTCOME_UNKNOWN, Bystanders, TrainingTable
from training.learning.rows import BoolArray, FloatArray
from training.performance.evaluation import evaluate
from training.performance.missing_outcomes import evaluate_missing_outcomes, outcomes_split

LOSO, CV = "leave_one_site_out", "repeated_nested_cv"
MODEL = "lightgbm_clinical"


def trials(table: TrainingTable) -> FloatArray:
    """Return the failed trials of each patient, in SDs."""
    place = [feature.name for feature in table.features].index("failed_trials")
    standardised: FloatArray = (table.X[:, place] - 3) / np.sqrt(3)
    return standardised


def frame(table: TrainingTable, p: FloatArray, member: BoolArray) -> pd.DataFrame:
    """Return predictions of some patients."""
    count = int(np.count_nonzero(member))
    return pd.DataFrame(
        {
            "row": np.arange(1, count + 1), "site": table.site[member], "repeat": 0,
            "fold": np.unique(table.site, return_inverse=True)[1][member],
            "y": table.y[member].astype(float), "model": MODEL, "probability": p[member],
        }
    )  # fmt: skip


def lost(
    n: int = 400, *, at_random: bool = True, seed: int = 0
) -> tuple[TrainingTable, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return a cohort, its predictions, those of the lost, and those of everyone.

    The model works in patients with many failed trials only, more of whom respond than it says,
    and they are lost more often; or, not at random, those who did not respond are.
    """
    table = simulated_table(n, 4, seed=seed)
    rng = np.random.default_rng([seed, 1])
    x, z = trials(table), rng.normal(size=n)
    table = replace(table, y=rng.random(n) < expit(0.5 * x + np.where(x > 0, 1.5, 0.1) * z))
    p = expit(z)
    known = rng.random(n) < (expit(1 - 1.2 * x) if at_random else np.where(table.y, 0.9, 0.6))
    kept = TrainingTable(
        table.X[known], table.y[known], table.site[known], table.features, table.connectomes
    )
    others = Bystanders(
        table.X[~known], np.full((~known).sum(), np.nan), table.site[~known],
        np.full((~known).sum(), OUTCOME_UNKNOWN),
    )  # fmt: skip
    gone = frame(table, p, ~known).assign(y=np.nan, group=OUTCOME_UNKNOWN)
    everyone = frame(table, p, np.ones(n, dtype=np.bool_))
    return replace(kept, bystanders=others), frame(table, p, known), gone, everyone


def judged(
    table: TrainingTable,
    out_of_fold: pd.DataFrame,
    bystanders: pd.DataFrame,
    split: str = LOSO,
    bootstraps: int = 100,
) -> pd.DataFrame:
    """Evaluate with few bootstraps."""
    return evaluate_missing_outcomes(
        table, out_of_fold, bystanders, split, [MODEL],
        bootstraps=bootstraps, confidence=0.95, seed=7, thresholds=(0.5,),
    )  # fmt: skip


def at(table: pd.DataFrame, assumption: str, split: str = LOSO) -> pd.DataFrame:
    """Return the rows without threshold of one assumption, by metric."""
    chosen = table[table["split"] == outcomes_split(split, assumption)]
    return chosen[chosen["threshold"].isna()].set_index("metric")


def primary(out_of_fold: pd.DataFrame, split: str) -> "pd.Series[float]":
    """Return the estimates of the primary analysis by metric, those within sites first."""
    table = evaluate(out_of_fold, split, bootstraps=2, confidence=0.95, seed=7)
    table = table[table["threshold"].isna() & ~table["split"].str.contains("site=")]
    return table.set_index("metric")["estimate"].groupby(level=0).last()


@pytest.mark.parametrize("split", [LOSO, CV])
def test_weights_recover_the_whole_data_where_complete_cases_do_not(split: str) -> None:
    table, known, gone, everyone = lost(8000)
    whole, complete = primary(everyone, split), primary(known, split)
    weighted = at(judged(table, known, gone, split, 2), "weighted", split)["estimate"]
    for metric, least_bias in (("o_to_e", 0.04), ("auroc", 0.03), ("brier", 0.01)):
        bias = abs(complete[metric] - whole[metric])
        assert bias > least_bias
        assert abs(weighted[metric] - whole[metric]) < bias / 3
    assert weighted["effective_n"] < len(known)


def test_worst_and_best_case_are_everyone_with_that_outcome() -> None:
    table, known, gone, _ = lost()
    found = judged(table, known, gone)
    for case, reached in (("none_reached", 0), ("all_reached", 1)):
        assumed = gone.assign(y=reached, row=gone["row"] + len(known))
        together = pd.concat([known, assumed])
        expected = primary(together, LOSO)
        rows = at(found, case)
        y, p = together["y"], together["probability"]
        assert rows["estimate"]["brier"] == pytest.approx(brier_score_loss(y, p))
        assert rows["estimate"]["log_loss"] == pytest.approx(log_loss(y, p))
        assert rows["estimate"]["o_to_e"] == pytest.approx(y.sum() / p.sum())
        for metric in ("auroc", "auroc_tau", "auprc", "calibration_slope"):
            assert rows["estimate"][metric] == pytest.approx(expected[metric])
        assert rows["n"]["brier"] == 400


def test_the_truth_lies_between_worst_and_best_case_whoever_was_lost() -> None:
    table, known, gone, everyone = lost(at_random=False)
    found = judged(table, known, gone)
    truth = everyone["y"].sum() / everyone["probability"].sum()
    worst, best = (
        at(found, case)["estimate"]["o_to_e"] for case in ("none_reached", "all_reached")
    )
    assert worst < truth < best
    # Weights cannot know that those who did not respond left.
    assert at(found, "weighted")["estimate"]["o_to_e"] > truth + 0.05


def test_the_lowest_and_the_highest_auroc_are_those_of_every_site_at_once() -> None:
    table, known, gone, everyone = lost(at_random=False)
    found = judged(table, known, gone)
    assumed = gone.assign(row=gone["row"] + len(known))
    for case, above in (("auroc_lowest", False), ("auroc_highest", True)):
        rows = at(found, case)
        assert set(rows.index) == {"auroc", "auroc_tau", "auroc_prediction_interval"}
        best = [
            _ends(known[known["site"] == site], assumed[assumed["site"] == site], highest=above)
            for site in np.unique(table.site)
        ]
        expected = primary(pd.concat([known, *best]), LOSO)["auroc"]
        assert rows["estimate"]["auroc"] == pytest.approx(expected)
        assert rows["n"]["auroc"] == 400
    truth = primary(everyone, LOSO)["auroc"]
    lowest, highest = (
        at(found, f"auroc_{end}")["estimate"]["auroc"] for end in ("lowest", "highest")
    )
    assert lowest + 0.05 < truth < highest - 0.05


def _ends(known: pd.DataFrame, gone: pd.DataFrame, *, highest: bool) -> pd.DataFrame:
    """Return the unknown of one site with the outcomes of the best of all numbers of events."""
    ranked = gone.sort_values("probability", ascending=not highest)
    ways = [ranked.assign(y=(np.arange(len(gone)) < k) * 1.0) for k in range(len(gone) + 1)]

    def auroc(way: pd.DataFrame) -> float:
        everyone = pd.concat([known, way])
        return float(roc_auc_score(everyone["y"], everyone["probability"]))

    return max(ways, key=auroc) if highest else min(ways, key=auroc)


def test_over_folds_no_other_assignment_lies_beyond() -> None:
    table, known, gone, _ = lost()
    known, gone = (
        pd.concat([part.assign(repeat=r, fold=(part["row"] + r) % 3) for r in (0, 1)])
        for part in (known, gone)
    )
    found = judged(table, known, gone, CV)
    ends = [at(found, case, CV).loc["auroc"] for case in ("auroc_lowest", "auroc_highest")]
    assert all(row["lower"] <= row["estimate"] <= row["upper"] for row in ends)
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        reached = dict(zip(gone["row"], rng.random(len(gone)) < share, strict=True))
        assumed = gone.assign(y=gone["row"].map(reached) * 1.0, row=gone["row"] + len(known))
        auroc = primary(pd.concat([known, assumed]), CV)["auroc"]
        assert ends[0]["estimate"] < auroc < ends[1]["estimate"]


def test_without_any_pattern_weights_change_nothing_but_the_noise() -> None:
    table, known, gone, _ = lost(2000, at_random=False)
    everyone_alike = replace(
        table, X=np.full_like(table.X, np.nan), site=np.full(len(table.y), "a")
    )
    assert table.bystanders is not None
    others = replace(
        table.bystanders,
        X=np.full_like(table.bystanders.X, np.nan),
        site=np.full(len(table.bystanders.y), "a"),
    )
    found = at(
        judged(replace(everyone_alike, bystanders=others), known, gone, CV, 2), "weighted", CV
    )
    assert found["estimate"]["effective_n"] == pytest.approx(len(known))
    expected = primary(known, CV)
    for metric in ("brier", "auroc", "auprc", "o_to_e", "calibration_slope", "ici"):
        assert found["estimate"][metric] == pytest.approx(expected[metric], abs=1e-6)


def test_the_whole_performance_set_is_there_with_intervals() -> None:
    table, known, gone, _ = lost()
    found = judged(table, known, gone)
    weighted = found[found["split"] == outcomes_split(LOSO, "weighted")]
    expected = {
        "auroc", "auprc", "brier", "brier_scaled", "log_loss", "o_to_e", "calibration_intercept",
        "calibration_slope", "ici", "e50", "e90", "net_benefit", "sensitivity", "specificity",
        "ppv", "npv", "calibration_curve", "auroc_prediction_interval",
    }  # fmt: skip
    assert expected <= set(weighted["metric"])
    assert not weighted.duplicated(["metric", "threshold"]).any()
    drawn = weighted[~weighted["metric"].isin(["effective_n", "auroc_tau"])]
    assert drawn["lower"].notna().all()
    assert (weighted["n"] == len(known)).all()


def test_nothing_is_judged_where_every_outcome_is_known() -> None:
    table, known, gone, _ = lost()
    assert judged(replace(table, bystanders=None), known, gone.head(0)).empty
