"""Pictures of contributions: the beeswarm of all patients and the waterfall of one.

Like `plots.py`, these read tidy tables (from `explain.py`) and compute nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from scipy.special import expit, logit

from training.report.canvas import (
    AWAY_FROM_OUTCOME,
    INK,
    REFERENCE,
    STYLE,
    TOWARDS_OUTCOME,
    row_figure,
    svg,
)

_UNKNOWN: Final = "#B5B5B5"
# Viridis with a darker end: its own yellow vanishes on white paper.
_LOW_TO_HIGH: Final = LinearSegmentedColormap.from_list(
    "low_to_high", ["#440154", "#3B528B", "#21918C", "#5EC962", "#D8CB00"]
)
_SWARM_BINS: Final = 90
_ROW_REACH: Final = 0.24
# Marks of an axis of chances: round ones are placed first, others where there is room.
_ROUND_CHANCES: Final = np.array(
    [*np.arange(1, 10) / 10, *np.arange(1, 20) / 20, *np.arange(1, 50) / 50, 0.01, 0.99]
)
_MOST_MARKS: Final = 9


def plot_beeswarm(points: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Draw one dot a patient and feature, placed by contribution and coloured by value.

    The dots are an image inside the SVG, so that the file holds no coordinates of single patients.

    Parameters
    ----------
    points : DataFrame
        `feature`, `log_odds`, `value_rank` (0 lowest to 1 highest, NaN unknown), in the order in
        which features are to stand; see `training.report.explain.beeswarm_points`.
    labels : mapping of str to str
        Feature -> its name in plain language.
    """
    with style.context(STYLE):
        features = list(dict.fromkeys(points["feature"]))
        figure, axes = row_figure([labels[name] for name in features], 1.3)
        axes.axvline(0, color=REFERENCE, linewidth=1.0)
        bin_width = float(np.ptp(points["log_odds"])) / _SWARM_BINS or 1.0
        for place, name in enumerate(features):
            _draw_swarm(axes, place, points[points["feature"] == name], bin_width)
        axes.set(xlabel="Contribution in log-odds: < 0 lowers, > 0 raises the chance")
        key = figure.colorbar(
            ScalarMappable(cmap=_LOW_TO_HIGH), ax=axes, location="top", fraction=0.03, aspect=45,
            ticks=[0, 1],
        )  # fmt: skip
        key.ax.set_xticklabels(["lowest value, or no", "highest value, or yes"])
        key.ax.tick_params(length=0)
        key.outline.set_visible(False)
        first, last = key.ax.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        return svg(figure)


def _draw_swarm(axes: Axes, place: int, dots: pd.DataFrame, bin_width: float) -> None:
    x = dots["log_odds"].to_numpy(dtype=np.float64)
    rank = dots["value_rank"].to_numpy(dtype=np.float64)
    y = place + _swarm_offsets(x, bin_width)
    unknown = np.isnan(rank)
    axes.scatter(x[unknown], y[unknown], s=5, color=_UNKNOWN, linewidths=0, rasterized=True)
    axes.scatter(
        x[~unknown], y[~unknown], s=5, c=rank[~unknown], cmap=_LOW_TO_HIGH, vmin=0, vmax=1,
        linewidths=0, rasterized=True,
    )  # fmt: skip


def _swarm_offsets(x: npt.NDArray[np.float64], bin_width: float) -> npt.NDArray[np.float64]:
    """Spread dots that would hide each other up and down from the middle of their row."""
    bins = np.round(x / bin_width)
    offsets = np.zeros(x.shape)
    for value in np.unique(bins):
        members = np.flatnonzero(bins == value)
        ranks = np.arange(len(members))
        offsets[members] = np.where(ranks % 2 == 0, -1, 1) * ((ranks + 1) // 2)
    return offsets * min(0.045, _ROW_REACH / max(float(np.abs(offsets).max()), 1.0))


def plot_waterfall(steps: pd.DataFrame, labels: Sequence[str], limits: tuple[float, float]) -> str:
    """Draw the way from the average prediction to one patient's.

    Parameters
    ----------
    steps : DataFrame
        `log_odds`, `start`, `end`, one row a step; see `training.report.explain.waterfall_steps`.
    labels : sequence of str
        What to write above each step.
    limits : (float, float)
        Ends of the axis in log-odds, the same for all patients that are to be compared.
    """
    with style.context(STYLE):
        figure, axes = row_figure(labels, 0.8)
        places = np.arange(len(steps))
        colours = [TOWARDS_OUTCOME if up else AWAY_FROM_OUTCOME for up in steps["log_odds"] >= 0]
        axes.barh(
            places, steps["log_odds"], left=steps["start"], height=0.4, color=colours, zorder=3
        )
        for place in places:
            step = steps.iloc[place]
            axes.annotate(
                f"{step['log_odds']:+z.2f}", (max(step["start"], step["end"]), place),
                xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
                zorder=3, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
            )  # fmt: skip
        axes.axvline(steps["start"].iloc[0], color=REFERENCE, linestyle=":", linewidth=1.2)
        axes.axvline(steps["end"].iloc[-1], color=INK, linewidth=1.2)
        axes.set(xlim=limits, xlabel="Predicted chance; dotted: average, solid: this patient")
        _probability_ticks(axes, limits)
        return svg(figure)


def _probability_ticks(axes: Axes, limits: tuple[float, float]) -> None:
    """Label an axis of log-odds in percent, with as many marks as fit without touching."""
    apart = (limits[1] - limits[0]) / _MOST_MARKS
    places: list[float] = []
    for place in logit(_ROUND_CHANCES):
        inside = limits[0] <= place <= limits[1]
        if inside and all(abs(place - other) >= apart for other in places):
            places.append(float(place))
    axes.set_xticks(places, [f"{100 * chance:.0f} %" for chance in expit(np.array(places))])
