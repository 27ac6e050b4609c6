"""The report's section on how far predictions move when the cohort is drawn again."""

from pathlib import Path
from typing import Final

import pandas as pd

from training.report.stability_plots import plot_instability
from training.report.tables import (
    Cell,
    Estimate,
    Evaluation,
    Picture,
    Table,
    estimate_cell,
    picture,
    table,
)
from training.report.words import judged_model
from training.stability.measures import STABILITY, STABILITY_FILE
from training.summary import RunSummary

_MEASURES: Final = {
    "mape": ("Distance of a patient's chance from the served one, mean", 3),
    "mape_95th_percentile": ("The same, exceeded for 5 of 100 patients", 3),
    "share_without_signal": ("Share of replicates that found no usable signal", 2),
    "recalibration_slope": ("Slope by which margins are recalibrated, median", 2),
    "apparent_calibration_slope": ("Calibration slope on the cohort itself, median", 2),
    "apparent_auroc": ("AUROC on the cohort itself, median", 2),
}


def instability_picture(summary: RunSummary, evaluation: Evaluation, run: Path) -> Picture | None:
    """Draw each patient's chance with the range of the replicates' chances."""
    path = run / STABILITY_FILE
    if not path.is_file():
        return None
    patients = pd.read_csv(path)
    model = judged_model(summary)
    mape = evaluation.at(model, STABILITY, "mape")
    width = (patients["upper"] - patients["lower"]).median()
    return picture(
        plot_instability(patients, model),
        f"Instability of {len(patients)} predictions: half of the patients have an interval wider "
        f"than {100 * width:.0f} percentage points.",
        "Each line is a patient of the cohort: the central part of the chances that the replicates "
        "gave, above the chance that the served model gives. On the dotted line both are the same.",
        _measures_table(evaluation, model, mape),
    )


def _measures_table(evaluation: Evaluation, model: str, mape: Estimate | None) -> Table | None:
    if mape is None:
        return None
    rows = [
        [label, estimate_cell(found, digits)]
        for name, (label, digits) in _MEASURES.items()
        if (found := evaluation.at(model, STABILITY, name))
    ]
    return table("How far the replicates lie apart", ["Measure", Cell("Value")], rows)
