"""The report's section on how far predictions move when the cohort is drawn again."""

from pathlib import Path
from typing import Final

import pandas as pd

from training.report.sections import curve_rows
from training.report.stability_plots import plot_calibration_band, plot_instability
from training.report.tables import (
    Evaluation,
    Picture,
    Table,
    estimate_cell,
    picture,
    table,
)
from training.report.words import confidence_percent, judged_model
from training.stability.measures import STABILITY
from training.summary import STABILITY_FILE, RunSummary

_FEWEST_POINTS: Final = 2
_PATIENTS: Final = "interval, drawing patients again (bootstrap)"
_SHARE: Final = "interval of a share of replicates (Wilson)"
_REPLICATES: Final = "middle part of the replicates"
_MEASURES: Final = {
    "mape": ("Distance of a patient's chance from the served one, mean", 3, _PATIENTS),
    "mape_95th_percentile": ("The same, exceeded for 5 of 100 patients", 3, _PATIENTS),
    "share_without_signal": ("Share of replicates that found no usable signal", 2, _SHARE),
    "recalibration_slope": ("Slope by which margins are recalibrated, median", 2, _REPLICATES),
    "apparent_calibration_slope": (
        "Calibration slope on the cohort itself, median", 2, _REPLICATES,
    ),
    "apparent_auroc": ("AUROC on the cohort itself, median", 2, _REPLICATES),
}  # fmt: skip


def instability_picture(summary: RunSummary, evaluation: Evaluation, run: Path) -> Picture | None:
    """Draw each patient's chance with the range of the replicates' chances."""
    path = run / STABILITY_FILE
    if not path.is_file():
        return None
    patients = pd.read_csv(path)
    model = judged_model(summary)
    width = (patients["upper"] - patients["lower"]).median()
    return picture(
        plot_instability(patients, model),
        f"Instability of {len(patients)} predictions: half of the patients have an interval wider "
        f"than {100 * width:.0f} percentage points.",
        f"Each line is a patient of the cohort: the middle {_served_level(summary)} of the chances "
        "that the replicates gave, above the chance that the served model gives. On the dotted "
        "line both are the same.",
        _measures_table(summary, evaluation, model),
    )


def _served_level(summary: RunSummary) -> str:
    interval = summary.config.get("interval")
    level = interval.get("level") if isinstance(interval, dict) else None
    return f"{100 * level:.0f} %" if isinstance(level, float) else "part"


def _measures_table(summary: RunSummary, evaluation: Evaluation, model: str) -> Table | None:
    rows = [
        [label, estimate_cell(found, digits), kind]
        for name, (label, digits, kind) in _MEASURES.items()
        if (found := evaluation.at(model, STABILITY, name))
    ]
    if not rows:
        return None
    caption = f"How far the replicates lie apart; all ranges at {confidence_percent(summary)}"
    return table(caption, ["Measure", "Value and range", "What the range is"], rows)


def calibration_band_picture(summary: RunSummary, evaluation: Evaluation) -> Picture | None:
    """Draw how the replicates' calibration curves spread; None where there are none."""
    frame, model = evaluation.frame, judged_model(summary)
    is_curve = (frame["split"] == STABILITY) & (frame["metric"] == "apparent_calibration_curve")
    curve = frame[is_curve & (frame["model"] == model)].sort_values("threshold", kind="stable")
    if len(curve) < _FEWEST_POINTS:
        return None
    level = confidence_percent(summary)
    first, last = curve.iloc[0], curve.iloc[-1]
    ends = " and ".join(
        f"{100 * end['lower']:.0f} to {100 * end['upper']:.0f} % where "
        f"{100 * end['threshold']:.0f} % was predicted"
        for end in (first, last)
    )
    return picture(
        plot_calibration_band(curve, model),
        f"Calibration of the replicates on the cohort itself: observed shares of {ends}.",
        "Of patients given a chance by a replicate, how many reached the outcome: the median and "
        f"the middle {level} of the replicates, over chances that at least half of them give. The "
        "patients are those of the cohort, of whom each replicate learned from about two thirds, "
        "so this flatters; what counts is how wide the band is.",
        table(
            f"Observed where predicted, middle {level} of the replicates",
            ["Predicted chance", "Observed, median"],
            curve_rows(curve, model),
        ),
    )
