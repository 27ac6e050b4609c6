"""The evaluation table as a whole: what is in it, what moves it, and what degenerate data do."""

import doctest
from pathlib import Path

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
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from data_schemas.errors import ConfigurationError, DataError
from training.performance import evaluation
from training.performance.evaluation import (
    headline,
    write_table,
)
from training.performance.held_out import held_out_models
from training.performance.measures import (
    DECISION_THRESHOLDS,
    DISTRIBUTION_EDGES,
    FALSE_POSITIVE_RATES,
)
from training.performance.site_summary import site_auroc, summarise_sites


def test_leave_one_site_out_pools_accuracy_and_ranks_within_sites_only() -> None:
    frame = predictions()
    table = judged(frame)
    held = held_out_models(frame)[BOTH]
    p = held.probability[0]
    assert estimate(table, BOTH, LOSO, "brier") == pytest.approx(brier_score_loss(held.y, p))
    pooled = set(table[table["split"] == LOSO]["metric"])
    assert pooled.isdisjoint({"auroc", "auprc", "roc_sensitivity"})
    sites = [
        site_auroc(held.y[held.site == name], p[None, held.site == name], 0.95)
        for name in np.unique(held.site)
    ]
    summary = summarise_sites(sites, 0.95)
    within = rows(table, BOTH, WITHIN, "auroc").iloc[0]
    assert within[["estimate", "lower", "upper"]].tolist() == pytest.approx(
        [summary.mean, summary.lower, summary.upper]
    )
    assert estimate(table, BOTH, WITHIN, "auroc_tau") == pytest.approx(summary.tau)
    ahead = rows(table, BOTH, WITHIN, "auroc_prediction_interval").iloc[0]
    assert ahead[["lower", "upper"]].tolist() == pytest.approx(
        [summary.prediction_lower, summary.prediction_upper]
    )


def test_every_site_has_its_own_rows_with_its_own_patients() -> None:
    frame = predictions()
    table = judged(frame)
    held = held_out_models(frame)[CLINICAL]
    for name in np.unique(held.site):
        member = held.site == name
        y, p = held.y[member], held.probability[0][member]
        split = f"{LOSO}/site={name}"
        assert estimate(table, CLINICAL, split, "auroc") == pytest.approx(roc_auc_score(y, p))
        assert estimate(table, CLINICAL, split, "brier") == pytest.approx(brier_score_loss(y, p))
        assert estimate(table, CLINICAL, split, "o_to_e") == pytest.approx(y.mean() / p.mean())
        fitted = LogisticRegression(C=np.inf, tol=1e-9).fit(logit(p)[:, None], y)
        slope = rows(table, CLINICAL, split, "calibration_slope").iloc[0]
        assert slope["estimate"] == pytest.approx(fitted.coef_[0, 0], abs=1e-5)
        assert slope["lower"] < slope["estimate"] < slope["upper"]
        # One fit gave everyone at a site the same: a constant has no slope.
        assert rows(table, "base_rate", split, "calibration_slope").empty
        assert (table[table["split"] == split]["n"] == member.sum()).all()


def test_repeats_are_averaged_and_folds_ranked_apart() -> None:
    frame = predictions(repeats=3, by_site=False)
    table = judged(frame, CV)
    held = held_out_models(frame)[BOTH]
    precisions = [average_precision_score(held.y, p) for p in held.probability]
    assert estimate(table, BOTH, CV, "auprc") == pytest.approx(np.mean(precisions))
    areas = []
    for p, fold in zip(held.probability, held.fold, strict=True):
        members = [fold == code for code in range(5)]
        of_folds = [roc_auc_score(held.y[member], p[member]) for member in members]
        areas.append(np.average(of_folds, weights=[held.y[member].sum() for member in members]))
    assert estimate(table, BOTH, CV, "auroc") == pytest.approx(np.mean(areas))


