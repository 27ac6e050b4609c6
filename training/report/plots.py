"""The report's pictures, drawn from tidy tables and nothing else: no number is computed here.

Each function takes a table whose columns it names, and returns the picture as SVG text.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.canvas import (
    AWAY_FROM_OUTCOME,
    MODEL_STYLES,
    REFERENCE,
    STYLE,
    TOWARDS_OUTCOME,
    WIDTH_INCHES,
    Value,
    draw_intervals,
    new_figure,
    numbers,
    percent,
    row_figure,
    svg,
)

_VALUE_STEP: Final = 0.05  # of the thresholds whose values can be pointed at
_BIN_WIDTH: Final = 0.05  # of the "distribution_..." rows of evaluation.csv
# Of the thresholds at which a thinner curve has its interval drawn.
_INTERVAL_STEP: Final = 0.2
_INTERVAL_SHIFT: Final = 0.04


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
        values = _draw_curves(axes, curves, labels, emphasised, _roc_words)
        axes.set(
            xlim=(0, 1), ylim=(0, 1.005), aspect="equal",
            xlabel="False alarms: 1 - specificity", ylabel="Found: sensitivity",
        )  # fmt: skip
        percent(axes, "x", "y")
        axes.legend(loc="lower right")
        return svg(figure, values)


def _roc_words(at: float, found: str) -> str:
    return f"at {100 * at:.0f} % false alarms, {found} % found"


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
        values = _draw_curves(axes, curves, labels, emphasised, _benefit_words, digits=3, scale=1)
        top = float(max(curves["estimate"].max(), treat_all["estimate"].max(), 0.01))
        axes.set(
            ylim=(-0.25 * top, 1.1 * top), xlabel="Threshold: chance above which one would treat",
            ylabel="Net benefit (per patient)",
        )  # fmt: skip
        percent(axes, "x")
        axes.legend(loc="upper right")
        return svg(figure, values)


def _benefit_words(at: float, found: str) -> str:
    return f"net benefit {found} at a threshold of {100 * at:.0f} %"


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
        figure = Figure(figsize=(WIDTH_INCHES, 6.2))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.1))
        look = MODEL_STYLES[model]
        upper.plot([0, 1], [0, 1], color=REFERENCE, linestyle=":", label="Perfect agreement")
        _fill(upper, curve, look.colour)
        upper.plot(
            curve["threshold"], curve["estimate"], color=look.colour, label="Observed, smoothed"
        )
        upper.set(xlim=(0, 1), ylim=(0, 1.005), ylabel="Share who reached the outcome")
        upper.legend(loc="upper left")
        percent(upper, "x", "y")
        _draw_distribution(lower, distribution)
        lower.set(xlabel="Predicted chance", ylabel="Share of patients")
        percent(lower, "x")
        return svg(figure, curve_values(upper, curve))


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
        looks = [MODEL_STYLES[str(model)] for model in table["model"]]
        values = draw_intervals(
            axes, table, [look.colour for look in looks], [look.marker for look in looks]
        )
        axes.locator_params(axis="x", nbins=6)
        axes.set(xlabel=axis_label)
        return svg(figure, values)


def plot_motion(table: pd.DataFrame) -> str:
    """Draw the mean motion of patients with and without the outcome, with intervals.

    Parameters
    ----------
    table : DataFrame
        `label`, `reached` (bool), `estimate`, `lower`, `upper`, in mm.
    """
    with style.context(STYLE):
        figure, axes = row_figure(table["label"].tolist(), 0.75)
        reached = table["reached"].tolist()
        values = draw_intervals(
            axes, table,
            [TOWARDS_OUTCOME if each else AWAY_FROM_OUTCOME for each in reached],
            ["o" if each else "s" for each in reached],
            digits=3,
        )  # fmt: skip
        axes.locator_params(axis="x", nbins=6)
        axes.set(xlabel="Mean framewise displacement, mm")
        return svg(figure, values)


def curve_values(axes: Axes, curve: pd.DataFrame) -> list[Value]:
    """Return what a calibration curve tells where it is pointed at."""
    return [
        Value(
            axes, row["threshold"], row["estimate"],
            f"{100 * row['threshold']:.0f} % predicted, "
            f"{numbers(row['estimate'], row['lower'], row['upper'], 0, 100)} % observed",
        )
        for row in _on_steps(curve)
    ]  # fmt: skip


def _on_steps(curve: pd.DataFrame) -> list[dict[str, float]]:
    """Return the rows at round thresholds; all where these are few."""
    off = (curve["threshold"] / _VALUE_STEP - (curve["threshold"] / _VALUE_STEP).round()).abs()
    found = curve[off < 1e-6]
    shown = found if len(found) > 1 else curve
    names = ["threshold", "estimate", "lower", "upper"]
    return [dict(zip(names, row, strict=True)) for row in shown[names].to_numpy().tolist()]


def _draw_curves(  # noqa: PLR0917
    axes: Axes,
    curves: pd.DataFrame,
    labels: Mapping[str, str],
    emphasised: str,
    tell: Callable[[float, str], str],
    digits: int = 0,
    scale: float = 100,
) -> list[Value]:
    values = []
    for place, (model, label) in enumerate(labels.items()):
        curve = curves[curves["model"] == model]
        if curve.empty:
            continue
        look, main = MODEL_STYLES[model], model == emphasised
        if main:
            _fill(axes, curve, look.colour)
        else:
            _draw_bars(axes, curve, look.colour, place)
        axes.plot(
            curve["threshold"], curve["estimate"], color=look.colour, linestyle=look.dash,
            linewidth=2.2 if main else 1.2, label=label, zorder=3 if main else 2,
        )  # fmt: skip
        for row in _on_steps(curve):
            found = numbers(row["estimate"], row["lower"], row["upper"], digits, scale)
            told = f"{label}: {tell(row['threshold'], found)}"
            values.append(Value(axes, row["threshold"], row["estimate"], told))
    return values


def _fill(axes: Axes, curve: pd.DataFrame, colour: str) -> None:
    axes.fill_between(
        curve["threshold"], curve["lower"], curve["upper"], color=colour, alpha=0.18, linewidth=0
    )


def _draw_bars(axes: Axes, curve: pd.DataFrame, colour: str, place: int) -> None:
    """Draw a thinner curve's interval at a few thresholds, beside those of the other curves."""
    ends = curve["threshold"].min(), curve["threshold"].max()
    wanted = np.arange(_INTERVAL_STEP / 2 + _INTERVAL_SHIFT * place, 1, _INTERVAL_STEP)
    near = [
        int((curve["threshold"] - at).abs().argmin()) for at in wanted if ends[0] <= at <= ends[1]
    ]
    rows = curve.iloc[near]
    axes.vlines(
        rows["threshold"], rows["lower"], rows["upper"], color=colour, linewidth=0.9, alpha=0.75
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
