"""What is too uncertain to be read is said to be so, and what has no interval is not drawn."""

from math import nan
from typing import Any

import pandas as pd
import pytest

from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL
from training.learning.splits import REPEATED_NESTED_CV, UNKNOWN_SITE
from training.report.first_screen import connectivity_answer
from training.report.sections import calibration_picture, roc_picture
from training.report.tables import (
    ACCURACY,
    CALIBRATION,
    Estimate,
    Evaluation,
    estimate_cell,
    metric_cell,
    table,
)
from training.report.words import calibration_verdict, sites_known, sites_words
from training.summary import ConnectomeCounts, ModelSummary, RunSummary, SiteCount

SLOPE = CALIBRATION["calibration_slope"]
Row = dict[str, Any]


def row(model: str, metric: str, estimate: float, lower: float, upper: float, **more: Any) -> Row:
    return {
        "model": model, "split": REPEATED_NESTED_CV, "metric": metric, "threshold": nan,
        "estimate": estimate, "lower": lower, "upper": upper, "n": 50, "outcome": "response",
        **more,
    }  # fmt: skip


def evaluation(*rows: Row) -> Evaluation:
    return Evaluation(pd.DataFrame(rows), REPEATED_NESTED_CV, "response")


def summary(*sites: str) -> RunSummary:
    models = (BASE_RATE, LIGHTGBM_CLINICAL, LIGHTGBM_BOTH)
    known: dict[str, Any] = {
        "models": tuple(
            ModelSummary(name=name, label=name, n_features=3, settings="") for name in models
        ),
        "served_model": LIGHTGBM_BOTH,
        "split_name": REPEATED_NESTED_CV,
        "connectomes": ConnectomeCounts(n_read=0, n_accepted=0, refused={}),
        "sites": tuple(SiteCount(site=site, n_patients=30, n_events=9) for site in sites),
        "population": type("Population", (), {"n_sites": max(1, len(sites))})(),
    }
    return RunSummary.model_construct(**known)


@pytest.mark.parametrize(
    ("lower", "upper", "unsteady"),
    [(0.1, 1.6, False), (-9.4, 6.7, True), (7.9, 99.4, True), (nan, nan, False)],
)
def test_a_slope_that_tells_nothing_is_marked_and_explained_below(
    lower: float, upper: float, unsteady: bool
) -> None:
    cell = metric_cell("calibration_slope", Estimate(1.2, lower, upper, 26), SLOPE)
    assert ("(unsteady)" in cell.detail) == unsteady
    shown = table("Calibration", ["Model", "Slope"], [["mine", cell]])
    assert shown.note.startswith("Unsteady: ") == unsteady
    other = metric_cell("o_to_e", Estimate(1.2, lower, upper, 26), CALIBRATION["o_to_e"])
    assert "unsteady" not in other.detail


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (-9.42, 6.7, "cannot be told: in these 26 patients"),
        (7.9, 99.4, "too timid"),
        (-8.0, -0.1, "they mean nothing"),
    ],
)
def test_an_unsteady_slope_settles_nothing_unless_all_of_its_interval_does(
    lower: float, upper: float, said: str
) -> None:
    assert said in calibration_verdict(Estimate((lower + upper) / 2, lower, upper, 26))


def test_a_model_that_tells_nobody_apart_has_neither_interval_nor_curve() -> None:
    point = Estimate(0.5, 0.5, 0.5, 50)
    assert point.text() == "0.50"
    assert estimate_cell(Estimate(0, 0, 0, 50), sign="+").detail == "no difference"
    assert metric_cell("auroc", point, ACCURACY["auroc"]).detail == "the same chance for all"
    curves = [
        row(model, "roc_sensitivity", at, at, at, threshold=at)
        for model in (LIGHTGBM_CLINICAL, LIGHTGBM_BOTH)
        for at in (0.0, 0.2, 0.5, 1.0)
    ]
    flat = evaluation(*curves, row(LIGHTGBM_BOTH, "auroc", 0.5, 0.5, 0.5))
    assert roc_picture(summary(), flat) is None
    both = evaluation(
        *curves,
        row(LIGHTGBM_BOTH, "auroc", 0.6, 0.5, 0.7),
        row(LIGHTGBM_CLINICAL, "auroc", 0.5, 0.5, 0.5),
    )
    drawn = roc_picture(summary(), both)
    assert drawn is not None
    assert drawn.alt.startswith("ROC curve of 1 model. ")
    assert drawn.table is not None
    assert [line[0].text for line in drawn.table.rows] == [LIGHTGBM_BOTH]


def test_without_any_difference_connectivity_is_not_said_to_change_by_nothing() -> None:
    pair = f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}"
    short = connectivity_answer(summary(), evaluation(row(pair, "auroc", 0, 0, 0))).short
    assert short == "Not shown: with it and without it, all got the same figure."


@pytest.mark.parametrize("end", [0.05, nan])
def test_a_calibration_curve_without_interval_is_not_drawn(end: float) -> None:
    curve = [
        row(LIGHTGBM_BOTH, "calibration_curve", at, at - end, at + end, threshold=at)
        for at in (0.2, 0.3)
    ]
    spread = [
        row(LIGHTGBM_BOTH, f"distribution_{name}", 0.5, nan, nan, threshold=0.2)
        for name in ("event", "nonevent")
    ]
    drawn = calibration_picture(summary(), evaluation(*curve, *spread))
    assert (drawn is None) == (end != 0.05)


def test_a_site_that_is_not_recorded_is_not_counted_as_one() -> None:
    assert sites_words(summary(UNKNOWN_SITE)) == "(site not recorded)"
    assert sites_words(summary("a")) == "at 1 site"
    assert sites_words(summary("a", "b")) == "at 2 sites"
    assert [sites_known(summary(name)) for name in ("a", UNKNOWN_SITE)] == [True, False]
