"""The report's pictures, drawn from tidy tables and nothing else: no number is computed here.

Each function takes a table whose columns it names, and returns the picture as SVG text. A model has
the same colour, dash and marker in every picture, so that none of them rests on colour alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from textwrap import fill
from typing import Final

import pandas as pd
from matplotlib import style
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
_WIDTH_INCHES: Final = 4.9
_LABEL_CHARACTERS: Final = 66
_BIN_WIDTH: Final = 0.05  # of the "distribution_..." rows of evaluation.csv


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


def plot_roc(curves: pd.DataFrame, labels: Mapping[str, str], emphasised: str) -> str:
    """Draw ROC curves.

    Parameters
    ----------
    curves : DataFrame
        `model`, `threshold` (1 - specificity, 0 to 1), `estimate` (sensitivity), `lower`, `upper`.
    labels : mapping of str to str
        Model -> its name in plain language.
    emphasised : str
        The model drawn with its interval, the others being thinner.
    """
    with style.context(STYLE):
        figure, axes = new_figure(4.9)
        axes.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.9, label="Chance", linestyle=":")
        _draw_curves(axes, curves, labels, emphasised)
        axes.set(
            xlim=(0, 1), ylim=(0, 1.005), aspect="equal",
            xlabel="False alarms: 1 - specificity", ylabel="Found: sensitivity",
        )  # fmt: skip
        _percent(axes, "x", "y")
        axes.legend(loc="lower right")
        return svg(figure)


def plot_decision_curve(
    curves: pd.DataFrame,
    treat_all: pd.DataFrame,
    labels: Mapping[str, str],
    emphasised: str,
) -> str:
    """Draw net benefit against the threshold probability.

    Parameters
    ----------
    curves : DataFrame
        `model`, `threshold` (0 to 1), `estimate` (net benefit), `lower`, `upper`.
    treat_all : DataFrame
        `threshold`, `estimate` of treating everyone.
    labels : mapping of str to str
    emphasised : str
        As in `plot_roc`.
    """
    with style.context(STYLE):
        figure, axes = new_figure(4.0)
        axes.axhline(0, color=REFERENCE, linewidth=1.2, label="Treat nobody")
        axes.plot(
            treat_all["threshold"], treat_all["estimate"],
            color=REFERENCE, linewidth=1.2, linestyle=(0, (5, 2)), label="Treat everybody",
        )  # fmt: skip
        _draw_curves(axes, curves, labels, emphasised)
        top = float(max(curves["estimate"].max(), treat_all["estimate"].max(), 0.01))
        axes.set(
            ylim=(-0.25 * top, 1.1 * top), xlabel="Threshold: chance above which one would treat",
            ylabel="Net benefit (per patient)",
        )  # fmt: skip
        _percent(axes, "x")
        axes.legend(loc="upper right")
        return svg(figure)


def plot_calibration(curve: pd.DataFrame, distribution: pd.DataFrame, model: str) -> str:
    """Draw how often the outcome came against how often it was predicted, and the predictions.

    Parameters
    ----------
    curve : DataFrame
        `threshold` (predicted probability), `estimate` (observed share), `lower`, `upper`.
    distribution : DataFrame
        `metric` ("distribution_event" or "distribution_nonevent"), `threshold` (lower edge of a
        bin), `estimate` (share of the patients with, or without, the outcome).
    model : str
        Whose colour to use.
    """
    with style.context(STYLE):
        figure = Figure(figsize=(_WIDTH_INCHES, 6.2))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.1))
        look = MODEL_STYLES[model]
        upper.plot([0, 1], [0, 1], color=REFERENCE, linestyle=":", label="Perfect agreement")
        _fill(upper, curve, look.colour)
        upper.plot(
            curve["threshold"], curve["estimate"], color=look.colour, label="Observed, smoothed"
        )
        upper.set(xlim=(0, 1), ylim=(0, 1.005), ylabel="Share who reached the outcome")
        upper.legend(loc="upper left")
        _percent(upper, "x", "y")
        _draw_distribution(lower, distribution)
        lower.set(xlabel="Predicted chance", ylabel="Share of patients")
        _percent(lower, "x")
        return svg(figure)


def plot_intervals(table: pd.DataFrame, axis_label: str, reference: float | None) -> str:
    """Draw estimates with their intervals, one below the other, each under its label.

    Parameters
    ----------
    table : DataFrame
        `label`, `model` (its colour), `estimate`, `lower`, `upper`; NaN ends where there is no
        interval.
    axis_label : str
        With unit.
    reference : float or None
        Where to draw the line of no effect.
    """
    with style.context(STYLE):
        figure, axes = row_figure(table["label"].tolist(), 0.75)
        if reference is not None:
            axes.axvline(reference, color=REFERENCE, linestyle=":", linewidth=1.2)
        for place, row in enumerate(table.to_dict("records")):
            look = MODEL_STYLES[str(row["model"])]
            ends = [row["lower"], row["upper"]]
            axes.plot(ends, [place, place], color=look.colour, linewidth=1.8)
            axes.plot([row["estimate"]], [place], color=look.colour, marker=look.marker)
        axes.locator_params(axis="x", nbins=6)
        axes.set(xlabel=axis_label)
        return svg(figure)


def plot_motion(table: pd.DataFrame) -> str:
    """Draw the mean motion of patients with and without the outcome, with intervals.

    Parameters
    ----------
    table : DataFrame
        `label`, `reached` (bool), `estimate`, `lower`, `upper`, in mm.
    """
    with style.context(STYLE):
        figure, axes = row_figure(table["label"].tolist(), 0.75)
        for place, row in enumerate(table.to_dict("records")):
            colour, marker = (TOWARDS_OUTCOME, "o") if row["reached"] else (AWAY_FROM_OUTCOME, "s")
            axes.plot([row["lower"], row["upper"]], [place, place], color=colour, linewidth=1.8)
            axes.plot([row["estimate"]], [place], color=colour, marker=marker)
        axes.locator_params(axis="x", nbins=6)
        axes.set(xlabel="Mean framewise displacement, mm")
        return svg(figure)


def new_figure(height_inches: float) -> tuple[Figure, Axes]:
    """Return an empty picture as wide as every other."""
    figure = Figure(figsize=(_WIDTH_INCHES, height_inches))
    return figure, figure.subplots()


def svg(figure: Figure) -> str:
    """Return a picture as SVG text: the same bytes for the same picture."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


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


