"""One label, one figure: which row of the evaluation stands in which table."""

from math import nan
from typing import Any

import pandas as pd
import pytest

from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LOGISTIC_CLINICAL, MODEL_LABELS
from training.report.population_sections import elsewhere_tables, scanned_table
from training.report.sections import (
    further_site_sentence,
    gain_words,
    metrics_table,
    sites_table,
    slopes_sentence,
    within_sites_sentence,
)
from training.report.stability_sections import calibration_band_picture
from training.report.tables import CALIBRATION, Evaluation, Table
from training.report.words import best_sentence
from training.summary import ModelSummary, RunSummary, SiteCount
from training.tracking.figures import headline_metrics

LOSO = "leave_one_site_out"
WITHIN = f"{LOSO}/within_site"
MODELS = (BASE_RATE, LOGISTIC_CLINICAL, LIGHTGBM_BOTH)
# Model, split, metric, threshold, estimate; the interval is 0.05 to either side.
Row = tuple[str, str, str, float, float]
OBSERVED: tuple[Row, ...] = (
    (LIGHTGBM_BOTH, LOSO, "o_to_e", nan, 1.01),
    (LIGHTGBM_BOTH, LOSO, "calibration_slope", nan, 0.21),
    (LIGHTGBM_BOTH, LOSO, "brier", nan, 0.251),
    (LOGISTIC_CLINICAL, LOSO, "brier", nan, 0.249),
    (LIGHTGBM_BOTH, WITHIN, "o_to_e", nan, 0.92),
    (LIGHTGBM_BOTH, WITHIN, "o_to_e_tau", nan, 0.22),
    (LIGHTGBM_BOTH, WITHIN, "o_to_e_prediction_interval", nan, 0.92),
    (LIGHTGBM_BOTH, WITHIN, "auroc", nan, 0.56),
    (LIGHTGBM_BOTH, WITHIN, "calibration_slope", nan, 0.86),
    (LIGHTGBM_BOTH, f"{LOSO}/site=hill", "o_to_e", nan, 0.49),
    (LIGHTGBM_BOTH, f"{LOSO}/site=hill", "auroc", nan, 0.58),
    (LIGHTGBM_BOTH, f"{LOSO}/site=hill", "calibration_slope", nan, 0.77),
    (LIGHTGBM_BOTH, "temporal", "brier", nan, 0.25),
    (LIGHTGBM_BOTH, "temporal", "auroc", nan, 0.61),
    (LIGHTGBM_BOTH, "temporal", "o_to_e", nan, 0.90),
    (LIGHTGBM_BOTH, "temporal/within_site", "auroc", nan, 0.59),
    (LIGHTGBM_BOTH, "temporal/within_site", "o_to_e", nan, 0.97),
)


def frame(*rows: Row) -> pd.DataFrame:
    """Return an evaluation table."""
    return pd.DataFrame(
        [
            {
                "model": model, "split": split, "metric": metric, "threshold": threshold,
                "estimate": estimate, "lower": estimate - 0.05, "upper": estimate + 0.05,
                "n": 200, "outcome": "response",
            }
            for model, split, metric, threshold, estimate in (*OBSERVED, *rows)
        ]
    )  # fmt: skip


def evaluation(*rows: Row) -> Evaluation:
    return Evaluation(frame(*rows), LOSO, "response")


def summary() -> RunSummary:
    models = [
        ModelSummary(name=name, label=MODEL_LABELS[name], n_features=3, settings="")
        for name in MODELS
    ]
    known: dict[str, Any] = {
        "models": tuple(models),
        "served_model": LIGHTGBM_BOTH,
        "split_name": LOSO,
        "config": {"validation": {"confidence": 0.95}},
        "sites": (
            SiteCount(site="hill", n_patients=60, n_events=9),
            SiteCount(site="lake", n_patients=60, n_events=30),
            SiteCount(site="moor", n_patients=60, n_events=None),
        ),
    }
    return RunSummary.model_construct(**known)


def row_of(shown: Table, label: str) -> list[str]:
    (found,) = (row for row in shown.rows if row[0].text == label)
    return [cell.text for cell in found]


def test_observed_to_expected_is_that_of_all_patients_and_the_slope_that_within_sites() -> None:
    shown = metrics_table(summary(), evaluation(), CALIBRATION, "Calibration")
    assert [cell.anchor for cell in shown.header] == ["", "calibration-slope", "o-to-e"]
    assert row_of(shown, MODEL_LABELS[LIGHTGBM_BOTH])[1:] == ["0.86", "1.01"]
    sentence = slopes_sentence(summary(), evaluation())
    assert "0.86 (0.81 to 0.91) within sites" in sentence
    assert "0.21 (0.16 to 0.26) over all patients pooled" in sentence


def test_the_table_says_what_its_intervals_speak_of() -> None:
    rows = [(LIGHTGBM_BOTH, f"{LOSO}/site={site}", "auroc", nan, 0.6) for site in ("lake", "moor")]
    said = within_sites_sentence(summary(), evaluation(*rows))
    assert "mean over the 3 sites" in said
    assert "not where one further site is expected" in said
    assert "those of that site" in within_sites_sentence(summary(), evaluation())