def test_a_repeat_that_repeats_itself_changes_nothing_not_even_the_intervals() -> None:
    frame = predictions(by_site=False)
    twice = pd.concat([frame, frame.assign(repeat=1)])
    pd.testing.assert_frame_equal(judged(frame, CV), judged(twice, CV), rtol=1e-9)


def test_curves_are_whole_and_lie_where_they_should() -> None:
    table = judged(predictions())
    net_benefit = rows(table, BOTH, LOSO, "net_benefit")
    assert net_benefit["threshold"].tolist() == DECISION_THRESHOLDS.tolist()
    y = predictions().query("model == 'base_rate'")["y"].mean()
    treat_all = rows(table, BOTH, LOSO, "net_benefit_treat_all")
    odds = DECISION_THRESHOLDS / (1 - DECISION_THRESHOLDS)
    assert treat_all["estimate"].to_numpy() == pytest.approx(y - (1 - y) * odds)
    assert (rows(table, BOTH, LOSO, "net_benefit_treat_none")["estimate"] == 0).all()
    roc = rows(table, BOTH, WITHIN, "roc_sensitivity")
    assert roc["threshold"].tolist() == FALSE_POSITIVE_RATES.tolist()
    assert roc["estimate"].is_monotonic_increasing
    for metric in ("distribution_event", "distribution_nonevent"):
        shares = rows(table, BOTH, LOSO, metric)
        assert shares["threshold"].tolist() == DISTRIBUTION_EDGES.tolist()
        assert shares["estimate"].sum() == pytest.approx(1)
    curve = rows(table, BOTH, LOSO, "calibration_curve")
    p = predictions().query("model == @BOTH")["probability"]
    assert curve["threshold"].between(p.min(), p.max()).all()
    assert len(curve) > 30


def test_intervals_hold_their_estimates_and_narrow_with_confidence() -> None:
    wide = judged(predictions()).dropna(subset="lower")
    narrow = judged(predictions(), confidence=0.5).dropna(subset="lower")
    assert (wide["lower"] <= wide["estimate"]).all()
    assert (wide["estimate"] <= wide["upper"]).all()
    width, narrow_width = wide["upper"] - wide["lower"], narrow["upper"] - narrow["lower"]
    assert (narrow_width <= width + 1e-12).all()
    assert (narrow_width[width > 0.01] < width[width > 0.01]).mean() > 0.95


def test_the_base_rate_ranks_nobody_and_has_no_slope() -> None:
    for frame, split, ranked in (
        (predictions(), LOSO, WITHIN),
        (predictions(repeats=2, by_site=False), CV, CV),
    ):
        table = judged(frame, split)
        auroc = rows(table, "base_rate", ranked, "auroc").iloc[0]
        assert auroc[["estimate", "lower", "upper"]].tolist() == [0.5, 0.5, 0.5]
        metrics = set(table[table["model"] == "base_rate"]["metric"])
        assert metrics.isdisjoint({"calibration_slope", "calibration_curve", "ici", "e50", "e90"})
        assert {"brier", "o_to_e", "calibration_intercept", "net_benefit"} <= metrics
        assert not table["estimate"].isna().any()


def test_the_precision_of_the_base_rate_is_the_event_rate() -> None:
    frame = predictions(by_site=False)
    event_rate = held_out_models(frame)["base_rate"].y.mean()
    assert estimate(judged(frame, CV), "base_rate", CV, "auprc") == pytest.approx(event_rate)


def test_draws_hold_the_event_rate_only_where_it_does_not_matter() -> None:
    frame = predictions(n=40, by_site=False).query("model == @BOTH").assign(fold=0)
    frame["y"] = (frame["row"] <= 2).astype(int)
    table = judged(frame, CV, bootstraps=300)
    # Free draws of 2 events among 40 patients have none in 13 of 100.
    assert rows(table, BOTH, CV, "auroc")["lower"].notna().all()
    assert rows(table, BOTH, CV, "auprc")["lower"].isna().all()
    treat_all = rows(table, BOTH, CV, "net_benefit_treat_all")
    assert (treat_all["upper"] - treat_all["lower"] > 0.05).all()


