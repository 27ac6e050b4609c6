"""Rows of subgroups: what they hold and withhold, and how seldom noise looks like a finding."""

import numpy as np
import pandas as pd
import pytest
from held_out_predictions import BOTH, CLINICAL, predictions
from scipy.stats import norm
from sklearn.metrics import brier_score_loss

from training.performance.discrimination import placements
from training.performance.held_out import held_out_models
from training.performance.metrics import unit_weights
from training.performance.subgroup_levels import UNKNOWN, Subgroup
from training.performance.subgroups import evaluate_subgroups

LOSO, CV = "leave_one_site_out", "repeated_nested_cv"


def parted(
    n: int, *sizes: int, name: str = "sex", levels: tuple[str, ...] = ("a", "b"), seed: int = 5
) -> Subgroup:
    """Return levels of given sizes, spread over the patients by chance; the rest is unknown."""
    level = np.repeat([*levels[: len(sizes)], UNKNOWN], [*sizes, n - sum(sizes)])
    order = np.random.default_rng(seed).permutation(n)
    return Subgroup(name, name.capitalize(), levels, level[order].astype(np.str_))


def judged(
    frame: pd.DataFrame,
    *subgroups: Subgroup,
    split: str = LOSO,
    models: tuple[str, ...] = (BOTH,),
    bootstraps: int = 100,
) -> pd.DataFrame:
    """Evaluate with few bootstraps."""
    return evaluate_subgroups(
        frame, split, subgroups, models, bootstraps=bootstraps, confidence=0.95, seed=7
    )


