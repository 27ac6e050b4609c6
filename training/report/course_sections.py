"""The report's section on the course of treatment, made from `course.csv` and its summary."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from data_schemas.errors import DataError
from training.course.judging import BEFORE, COURSE, COURSE_LOGISTIC, RULE
from training.course.same_patients import GROWTH
from training.course.summary import COURSE_EVALUATION_FILE, CourseSummary, LandmarkSummary
from training.report.course_plots import PANELS, plot_course
from training.report.course_tables import (
    Evaluations,
    departures,
    sensitivity,
    sensitivity_words,
)
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

_METRICS: Final = {
    "auroc": "AUROC", "calibration_slope": "Calibration slope", "o_to_e": "Observed to expected",
    "brier": "Brier score",
}  # fmt: skip


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
    content: dict[str, Any] = {
        "summary": summary,
        "departures": departures(summary),
        "picture": None, "finding": "", "measures": [], "differences": None, "sensitivity": None,
        "sensitivity_words": "", "drivers": None,
    }  # fmt: skip
    if modelled:
        content |= {
            "finding": finding(summary, evaluations),
            "picture": course_picture(summary, evaluations),
            "measures": [_by_week(summary, evaluations, *each) for each in _METRICS.items()],
            "differences": _differences(summary, evaluations),
            "sensitivity": sensitivity(summary, evaluations),
            "sensitivity_words": sensitivity_words(summary, evaluations),
            "drivers": _drivers(modelled),
        }
    return content


def _evaluation(frame: pd.DataFrame, landmark: LandmarkSummary, outcome: str) -> Evaluation:
    return Evaluation(frame[frame["week"] == landmark.week], str(landmark.split_name), outcome)


def finding(summary: CourseSummary, evaluations: Evaluations) -> str:
    """Say how AUROC and calibration change with the weeks, and what the simple rule does."""
    return " ".join(_findings(summary, evaluations))


def _findings(summary: CourseSummary, evaluations: Evaluations) -> Iterator[str]:
    aurocs = {
        week: found
        for week, each in evaluations.items()
        if (found := each.estimate(COURSE, "auroc")) is not None
    }
    if not aurocs:
        yield "No AUROC could be estimated: too few patients of either outcome."
        return
    first, last = min(aurocs), max(aurocs)
    yield f"AUROC with the course so far: {aurocs[first].text()} at week {first:g}" + (
        f", {aurocs[last].text()} at week {last:g}." if last > first else "."
    )
    growth = evaluations[last].estimate(GROWTH, "auroc")
    if growth is not None:
        yield (
            f"In the patients of all weeks it changes by {growth.text(2, '+')} between these two, "
            f"{_shown(growth)}."
        )
    week = summary.rule_week
    if week in evaluations:
        yield from _against(evaluations, week, RULE, "the simple rule")
    else:
        yield f"No model answers at week {week:g}, so that the simple rule has no point of its own."
    yield from _against(evaluations, last, COURSE_LOGISTIC, "a logistic regression of the same")
    estimates = [each.estimate(COURSE, "calibration_slope") for each in evaluations.values()]
    slopes = [slope.value for slope in estimates if slope is not None]
    if slopes:
        yield (
            f"The calibration slope lies between {min(slopes):.2f} and {max(slopes):.2f} (ideal 1)."
        )


def _against(evaluations: Evaluations, week: float, model: str, name: str) -> Iterator[str]:
    other = evaluations[week].estimate(model, "auroc")
    gain = evaluations[week].estimate(f"{COURSE} - {model}", "auroc")
    if other is not None and gain is not None:
        yield (
            f"At week {week:g} {name} reaches {other.text()}; the model's differs from it by "
            f"{gain.text(2, '+')}, {_shown(gain)}."
        )


def _shown(difference: Estimate) -> str:
    if not difference.has_interval:
        return "without an interval, since there are too few patients"
    one_side = difference.lower > 0 or difference.upper < 0
    return "a difference that is shown" if one_side else "which may be chance"


def course_picture(summary: CourseSummary, evaluations: Evaluations) -> Picture | None:
    """Draw AUROC and calibration by week, the simple rule at its own week."""
    rows = pd.DataFrame(_drawn(summary, evaluations))
    if rows.empty:
        return None
    labels = {
        COURSE: "With the course so far",
        BEFORE: "Before treatment only",
        RULE: f"Rule: {summary.rule_percent:g} % better by week {summary.rule_week:g}",
    }
    return picture(
        plot_course(rows, labels),
        f"AUROC, calibration slope and observed to expected by week of treatment, with intervals. "
        f"{finding(summary, evaluations)}",
        "Above: AUROC at the end of each week, with intervals; the dotted line is chance. The "
        "simple rule is drawn at its week alone. Below: the calibration of the model with the "
        "course; the dotted lines are ideal.",
        _beside(summary, evaluations),
    )


def _drawn(summary: CourseSummary, evaluations: Evaluations) -> Iterator[dict[str, object]]:
    for week, each in evaluations.items():
        for metric in PANELS:
            shown = [COURSE]
            if metric == "auroc":
                shown += [BEFORE, RULE] if week == summary.rule_week else [BEFORE]
            for model in shown:
                found = each.estimate(model, metric)
                if found is not None:
                    yield {
                        "metric": metric, "model": model, "week": week, "estimate": found.value,
                        "lower": found.lower, "upper": found.upper,
                    }  # fmt: skip


def _beside(summary: CourseSummary, evaluations: Evaluations) -> Table:
    header = [
        Cell("Week"), Cell("Patients"), Cell("AUROC, with the course", anchor="auroc"),
        Cell("AUROC, before treatment only"), Cell("AUROC, simple rule"),
        Cell("Slope", anchor="calibration-slope"), Cell("Observed to expected", anchor="o-to-e"),
    ]  # fmt: skip
    patients = {each.week: each.counts.learned_from for each in summary.landmarks}
    rows = [
        [
            f"{week:g}", str(patients[week]),
            estimate_cell(each.estimate(COURSE, "auroc")),
            estimate_cell(each.estimate(BEFORE, "auroc")),
            estimate_cell(each.estimate(RULE, "auroc")) if week == summary.rule_week else "",
            estimate_cell(each.estimate(COURSE, "calibration_slope")),
            estimate_cell(each.estimate(COURSE, "o_to_e")),
        ]
        for week, each in evaluations.items()
    ]  # fmt: skip
    return table("AUROC and calibration by week, with intervals", header, rows)


def _by_week(
    summary: CourseSummary, evaluations: Mapping[float, Evaluation], metric: str, label: str
) -> Table:
    rows = [
        [name, *(estimate_cell(each.estimate(model, metric)) for each in evaluations.values())]
        for model, name in summary.labels.items()
    ]
    return table(f"{label} of all models by week, with intervals", _weeks(evaluations), rows)


def _differences(summary: CourseSummary, evaluations: Evaluations) -> Table:
    rows = [
        [f"AUROC above: {name}", *(
            estimate_cell(each.estimate(f"{COURSE} - {model}", "auroc"), sign="+")
            for each in evaluations.values()
        )]
        for model, name in summary.labels.items()
        if model != COURSE
    ]  # fmt: skip
    caption = f"What “{summary.labels[COURSE]}” adds, in the same patients, with intervals"
    return table(caption, _weeks(evaluations, "Compared with"), rows)


def _weeks(evaluations: Evaluations, first: str = "Model") -> list[str]:
    return [first, *(f"Week {week:g}" for week in evaluations)]


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