def test_the_average_site_has_a_row_and_a_further_one_a_sentence() -> None:
    shown = sites_table(summary(), evaluation())
    assert row_of(shown, "hill")[3:] == ["0.58", "0.49", "0.77"]
    assert row_of(shown, "Average site (random effects)")[3:] == ["0.56", "0.92", ""]
    warned = [row[0].text for row in shown.rows if "too few to judge" in row[2].detail]
    assert warned == ["hill"]
    assert "observed to expected between 0.87 and 0.97 (SD between sites 0.22, log scale)" in (
        further_site_sentence(summary(), evaluation())
    )


def test_patients_whom_one_fit_predicted_are_judged_together() -> None:
    accuracy, calibration = elsewhere_tables(summary(), evaluation(), "temporal")
    assert row_of(accuracy, MODEL_LABELS[LIGHTGBM_BOTH])[1] == "0.61"
    assert row_of(calibration, MODEL_LABELS[LIGHTGBM_BOTH])[3] == "0.90"


def test_a_tracked_figure_has_the_same_meaning_as_in_the_report() -> None:
    metrics = headline_metrics(frame(), LOSO, "response")
    assert metrics[f"{LIGHTGBM_BOTH}/o_to_e"] == 1.01
    assert metrics[f"{LIGHTGBM_BOTH}/o_to_e_average_site"] == 0.92
    assert metrics[f"{LIGHTGBM_BOTH}/calibration_slope"] == 0.86
    assert metrics[f"{LIGHTGBM_BOTH}/auroc"] == 0.56


@pytest.mark.parametrize(
    ("difference", "said"),
    [(0.002, "not shown to differ"), (0.06, "less accurate"), (-0.06, "more accurate")],
)
def test_which_model_is_better_is_read_from_the_interval(difference: float, said: str) -> None:
    assert "shown" not in best_sentence(summary(), evaluation())
    pair: Row = (f"{LIGHTGBM_BOTH} - {LOGISTIC_CLINICAL}", LOSO, "brier", nan, difference)
    assert said in best_sentence(summary(), evaluation(pair))


def test_a_served_model_that_is_not_the_best_is_held_against_the_base_rate_too() -> None:
    rows: list[Row] = [(f"{LIGHTGBM_BOTH} - {BASE_RATE}", LOSO, "brier", nan, -0.01)]
    said = best_sentence(summary(), evaluation(*rows))
    assert f"“{MODEL_LABELS[LOGISTIC_CLINICAL]}” had the smallest Brier score" in said
    assert "the base rate: they are not shown to differ (difference -0.0100" in said


def test_a_served_model_with_the_smallest_score_is_held_against_the_base_rate() -> None:
    of_base_rate = f"{LIGHTGBM_BOTH} - {BASE_RATE}"
    rows: list[Row] = [(of_base_rate, LOSO, "brier", nan, -0.01)]
    table = frame(*rows).query(f"model != '{LOGISTIC_CLINICAL}'")
    worst = table[table["metric"] == "brier"].iloc[[0]].assign(model=BASE_RATE, estimate=0.3)
    found = Evaluation(pd.concat([table, worst]), LOSO, "response")
    assert best_sentence(summary(), found).endswith(
        "the base rate: they are not shown to differ (difference -0.0100 (-0.0600 to +0.0400) in "
        "200 patients)."
    )


def test_patients_with_connectivity_have_a_table_where_they_were_judged() -> None:
    assert scanned_table(summary(), evaluation()) is None
    rows: list[Row] = [
        (model, f"{LOSO}/scanned", metric, nan, value)
        for model in MODELS
        for metric, value in (("brier", 0.24), ("auroc", 0.57))
    ]
    shown = scanned_table(summary(), evaluation(*rows))
    assert shown is not None
    assert row_of(shown, MODEL_LABELS[LIGHTGBM_BOTH]) == [
        MODEL_LABELS[LIGHTGBM_BOTH], "200", "0.57", "0.240", "-", "-",
    ]  # fmt: skip


def test_the_band_of_the_replicates_is_drawn_with_its_table() -> None:
    assert calibration_band_picture(summary(), evaluation()) is None
    curve: list[Row] = [
        (LIGHTGBM_BOTH, "stability", "apparent_calibration_curve", chance, chance - 0.1)
        for chance in (0.3, 0.4, 0.5)
    ]
    drawn = calibration_band_picture(summary(), evaluation(*curve))
    assert drawn is not None
    assert drawn.table is not None
    assert [row[1].text for row in drawn.table.rows] == ["20 %", "30 %", "40 %"]
    assert "15 to 25 % where 30 % was predicted" in drawn.alt


@pytest.mark.parametrize(
    ("half_width", "said"),
    [(0.1, "at 2 of 3 thresholds, nowhere with the whole of its interval: no gain is shown."),
     (0.03, "at 2 of 3 thresholds, and at 1 with the whole of its interval, between 60 and 60 %.")],
)  # fmt: skip
def test_a_gain_is_shown_where_the_whole_interval_lies_above_both(
    half_width: float, said: str
) -> None:
    own = pd.DataFrame(
        {"threshold": [0.2, 0.5, 0.6], "estimate": [0.4, 0.12, 0.05],
         "estimate_all": [0.4, 0.1, -0.2]}
    ).assign(lower=lambda each: each["estimate"] - half_width)  # fmt: skip
    assert gain_words(own).endswith(said)
