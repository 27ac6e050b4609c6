"""Sham patients: like with like, and what it means."""

import numpy as np
import pandas as pd
import pytest
from held_out_predictions import BOTH, CLINICAL
from scipy.special import expit
from sklearn.metrics import brier_score_loss, roc_auc_score

from training.dataset import OUTCOME_UNKNOWN
from training.performance.held_out import held_out_models, together
from training.performance.other_arms import arm_sentence, arm_split, evaluate_arms

LOSO, CV = "leave_one_site_out", "repeated_nested_cv"


def arm(n: int, *, signal: float, group: str = "", seed: int = 0, repeats: int = 1) -> pd.DataFrame:
    """Return predictions at four sites whose log-odds are worth `signal` times what they say."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(size=n)
    y = (rng.random(n) < expit(signal * log_odds)).astype(float)
    fold = np.arange(n) % 4
    frames = [
        pd.DataFrame(
            {
                "row": np.arange(1, n + 1), "site": np.char.add("site ", fold.astype(str)),
                "repeat": repeat, "fold": fold, "y": y, "model": BOTH,
                "probability": expit(log_odds + 0.1 * repeat),
            }
        )
        for repeat in range(repeats)
    ]  # fmt: skip
    frame = pd.concat(frames)
    return frame.assign(group=group) if group else frame


def judged(
    active: pd.DataFrame, others: pd.DataFrame, split: str = LOSO, bootstraps: int = 200
) -> pd.DataFrame:
    """Evaluate with few bootstraps."""
    return evaluate_arms(
        active, others, split, [BOTH], bootstraps=bootstraps, confidence=0.95, seed=7
    )


def at(table: pd.DataFrame, name: str, split: str = LOSO) -> pd.DataFrame:
    """Return the rows of one arm by metric."""
    return table[table["split"] == arm_split(split, name)].set_index("metric")


@pytest.mark.parametrize(("split", "repeats"), [(LOSO, 1), (CV, 2)])
def test_arms_are_judged_alike_and_their_difference_is_that_of_the_two(
    split: str, repeats: int
) -> None:
    active = arm(300, signal=1, repeats=repeats)
    sham = arm(120, signal=0, group="sham", seed=1, repeats=repeats)
    table = judged(active, sham, split)
    for name, frame in (("active", active), ("sham", sham)):
        areas = [
            (roc_auc_score(part["y"], part["probability"]), part["y"].sum())
            for _, part in frame[frame["repeat"] == 0].groupby("fold")
        ]
        expected = np.average([a for a, _ in areas], weights=[w for _, w in areas])
        assert at(table, name, split)["estimate"]["auroc"] == pytest.approx(expected)
    sham_rows = at(table, "sham", split)
    if repeats == 1:
        brier = brier_score_loss(sham["y"], sham["probability"])
        assert sham_rows["estimate"]["brier"] == pytest.approx(brier)
    assert sham_rows["estimate"]["events"] == sham["y"].sum() / repeats
    difference = at(table, "active-sham", split)
    assert set(difference.index) == {"calibration_slope", "auroc"}
    for metric in difference.index:
        expected = at(table, "active", split)["estimate"][metric] - sham_rows["estimate"][metric]
        assert difference["estimate"][metric] == pytest.approx(expected)
    assert (difference["n"] == 420).all()


def test_arms_are_drawn_independently() -> None:
    table = judged(arm(300, signal=1), arm(200, signal=1, group="sham", seed=1), bootstraps=2000)
    widths = {
        name: float((at(table, name)["upper"] - at(table, name)["lower"])["auroc"])
        for name in ("active", "sham", "active-sham")
    }
    expected = np.hypot(widths["active"], widths["sham"])
    assert widths["active-sham"] == pytest.approx(expected, rel=0.1)


def test_what_predicts_response_to_treatment_is_told_from_what_predicts_improvement() -> None:
    active = arm(600, signal=1.2)
    specific = judged(active, arm(400, signal=0, group="sham", seed=1))
    assert "at least in part, response to TMS" in arm_sentence(specific, LOSO, BOTH, "sham")
    general = judged(active, arm(400, signal=1.2, group="sham", seed=1))
    sentence = arm_sentence(general, LOSO, BOTH, "sham", "iTBS")
    assert "improvement in general, and not for response to iTBS" in sentence
    few = judged(active, arm(24, signal=0.6, group="sham", seed=3))
    assert arm_sentence(few, LOSO, BOTH, "sham").startswith("There are too few sham patients")
    nothing = judged(arm(300, signal=0, seed=2), arm(200, signal=0, group="sham", seed=1))
    assert "not shown to rank active patients either" in arm_sentence(nothing, LOSO, BOTH, "sham")
    nobody = judged(active, arm(4, signal=0, group="sham"))
    assert nobody.empty
    assert arm_sentence(nobody, LOSO, BOTH, "sham").endswith("from improvement in general.")


def test_few_who_reached_the_outcome_are_not_counted() -> None:
    sham = arm(40, signal=0, group="sham", seed=1)
    sham["y"] = (sham["row"] <= 3).astype(float)
    table = judged(arm(200, signal=1), sham)
    assert set(at(table, "sham").index) == {"brier"}
    assert at(table, "active-sham").empty


def test_every_arm_has_its_rows_and_unknown_outcomes_have_none() -> None:
    sham, control = (arm(80, signal=0, group=g, seed=2) for g in ("sham", "control"))
    lost = arm(30, signal=0, group=OUTCOME_UNKNOWN).assign(y=np.nan)
    others = pd.concat([part.assign(row=part["row"] + 100 * k)
                        for k, part in enumerate((sham, control, lost))])  # fmt: skip
    table = judged(arm(200, signal=1), others)
    names = ("active", "control", "active-control", "sham", "active-sham")
    assert set(table["split"]) == {arm_split(LOSO, name) for name in names}
    assert not table.duplicated(["split", "metric"]).any()
    assert judged(arm(200, signal=1), lost).empty


def test_groups_together_are_the_groups_one_after_another() -> None:
    first = held_out_models(arm(30, signal=1))[BOTH]
    second = held_out_models(arm(10, signal=1, seed=4))[BOTH]
    both = together(first, second)
    assert both.n == 40
    assert both.row.tolist() == list(range(1, 41))
    assert both.of(np.arange(40) >= 30).probability.tolist() == second.probability.tolist()
    assert CLINICAL not in held_out_models(arm(30, signal=1))
