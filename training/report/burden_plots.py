"""The report's picture of sessions for each responder, and of whom it costs something."""

from collections.abc import Mapping
from typing import Final

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.canvas import (
    AWAY_FROM_OUTCOME,
    MODEL_STYLES,
    REFERENCE,
    STYLE,
    WIDTH_INCHES,
    Value,
    numbers,
    percent,
    svg,
)

SEQUENCING: Final = "sequencing"
RESCORING: Final = "rescoring"
# Beside each other where both have a value at one threshold.
_APART: Final = {SEQUENCING: -0.004, RESCORING: 0.004}


def plot_burden(
    sessions: pd.DataFrame,
    affected: pd.DataFrame,
    treat_all: Mapping[str, float],
    *,
    labels: Mapping[str, str],
    served: str,
    responders: str,
) -> str:
    """Draw sessions for each responder over thresholds, above the responders it would cost.

    Parameters
    ----------
    sessions, affected : DataFrame
        `strategy` ("sequencing" or "rescoring"), `threshold`, `estimate`, `lower`, `upper`; NaN
        ends where there is no interval. Sessions for each responder; share of the responders who
        would wait, or be lost.
    treat_all : mapping of str to float
        `estimate`, `lower`, `upper` of the sessions under treat all.
    labels : mapping of str to str
        Strategy -> what it is called, with what becomes of responders.
    served : str
        The model before treatment, whose colour stands for sequencing.
    responders : str
        What those who reach the outcome are called.
    """
    with style.context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 6.0))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        upper.axhspan(treat_all["lower"], treat_all["upper"], color=REFERENCE, alpha=0.15, lw=0)
        upper.axhline(
            treat_all["estimate"], color=REFERENCE, linestyle=(0, (5, 2)), label="Treat all"
        )
        values = []
        for axes, frame, scale in ((upper, sessions, 1), (lower, affected, 100)):
            for _, part in frame.groupby("strategy", sort=False):
                values += _draw(axes, part, labels, served, scale)
        upper.set(ylabel=f"Sessions for each {responders[:-1]}")
        lower.set(
            ylabel=f"Share of {responders} who\nwould wait, or be lost", ylim=(0, 1),
            xlabel="Threshold: chance below which patients are changed",
        )  # fmt: skip
        percent(lower, "x", "y")
        upper.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)
        return svg(figure, values)


def _draw(
    axes: Axes,
    part: pd.DataFrame,
    labels: Mapping[str, str],
    served: str,
    scale: int,
) -> list[Value]:
    strategy = str(part["strategy"].iloc[0])
    sequencing = strategy == SEQUENCING
    digits, unit = (0, " %") if scale > 1 else (1, " sessions")
    colour = MODEL_STYLES[served].colour if sequencing else AWAY_FROM_OUTCOME
    at = part["threshold"] + _APART[strategy]
    axes.vlines(at, part["lower"], part["upper"], color=colour, linewidth=1.3)
    axes.plot(
        at, part["estimate"], color=colour, label=labels[strategy], linewidth=1.2,
        marker="o" if sequencing else "s", linestyle="-" if sequencing else (0, (4, 1.5, 1, 1.5)),
    )  # fmt: skip
    return [
        Value(
            axes, x, row["estimate"],
            f"{labels[strategy]}, at {100 * row['threshold']:.4g} %: "
            f"{numbers(row['estimate'], row['lower'], row['upper'], digits, scale)}{unit}",
        )
        for x, row in zip(at, part.to_dict("records"), strict=True)
    ]  # fmt: skip
