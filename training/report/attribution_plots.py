"""Pictures of what the model attributes to its features, drawn from tidy tables alone.

See `training.report.attributions` for the tables.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.canvas import (
    INK,
    MODEL_STYLES,
    REFERENCE,
    STYLE,
    WIDTH_INCHES,
    Value,
    numbers,
    row_figure,
    svg,
)

_BAR_HEIGHT: Final = 0.36


def plot_sizes(rows: pd.DataFrame, labels: Sequence[str], model: str, axis_label: str) -> str:
    """Draw how far features or domains move predictions, one below the other.

    Parameters
    ----------
    rows : DataFrame
        `mean_absolute_log_odds`, `lower`, `upper`; NaN ends where there is no interval.
    labels : sequence of str
        What stands above each row.
    model : str
        Whose colour to use.
    axis_label : str
        With unit.
    """
    with style.context(STYLE):
        figure, axes = row_figure(labels, 0.75)
        values = []
        colour = MODEL_STYLES[model].colour
        for place, (row, label) in enumerate(zip(rows.to_dict("records"), labels, strict=True)):
            size = row["mean_absolute_log_odds"]
            axes.barh(place, size, height=_BAR_HEIGHT, color=colour, alpha=0.75)
            axes.plot([row["lower"], row["upper"]], [place, place], color=INK, linewidth=1.2)
            told = numbers(size, row["lower"], row["upper"], 3)
            values.append(Value(axes, size, place, f"{label}: {told} log-odds"))
        axes.set(xlabel=axis_label)
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=6)
        return svg(figure, values)


def plot_ranks(rows: pd.DataFrame, labels: Sequence[str], model: str, n_features: int) -> str:
    """Draw each feature's rank in the model and the range of its ranks in the replicates.

    Parameters
    ----------
    rows : DataFrame
        `rank`, `rank_lower`, `rank_upper`, from 1.
    labels : sequence of str
    model : str
        Whose colour to use.
    n_features : int
        The last rank there is.
    """
    with style.context(STYLE):
        figure, axes = row_figure(labels, 0.75)
        values, look = [], MODEL_STYLES[model]
        for place, (row, label) in enumerate(zip(rows.to_dict("records"), labels, strict=True)):
            lower, upper = row["rank_lower"], row["rank_upper"]
            axes.plot([lower, upper], [place, place], color=look.colour, linewidth=1.8)
            axes.plot([row["rank"]], [place], color=look.colour, marker=look.marker)
            told = f"{label}: rank {numbers(row['rank'], lower, upper, 0)}"
            values.append(Value(axes, row["rank"], place, told))
        axes.set(xlim=(0.5, n_features + 0.5), xlabel=f"Rank, 1 first, of {n_features} inputs")
        axes.set_xticks([1, *range(10, n_features + 1, 10)] if n_features > 10 else [1, n_features])
        return svg(figure, values)


def plot_dependence(
    bands: pd.DataFrame, axis_label: str, ticks: Mapping[float, str], model: str
) -> str:
    """Draw the mean contribution in each band of values, above how the patients are spread.

    Parameters
    ----------
    bands : DataFrame
        Of one feature and known values: `mean_value`, `from`, `to`, `n`, `log_odds`, `lower`,
        `upper`; NaN ends where there is no interval.
    axis_label : str
        Name and unit of the feature.
    ticks : mapping of float to str
        Marks of the axis where they are not to be numbers as they are; may be empty.
    model : str
        Whose colour to use.
    """
    with style.context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 3.5))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
        values = _draw_bands(upper, bands, model)
        width = (bands["to"] - bands["from"]).to_numpy()
        share = bands["n"].to_numpy() / bands["n"].sum()
        density = np.divide(share, width, out=np.zeros(len(share)), where=width > 0)
        lower.bar(
            bands["from"], density, width=width, align="edge", color="#9AA3AC",
            edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        lower.set(xlabel=axis_label, ylabel="Patients", yticks=[])
        if ticks:
            lower.set_xticks(list(ticks), list(ticks.values()))
        return svg(figure, values)


def _draw_bands(axes: Axes, bands: pd.DataFrame, model: str) -> list[Value]:
    look = MODEL_STYLES[model]
    x, y = bands["mean_value"].to_numpy(), bands["log_odds"].to_numpy()
    axes.axhline(0, color=REFERENCE, linewidth=1.0, linestyle=":")
    axes.vlines(x, bands["lower"], bands["upper"], color=look.colour, alpha=0.35, linewidth=4)
    axes.plot(x, y, color=look.colour, marker=look.marker)
    axes.set(ylabel="Contribution, log-odds")
    return [
        Value(
            axes, row["mean_value"], row["log_odds"],
            f"{row['n']:.0f} patients, value about {row['mean_value']:.3g}: "
            f"{numbers(row['log_odds'], row['lower'], row['upper'], 2)} log-odds",
        )
        for row in bands.to_dict("records")
    ]  # fmt: skip