def test_classification_appears_only_at_thresholds_that_are_named() -> None:
    classification = {"sensitivity", "specificity", "ppv", "npv"}
    assert classification.isdisjoint(judged(predictions())["metric"])
    table = judged(predictions(), thresholds=(0.5, 0.4))
    for metric in classification:
        assert rows(table, BOTH, LOSO, metric)["threshold"].tolist() == [0.4, 0.5]
    held = held_out_models(predictions())[BOTH]
    flagged = held.probability[0] >= 0.5
    found = rows(table, BOTH, LOSO, "ppv")["estimate"].iloc[1]
    assert found == pytest.approx(held.y[flagged].mean())
    for wrong in (0.0, 1.0, np.nan):
        with pytest.raises(ConfigurationError, match="strictly between 0 and 1"):
            judged(predictions(), thresholds=(wrong,))


def test_the_same_seed_gives_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    frame = predictions()
    shuffled = frame.sample(frac=1, random_state=1)
    texts = []
    for number, source in enumerate((frame, shuffled)):
        write_table(judged(source), tmp_path / f"{number}.csv")
        texts.append((tmp_path / f"{number}.csv").read_bytes())
    assert texts[0] == texts[1]
    write_table(judged(frame, seed=8), tmp_path / "other.csv")
    assert (tmp_path / "other.csv").read_bytes() != texts[0]


def test_a_model_is_judged_alike_alone_and_among_others() -> None:
    frame = predictions()
    among = judged(frame)
    alone = judged(frame[frame["model"] == BOTH])
    expected = among[among["model"] == BOTH].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)


def test_a_written_table_reads_back_exactly(tmp_path: Path) -> None:
    table = judged(predictions())
    write_table(table, tmp_path / "evaluation.csv")
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "evaluation.csv"),
        table,
        check_exact=True,
        check_dtype=False,
    )


def test_small_sites_join_the_pool_but_have_no_auroc() -> None:
    frame = predictions(n=120)
    frame.loc[frame["row"] <= 8, "site"] = "small"
    frame.loc[frame["row"] == 9, "site"] = "single"
    table = judged(frame)
    assert rows(table, BOTH, f"{LOSO}/site=small", "auroc").empty
    assert (rows(table, BOTH, LOSO, "brier")["n"] == 120).all()
    assert (table[table["split"] == WITHIN]["n"] == 111).all()
    assert headline(table, BOTH).endswith("within 4 held-out sites")


def test_small_cells_of_sites_are_withheld_with_those_that_would_tell_them() -> None:
    frame = predictions(n=120)
    frame.loc[frame["row"] == 9, "site"] = "single"
    table = judged(frame)
    shown = table[table["metric"] == "brier"].query("model == @BOTH")["split"]
    sizes = frame[frame["model"] == BOTH].groupby("site").size()
    smallest = sizes.drop("single").idxmin()
    withheld = {f"{LOSO}/site=single", f"{LOSO}/site={smallest}"}
    assert withheld.isdisjoint(shown)
    assert len(shown) == 1 + len(sizes) - 2
    # A site of twenty with three events keeps its Brier score, not what would count the events.
    few = predictions(n=120)
    member = few["site"] == "site 1"
    few.loc[member, "y"] = few.loc[member, "row"].isin(few.loc[member, "row"].unique()[:3]) * 1
    table = judged(few)
    assert len(rows(table, BOTH, f"{LOSO}/site=site 1", "brier")) == 1
    for metric in ("o_to_e", "calibration_slope"):
        assert rows(table, BOTH, f"{LOSO}/site=site 1", metric).empty


