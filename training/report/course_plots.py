"""The picture of the course of treatment, drawn from its table; no number is computed here."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.judging import BEFORE, COURSE, RULE
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, LIGHTGBM_CONNECTIVITY
from training.report.canvas import (
    MODEL_STYLES,
    REFERENCE,
    STYLE,
    WIDTH_INCHES,
    ModelStyle,
    Value,
    numbers,
    svg,
)

# The colours, dashes and markers are those of the other pictures, whose models are not in this one.
_STYLES: Final[Mapping[str, ModelStyle]] = {
    COURSE: MODEL_STYLES[LIGHTGBM_BOTH],
    BEFORE: MODEL_STYLES[LIGHTGBM_CLINICAL],
    RULE: MODEL_STYLES[LIGHTGBM_CONNECTIVITY],
}
# Metric -> its axis, and what is ideal or chance.
PANELS: Final[Mapping[str, tuple[str, float]]] = {
    "auroc": ("AUROC", 0.5),
    "calibration_slope": ("Calibration slope", 1.0),
    "o_to_e": ("Observed to expected", 1.0),
}
_HEIGHTS: Final = (2.2, 1.3, 1.3)
# Of the distance between two weeks, so that intervals of one week stand side by side.
_APART: Final = 0.06


def plot_course(rows: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Draw AUROC, calibration slope and O:E by week, each with its interval.

    Parameters
    ----------
    rows : DataFrame
        `metric` (of `PANELS`), `model`, `week`, `estimate`, `lower`, `upper`.
    labels : mapping of str to str
        Model -> its name in plain language; drawn in this order.
    """
    with style.context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 6.2))
        panels = figure.subplots(len(PANELS), sharex=True, height_ratios=_HEIGHTS)
        weeks = sorted(rows["week"].unique())
        gap = min((later - week for week, later in pairwise(weeks)), default=1.0)
        values = []
        for axes, (metric, (title, reference)) in zip(panels, PANELS.items(), strict=True):
            axes.axhline(reference, color=REFERENCE, linestyle=":", linewidth=1.2)
            of_metric = rows[rows["metric"] == metric]
            drawn = [name for name in labels if name in set(of_metric["model"])]
            for place, name in enumerate(drawn):
                shift = (place - (len(drawn) - 1) / 2) * _APART * gap
                own = of_metric[of_metric["model"] == name].sort_values("week")
                values += _draw(axes, own, name, labels[name], shift)
            axes.set(ylabel=title)
            axes.locator_params(axis="y", nbins=5)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper left", ncols=2)
        panels[-1].set(xlabel="End of week of treatment", xticks=weeks)
        figure.align_ylabels(panels)
        return svg(figure, values)


def _draw(axes: Axes, rows: pd.DataFrame, name: str, label: str, shift: float) -> list[Value]:
    look, found = _STYLES[name], []
    axes.plot(
        rows["week"] + shift, rows["estimate"], color=look.colour, linestyle=look.dash,
        marker=look.marker, label=label,
    )  # fmt: skip
    for row in rows.to_dict("records"):
        at = row["week"] + shift
        axes.plot([at, at], [row["lower"], row["upper"]], color=look.colour, linewidth=1.2)
        told = numbers(row["estimate"], row["lower"], row["upper"])
        found.append(Value(axes, at, row["estimate"], f"{label}, week {row['week']:g}: {told}"))
    return found