def _percent(axes: Axes, *names: str) -> None:
    formatter = {"x": axes.xaxis, "y": axes.yaxis}
    for name in names:
        formatter[name].set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def _draw_curves(
    axes: Axes, curves: pd.DataFrame, labels: Mapping[str, str], emphasised: str
) -> None:
    for model, label in labels.items():
        curve = curves[curves["model"] == model]
        if curve.empty:
            continue
        look, main = MODEL_STYLES[model], model == emphasised
        if main:
            _fill(axes, curve, look.colour)
        axes.plot(
            curve["threshold"], curve["estimate"], color=look.colour, linestyle=look.dash,
            linewidth=2.2 if main else 1.2, label=label, zorder=3 if main else 2,
        )  # fmt: skip


def _fill(axes: Axes, curve: pd.DataFrame, colour: str) -> None:
    axes.fill_between(
        curve["threshold"], curve["lower"], curve["upper"], color=colour, alpha=0.18, linewidth=0
    )


def _draw_distribution(axes: Axes, distribution: pd.DataFrame) -> None:
    """Draw two histograms back to back: with the outcome upwards, without it downwards."""
    for metric, colour, label, side in (
        ("distribution_event", TOWARDS_OUTCOME, "Reached the outcome", 1),
        ("distribution_nonevent", AWAY_FROM_OUTCOME, "Did not", -1),
    ):
        part = distribution[distribution["metric"] == metric]
        axes.bar(
            part["threshold"], side * part["estimate"], width=_BIN_WIDTH, align="edge",
            color=colour, edgecolor="white", linewidth=0.5, label=label,
        )  # fmt: skip
    top = 1.1 * float(distribution["estimate"].max())
    axes.set_ylim(-top, top)
    axes.axhline(0, color="#444444", linewidth=0.8)
    axes.yaxis.set_major_formatter(lambda share, _: f"{abs(100 * share):.0f} %")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