def test_the_ratio_within_sites_is_wider_than_that_of_these_patients() -> None:
    frame = predictions(n=800, n_sites=8)
    rate = frame["site"].map({f"site {k}": k / 9 for k in range(8)})
    rng = np.random.default_rng(1)
    reached = dict(zip(frame["row"], rng.random(len(frame)) < 0.1 + rate, strict=True))
    frame["y"] = frame["row"].map(reached).astype(int)
    table = judged(frame, bootstraps=200)
    pooled, within = (rows(table, BOTH, split, "o_to_e").iloc[0] for split in (LOSO, WITHIN))
    ahead = rows(table, BOTH, WITHIN, "o_to_e_prediction_interval").iloc[0]
    widths = [row["upper"] - row["lower"] for row in (pooled, within, ahead)]
    assert widths[0] * 2 < widths[1] < widths[2]
    assert estimate(table, BOTH, WITHIN, "o_to_e_tau") > 0.3


@pytest.mark.parametrize(("n", "n_sites"), [(12, 1), (12, 6), (30, 1), (40, 2), (7, 2)])
@pytest.mark.parametrize("split", [LOSO, CV])
def test_small_cohorts_are_judged_without_a_crash(n: int, n_sites: int, split: str) -> None:
    frame = predictions(n, n_sites=n_sites, by_site=split == LOSO and n_sites > 1, seed=2)
    table = judged(frame, split)
    assert len(rows(table, BOTH, split, "brier")) == 1
    assert rows(table, BOTH, split, "brier")["lower"].isna().all() == (n < 10)
    assert headline(table, BOTH).startswith("AUROC")
    assert not table["estimate"].isna().any()


@pytest.mark.parametrize("split", [LOSO, CV])
@pytest.mark.parametrize("values", [[0.3], [0.0, 1.0], [0.0], [1.0], [0.2, 0.4]])
def test_extreme_and_constant_predictions_are_judged(split: str, values: list[float]) -> None:
    frame = predictions(n=80)
    rng = np.random.default_rng(0)
    frame["probability"] = rng.choice(values, size=len(frame))
    table = judged(frame, split, thresholds=(0.35,))
    assert np.isfinite(table["estimate"]).all()
    if len(values) == 1:
        assert headline(table, BOTH).startswith("No model was learned")


def test_one_class_is_refused_with_a_sentence() -> None:
    with pytest.raises(DataError, match="All patients have the same outcome"):
        judged(predictions().assign(y=0))


def test_progress_counts_models() -> None:
    seen: list[tuple[int, int]] = []
    judged(predictions(n=40), CV, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_headline_is_that_of_the_primary_split() -> None:
    table = judged(predictions())
    row = table[(table["metric"] == "auroc") & (table["split"] == WITHIN)].query("model == @BOTH")
    others = [
        row.assign(split=f"{LOSO}/{name}", estimate=0.99)
        for name in ("subgroup=sex:female", "arm=sham", "outcomes=weighted")
    ] + [row.assign(split=name, estimate=0.99) for name in ("external", "temporal", "stability")]
    assert headline(pd.concat([*others, table]), BOTH) == headline(table, BOTH)


def test_headline_names_the_number_of_sites_the_level_and_what_is_lacking() -> None:
    table = judged(predictions())
    auroc = rows(table, BOTH, WITHIN, "auroc").iloc[0]
    assert headline(table, BOTH, 0.9) == (
        f"AUROC {auroc['estimate']:.2f} (90 % interval {auroc['lower']:.2f} to "
        f"{auroc['upper']:.2f}) within 4 held-out sites"
    )
    one_site = judged(predictions(n=30).assign(site="only"))
    assert headline(one_site, BOTH).endswith("within one held-out site")
    tiny = judged(predictions(n=9, by_site=False, seed=4), CV)
    assert "(too few patients for an interval) in held-out patients" in headline(tiny, BOTH)
    assert headline(table[table["metric"] == "brier"], BOTH).startswith("AUROC not estimable")


def test_the_example_in_the_documentation_holds() -> None:
    assert doctest.testmod(evaluation).failed == 0
    assert doctest.testmod(evaluation).attempted == 2
