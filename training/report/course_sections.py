"""The report's section on the course of treatment, made from `course.csv` and its summary."""

from pathlib import Path
from typing import Any, Final

import pandas as pd

from data_schemas.errors import DataError
from training.course.summary import COURSE_EVALUATION_FILE, CourseSummary, LandmarkSummary
from training.report.tables import Evaluation, Table, estimate_cell, table

_METRICS: Final = {
    "auroc": "AUROC", "calibration_slope": "Calibration slope", "o_to_e": "Observed to expected",
    "brier": "Brier score",
}  # fmt: skip
_COURSE: Final = "course"


def course_section(run_dir: Path) -> dict[str, Any] | None:
    """Return what the section says; None for a run without models of the course.

    Raises
    ------
    DataError
        When the files of the course do not belong together.
    """
    summary = CourseSummary.load(run_dir)
    if summary is None:
        return None
    try:
        frame = pd.read_csv(run_dir / COURSE_EVALUATION_FILE)
    except (OSError, ValueError):
        raise DataError(
            f"{COURSE_EVALUATION_FILE} cannot be read; train the model again."
        ) from None
    modelled = [each for each in summary.landmarks if each.split_name is not None]
    evaluations = {each.week: _evaluation(frame, each, summary.outcome) for each in modelled}
    return {
        "summary": summary,
        "measures": [
            _by_week(summary, evaluations, metric, label) for metric, label in _METRICS.items()
        ] if modelled else [],
        "differences": _differences(summary, evaluations) if modelled else None,
        "patients": _patients(summary),
        "drivers": _drivers(modelled) if modelled else None,
    }  # fmt: skip


def _evaluation(frame: pd.DataFrame, landmark: LandmarkSummary, outcome: str) -> Evaluation:
    return Evaluation(frame[frame["week"] == landmark.week], str(landmark.split_name), outcome)


def _by_week(
    summary: CourseSummary, evaluations: dict[float, Evaluation], metric: str, label: str
) -> Table:
    rows = [
        [name, *(estimate_cell(each.estimate(model, metric)) for each in evaluations.values())]
        for model, name in summary.labels.items()
    ]
    return table(f"{label} by week, with intervals", ["Model", *_weeks(evaluations)], rows)


def _differences(summary: CourseSummary, evaluations: dict[float, Evaluation]) -> Table:
    rows = [
        [f"AUROC above: {name}", *(
            estimate_cell(each.estimate(f"{_COURSE} - {model}", "auroc"))
            for each in evaluations.values()
        )]
        for model, name in summary.labels.items()
        if model != _COURSE
    ]  # fmt: skip
    caption = f"What “{summary.labels[_COURSE]}” adds, in the same patients, with intervals"
    return table(caption, ["Compared with", *_weeks(evaluations)], rows)


def _weeks(evaluations: dict[float, Evaluation]) -> list[str]:
    return [f"Week {week:g}" for week in evaluations]


def _patients(summary: CourseSummary) -> Table:
    header = [
        "Week", "Listed", "Stopped before", "Not scored so far", "Outcome unknown", "Learned from",
        "Reached the outcome",
    ]  # fmt: skip
    rows = [
        [f"{each.week:g}", *(str(count) for _, count in each.counts)] for each in summary.landmarks
    ]
    return table("Who was looked at", header, rows)


def _drivers(landmarks: list[LandmarkSummary]) -> Table:
    rows = [
        [
            f"{each.week:g}",
            "none" if each.course_share is None else f"{100 * each.course_share:.0f} %",
            "; ".join(f"{d.feature} ({100 * d.share:.0f} %)" for d in each.drivers) or "none",
        ]
        for each in landmarks
    ]
    header = ["Week", "Share of the course", "Strongest inputs"]
    return table("What moves the predictions of each week", header, rows)
