"""What every picture of the report shares: its look, its colours, its size and its hidden values.

A model has the same colour, dash and marker in every picture, so that none of them rests on colour
alone. Each value that is drawn can be written beside its place: a picture opened by itself tells it
when pointed at, and the report's script does so in the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isnan
from pathlib import Path
from textwrap import fill
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from training.learning.models import (
    BASE_RATE,
    LIGHTGBM_BOTH,
    LIGHTGBM_CLINICAL,
    LIGHTGBM_CONNECTIVITY,
    LOGISTIC_CLINICAL,
)

STYLE: Final = Path(__file__).parent / "report.mplstyle"
WIDTH_INCHES: Final = 4.9
_LABEL_CHARACTERS: Final = 66
_SVG_DPI: Final = 72  # of matplotlib's SVG, whatever the figure's own


@dataclass(frozen=True)
class ModelStyle:
    """How one model is drawn."""

    colour: str
    dash: str | tuple[float, tuple[float, ...]]
    marker: str


# Distinct in hue, lightness and dash: for colour-blind readers and for grey prints.
MODEL_STYLES: Final[Mapping[str, ModelStyle]] = {
    BASE_RATE: ModelStyle("#767676", (0, (1, 1.5)), "x"),
    LOGISTIC_CLINICAL: ModelStyle("#222222", (0, (6, 2)), "D"),
    LIGHTGBM_CLINICAL: ModelStyle("#0072B2", (0, (4, 1.5, 1, 1.5)), "s"),
    LIGHTGBM_CONNECTIVITY: ModelStyle("#B5578A", (0, (2, 1)), "^"),
    LIGHTGBM_BOTH: ModelStyle("#C44E00", "-", "o"),
}
TOWARDS_OUTCOME: Final = "#1B7837"
AWAY_FROM_OUTCOME: Final = "#762A83"
REFERENCE: Final = "#767676"
WARNING: Final = "#8A5A00"
INK: Final = "#222222"


def new_figure(height_inches: float) -> tuple[Figure, Axes]:
    """Return an empty picture as wide as every other."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches))
    return figure, figure.subplots()


class Value(NamedTuple):
    """A value that is drawn: where, in the units of its axes, and how it is told."""

    axes: Axes
    x: float
    y: float
    text: str


def svg(figure: Figure, values: Sequence[Value] = ()) -> str:
    """Return a picture as SVG text: the same bytes for the same picture.

    Parameters
    ----------
    values : sequence of Value
        What to tell a reader who points at the picture; as titles of circles that are not drawn.
    """
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # After saving: only then is the layout that of the file.
    circles = "".join(_circle(figure, value) for value in values)
    hidden = f'<g fill="none" pointer-events="all">{circles}</g>\n</svg>'
    return buffer.getvalue().replace("</svg>", hidden) if values else buffer.getvalue()


def _circle(figure: Figure, value: Value) -> str:
    x, y = value.axes.transData.transform((value.x, value.y)) * _SVG_DPI / figure.dpi
    height = figure.get_size_inches()[1] * _SVG_DPI
    told = escape(value.text)
    return f'<circle cx="{x:.1f}" cy="{height - y:.1f}" r="6"><title>{told}</title></circle>'


def numbers(estimate: float, lower: float, upper: float, digits: int = 2, scale: float = 1) -> str:
    """Return "0.61 (0.57 to 0.65)", or the estimate alone where it has no interval."""
    told = f"{scale * estimate:z.{digits}f}"
    if isnan(lower) or isnan(upper) or lower == upper:
        return told
    return f"{told} ({scale * lower:z.{digits}f} to {scale * upper:z.{digits}f})"


def draw_intervals(
    axes: Axes, rows: pd.DataFrame, colours: Sequence[str], markers: Sequence[str], digits: int = 2
) -> list[Value]:
    """Draw one estimate with its interval in each row of a `row_figure`, and return the values.

    Parameters
    ----------
    rows : DataFrame
        `label`, `estimate`, `lower`, `upper`; NaN ends where there is no interval.
    """
    found = []
    for place, (row, colour, marker) in enumerate(
        zip(rows.to_dict("records"), colours, markers, strict=True)
    ):
        axes.plot([row["lower"], row["upper"]], [place, place], color=colour, linewidth=1.8)
        axes.plot([row["estimate"]], [place], color=colour, marker=marker)
        told = numbers(row["estimate"], row["lower"], row["upper"], digits)
        found.append(Value(axes, row["estimate"], place, f"{row['label']}: {told}"))
    return found


def row_figure(labels: Sequence[str], extra_inches: float) -> tuple[Figure, Axes]:
    """Return a picture of n rows from the top, each under its label, so that labels cost no width.

    Row i is at y = i; there is room for bars or dots of height 0.5 around it.
    """
    wrapped = [fill(label, _LABEL_CHARACTERS) for label in labels]
    n_lines = max(label.count("\n") for label in wrapped) + 1
    figure, axes = new_figure(extra_inches + (0.27 + 0.15 * n_lines) * len(labels))
    axes.set_ylim(len(labels) - 0.6, -0.9)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    backdrop = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    for place, label in enumerate(wrapped):
        text = axes.text(
            0, place - 0.27, label, transform=axes.get_yaxis_transform(), va="bottom",
            fontsize=8.5, linespacing=1.1, bbox=backdrop,
        )  # fmt: skip
        text.set_in_layout(False)
    return figure, axes


def percent(axes: Axes, *names: str) -> None:
    """Write shares on the axes "x" or "y" as percent."""
    formatter = {"x": axes.xaxis, "y": axes.yaxis}
    for name in names:
        formatter[name].set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
