"""The permutation test: what it permutes, what it computes, and that its p is uniform on noise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cohort_tables import quick_config, simulated_table
from scipy.stats import binomtest

from training.engine.engines import LocalEngine
from training.engine.stage import run_stage
from training.learning.models import LOGISTIC_CLINICAL
from training.learning.rows import BoolArray
from training.learning.splits import outer_splits
from training.learning.validation import out_of_fold_frame, validate
from training.performance.evaluation import evaluate
from training.performance.held_out import HeldOut
from training.performance.permutation import (
    NULL_QUANTILES,
    permutation_p,
    permutation_table,
    permuted_performance,
    permuted_within_sites,
    plan_permutations,
)

CONFIG = quick_config()
FAILED_TRIALS = [feature.name for feature in simulated_table(4).features].index("failed_trials")


def test_outcomes_move_within_sites_only() -> None:
    table = simulated_table(200, 4)
    permuted = permuted_within_sites(table.y, table.site, np.random.default_rng(0))
    assert (permuted != table.y).any()
    for name in table.site_names:
        member = table.site == name
        assert permuted[member].sum() == table.y[member].sum()


@pytest.mark.parametrize("n_sites", [1, 2, 4])
def test_what_is_judged_has_the_event_rate_of_each_site(
    n_sites: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = simulated_table(160, n_sites)
    plan = plan_permutations(table, LOGISTIC_CLINICAL, CONFIG, too_few=False)
    seen: list[BoolArray] = []

    def keep(held: HeldOut) -> float:
        seen.append(held.y)
        return 0.0

    monkeypatch.setattr("training.performance.permutation._brier", keep)
    for number in (1, 2):
        permuted_performance(plan, number)
    assert (seen[0] != seen[1]).any()
    for y in seen:
        assert (y != table.y).any()
        for name in table.site_names:
            member = table.site == name
            assert y[member].sum() == table.y[member].sum()


def test_sites_that_differ_are_no_evidence_where_whole_sites_are_held_out() -> None:
    """Between sites failed trials tell all of the outcome, within them nothing."""
    rng = np.random.default_rng(2)
    table = simulated_table(240, 8)
    code = np.unique(table.site, return_inverse=True)[1]
    X = np.full_like(table.X, np.nan)
    X[:, FAILED_TRIALS] = code + rng.normal(0, 1, 240)
    y = rng.random(240) < 0.25 + code / 14
    # Nothing is tuned, which saves time and matters to nothing here.
    plan = plan_permutations(replace(table, X=X, y=y), LOGISTIC_CLINICAL, CONFIG, too_few=True)
    observed, *null = (permuted_performance(plan, number) for number in range(20))
    p = {
        name: permutation_p(
            sign * observed[name], np.array([sign * each[name] for each in null]), 0.95
        )[0]
        for name, sign in (("auroc", 1.0), ("brier", -1.0))
    }
    assert min(p.values()) > 0.05
    # Outcomes permuted across sites would have taken the sites for knowledge of patients.
    across = [
        permuted_performance(replace(plan, rows=replace(plan.rows, y=rng.permutation(y))), 0)
        for _ in range(19)
    ]
    assert observed["brier"] < min(each["brier"] for each in across)


@pytest.mark.parametrize("n_sites", [1, 4])
def test_number_zero_is_the_analysis_itself(n_sites: int) -> None:
    table = simulated_table(160, n_sites)
    plan = plan_permutations(table, LOGISTIC_CLINICAL, CONFIG, too_few=False)
    found = permuted_performance(plan, 0)
    name, splits = outer_splits(
        table.y, table.site, minimum_sites=3, folds=CONFIG.validation.folds, repeats=1,
        seed=CONFIG.seed,
    )  # fmt: skip
    held_out = out_of_fold_frame(table, validate(table, splits, [LOGISTIC_CLINICAL], CONFIG))
    judged = evaluate(held_out, name, bootstraps=2, confidence=0.95, seed=7)
    overall = judged[~judged["split"].str.contains("site=")].set_index("metric")["estimate"]
    assert found["auroc"] == pytest.approx(overall["auroc"], abs=1e-12)
    assert found["brier"] == pytest.approx(overall["brier"], abs=1e-12)


def test_permutations_differ_repeat_themselves_and_know_no_signal() -> None:
    table = simulated_table(160, 4)
    plan = plan_permutations(table, LOGISTIC_CLINICAL, CONFIG, too_few=False)
    stage = run_stage(LocalEngine(), None, "permuting", permuted_performance, plan, range(9))
    results = [{name: float(value) for name, value in each.items()} for each in stage]
    assert results[3] == permuted_performance(plan, 3)
    assert results[3] != results[4]
    observed, null = results[0], results[1:]
    assert observed["auroc"] > max(each["auroc"] for each in null)
    assert np.mean([each["auroc"] for each in null]) == pytest.approx(0.5, abs=0.07)
    rows = permutation_table("m", observed, null, n=160, confidence=0.95)
    assert rows.set_index("metric")["estimate"]["auroc_p"] == pytest.approx(1 / 9)


def test_the_table_holds_p_values_their_intervals_and_the_null_distribution() -> None:
    rng = np.random.default_rng(0)
    null = [{"auroc": a, "brier": b} for a, b in rng.normal([0.5, 0.25], 0.03, size=(199, 2))]
    table = permutation_table("m", {"auroc": 0.56, "brier": 0.26}, null, n=80, confidence=0.95)
    assert (table["split"] == "permutation").all()
    assert (table["n"] == 80).all()
    by_metric = table[table["threshold"].isna()].set_index("metric")
    assert by_metric["estimate"]["permutations"] == 199
    better = sum(each["auroc"] >= 0.56 for each in null)
    assert by_metric["estimate"]["auroc_p"] == pytest.approx((better + 1) / 200)
    # A smaller Brier score is the better one.
    better = sum(each["brier"] <= 0.26 for each in null)
    assert by_metric["estimate"]["brier_p"] == pytest.approx((better + 1) / 200)
    quantiles = table[table["metric"] == "auroc_permuted"]
    assert quantiles["threshold"].tolist() == list(NULL_QUANTILES)
    expected = np.quantile([each["auroc"] for each in null], NULL_QUANTILES)
    assert quantiles["estimate"].to_numpy() == pytest.approx(expected)
    assert permutation_table("m", {"auroc": 0.6, "brier": 0.2}, [], n=80, confidence=0.95)[
        "metric"
    ].tolist() == ["permutations"]


@pytest.mark.parametrize("better", [0, 1, 30, 99])
def test_the_interval_of_p_is_that_of_a_binomial_share(better: int) -> None:
    null = np.repeat([1.0, 0.0], [better, 99 - better])
    p, lower, upper = permutation_p(0.5, null, 0.9)
    exact = binomtest(better, 99).proportion_ci(0.9, method="exact")
    assert p == (better + 1) / 100
    assert (lower, upper) == pytest.approx((exact.low, exact.high))
    assert lower <= p <= upper


def test_p_is_uniform_where_the_observed_order_is_like_any_other() -> None:
    rng = np.random.default_rng(1)
    y = rng.random(60) < 0.4
    site = np.repeat(["a", "b", "c"], 20)
    found = []
    for _ in range(300):
        score = rng.normal(size=60)
        draws = [score[permuted_within_sites(y, site, rng)].mean() for _ in range(19)]
        found.append(permutation_p(float(score[y].mean()), np.array(draws), 0.95)[0])
    levels = pd.Series(found)
    assert (levels <= 0.05).mean() == pytest.approx(0.05, abs=0.038)
    assert (levels <= 0.5).mean() == pytest.approx(0.5, abs=0.09)