def at(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of one split by metric."""
    return table[table["split"] == f"{LOSO}/subgroup={split}"].set_index("metric")


def test_each_level_is_judged_on_its_own_patients_by_fits_of_their_sites() -> None:
    frame, sex = predictions(400), parted(400, 220, 150)
    table = judged(frame, sex)
    held = held_out_models(frame)[BOTH]
    for level in ("a", "b", UNKNOWN):
        part = held.of(sex.level == level)
        found, p = at(table, f"sex:{level}"), part.probability[0]
        assert (found["n"] == part.n).all()
        assert found["estimate"]["events"] == part.y.sum()
        assert found["estimate"]["brier"] == pytest.approx(brier_score_loss(part.y, p))
        assert found["estimate"]["o_to_e"] == pytest.approx(part.y.sum() / p.sum())
        ranked = placements(part.y, p, part.fold[0], unit_weights(part.n))
        assert found["estimate"]["auroc"] == pytest.approx(ranked.auroc[0])
        assert {"calibration_intercept", "calibration_slope"} <= set(found.index)
        drawn = found.drop(index="events")
        assert (drawn["lower"] <= drawn["estimate"]).all()
        assert (drawn["estimate"] <= drawn["upper"]).all()


@pytest.mark.parametrize("split", [LOSO, CV])
def test_levels_are_compared_with_the_largest_one_but_not_the_unknown(split: str) -> None:
    frame = predictions(400, repeats=2, by_site=split == LOSO)
    table = judged(frame, parted(400, 150, 220), split=split)
    prefix = f"{split}/subgroup=sex:"
    values = table.set_index(["split", "metric"])["estimate"]
    pair = table[table["split"] == f"{prefix}a-b"].set_index("metric")
    assert set(pair.index) == {"auroc", "log_o_to_e"}
    first, second = (values[f"{prefix}{level}"] for level in "ab")
    assert pair["estimate"]["auroc"] == pytest.approx(first["auroc"] - second["auroc"])
    expected = np.log(first["o_to_e"] / second["o_to_e"])
    assert pair["estimate"]["log_o_to_e"] == pytest.approx(expected)
    assert (pair["n"] == 370).all()
    assert not table["split"].str.contains(f"-{UNKNOWN}|{UNKNOWN}-").any()


def test_the_test_of_two_levels_agrees_with_the_interval_of_their_difference() -> None:
    table = judged(predictions(400), parted(400, 190, 210), bootstraps=1000)
    difference = at(table, "sex:a-b").loc["auroc"]
    error = (difference["upper"] - difference["lower"]) / (2 * norm.ppf(0.975))
    expected = 2 * norm.sf(abs(difference["estimate"]) / error)
    p = at(table, "sex")["estimate"]
    assert p["auroc_heterogeneity_p"] == pytest.approx(expected, abs=0.05)
    two = sorted((p["auroc_heterogeneity_p"], p["o_to_e_heterogeneity_p"]))
    corrected = sorted((p["auroc_heterogeneity_p_holm"], p["o_to_e_heterogeneity_p_holm"]))
    assert corrected[0] == pytest.approx(min(1, 2 * two[0]))


def test_a_model_that_knows_nothing_of_one_level_is_found_out() -> None:
    frame, sex = predictions(600), parted(600, 300, 300)
    of_level = dict(zip(range(1, 601), sex.level, strict=True))
    rng = np.random.default_rng(3)
    guessed = frame["row"].map(of_level) == "b"
    frame.loc[guessed, "probability"] = rng.uniform(0.3, 0.7, guessed.sum())
    p = at(judged(frame, sex), "sex")["estimate"]
    assert p["auroc_heterogeneity_p_holm"] < 0.01
    assert p["o_to_e_heterogeneity_p_holm"] > 0.05


def test_noise_is_seldom_taken_for_a_difference() -> None:
    smallest = []
    for seed in range(40):
        frame = predictions(160, seed=seed)
        looks = [
            parted(160, 100, 60, seed=seed + 1000),
            parted(160, 60, 50, 50, name="age", levels=("x", "y", "z"), seed=seed + 2000),
        ]
        table = judged(frame, *looks)
        smallest.append(table.loc[table["metric"].str.endswith("_holm"), "estimate"].min())
    # At most 5 % of cohorts: three binomial standard errors above it.
    assert np.mean(np.array(smallest) < 0.05) <= 0.155


def test_small_levels_are_withheld_with_the_one_that_would_tell_them() -> None:
    frame = predictions(200)
    assert judged(frame, parted(200, 150, 4)).query("metric == 'brier'")["split"].tolist() == [
        f"{LOSO}/subgroup=sex:{UNKNOWN}"
    ]
    # Three of unknown sex stay out, and take nobody with them.
    shown = judged(frame, parted(200, 120, 77)).query("metric == 'brier'")["split"]
    assert [split[-1] for split in shown] == ["a", "b"]
    three = parted(200, 150, 46, 4, levels=("a", "b", "c"))
    assert judged(frame, three).query("metric == 'brier'")["split"].str[-1].tolist() == ["a"]


def test_what_would_count_few_events_is_withheld() -> None:
    frame, sex = predictions(200), parted(200, 100, 70)
    rows_of_b = np.flatnonzero(sex.level == "b") + 1
    frame.loc[frame["row"].isin(rows_of_b), "y"] = 0
    frame.loc[frame["row"].isin(rows_of_b[:4]), "y"] = 1
    table = judged(frame, sex)
    assert set(at(table, "sex:b").index) == {"brier"}
    # The number of events of one other level is withheld too, or the total would tell it.
    assert set(at(table, "sex:a").index) > {"events", "o_to_e", "auroc"}
    assert "events" not in at(table, f"sex:{UNKNOWN}").index
    assert "o_to_e" in at(table, f"sex:{UNKNOWN}").index
    assert table["metric"].str.contains("heterogeneity").sum() == 0


def test_auroc_needs_five_of_either_outcome_who_share_a_fit() -> None:
    frame, sex = predictions(200, n_sites=2), parted(200, 150, 50)
    rows_of_b = frame["row"].isin(np.flatnonzero(sex.level == "b") + 1)
    # At one site everyone of level b reached the outcome, at the other nobody.
    frame.loc[rows_of_b, "y"] = (frame.loc[rows_of_b, "fold"] == 0).astype(int)
    table = judged(frame, sex)
    assert "auroc" not in at(table, "sex:b").index
    assert "o_to_e" in at(table, "sex:b").index


def test_a_constant_prediction_has_no_slope_and_no_test_of_its_ranking() -> None:
    frame, sex = predictions(200), parted(200, 100, 100)
    table = judged(frame, sex, models=("base_rate",))
    assert "calibration_slope" not in set(table["metric"])
    ranked = at(table, "sex:a")[["estimate", "lower", "upper"]].T["auroc"]
    assert ranked.tolist() == [0.5, 0.5, 0.5]
    assert "auroc_heterogeneity_p" not in at(table, "sex").index
    assert "o_to_e_heterogeneity_p" in at(table, "sex").index


def test_rows_depend_on_neither_order_nor_other_models() -> None:
    frame, sex = predictions(160), parted(160, 90, 60)
    both = judged(frame.sample(frac=1, random_state=1), sex, models=(BOTH, CLINICAL))
    expected = both[both["model"] == BOTH].reset_index(drop=True)
    pd.testing.assert_frame_equal(judged(frame, sex), expected)
    assert judged(frame).empty
