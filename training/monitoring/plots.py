"""The pictures of the monitoring page, drawn from what was computed and nothing else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib import style

from training.report.canvas import (
    AWAY_FROM_OUTCOME,
    INK,
    REFERENCE,
    STYLE,
    TOWARDS_OUTCOME,
    WARNING,
    new_figure,
    row_figure,
    svg,
)

if TYPE_CHECKING:
    from training.monitoring.drift import Shift
    from training.monitoring.monitor import CalibrationChart
    from training.monitoring.performance import Estimated

_COLOURS: Final = {"higher": TOWARDS_OUTCOME, "lower": AWAY_FROM_OUTCOME}
_DASHES: Final = {"higher": "-", "lower": "--"}
_HEIGHT_INCHES: Final = 3.2
_AXIS_INCHES: Final = 0.6


def plot_cusum(charts: "Sequence[CalibrationChart]") -> str:
    """Draw both charts of calibration with their limits."""
    with style.context(STYLE):
        figure, axes = new_figure(_HEIGHT_INCHES)
        for chart in charts:
            colour, dash = _COLOURS[chart.direction], _DASHES[chart.direction]
            more = "more" if chart.direction == "higher" else "fewer"
            outcomes = np.arange(1, len(chart.values) + 1)
            axes.plot(
                outcomes,
                chart.values,
                dash,
                color=colour,
                label=f"{more} responders than predicted",
            )
            axes.axhline(chart.limit, linestyle=dash, color=colour, linewidth=0.8)
            if chart.crossed is not None:
                axes.plot(chart.crossed, chart.values[chart.crossed - 1], "o", color=colour)
        axes.set(xlabel="Outcomes known, in order", ylabel="CUSUM (log-likelihood ratio)")
        axes.set_ylim(bottom=0, top=1.15 * max(_tops(charts)))
        axes.legend(loc="upper left", title="Evidence for (alarm at the thin line)")
        return svg(figure)


def _tops(charts: "Sequence[CalibrationChart]") -> list[float]:
    return [max(chart.limit, float(chart.values.max())) for chart in charts]


def plot_trend(blocks: "Sequence[Estimated]") -> str:
    """Draw O:E of each block of outcomes with its interval."""
    with style.context(STYLE):
        figure, axes = new_figure(_HEIGHT_INCHES)
        axes.axhline(1, color=REFERENCE, linewidth=0.9, linestyle=":")
        last = [int(block.name.split(":")[0]) for block in blocks]
        values = np.array([block.value for block in blocks])
        ends = np.array([(block.lower, block.upper) for block in blocks]).T
        axes.errorbar(last, values, np.abs(ends - values), fmt="o", color=INK, capsize=2)
        axes.set(xlabel="Outcomes known up to here", ylabel="Observed to expected")
        axes.set_ylim(bottom=0)
        return svg(figure)


def plot_shifts(shifts: "Sequence[Shift]") -> str:
    """Draw the shift of each feature with its interval, the first on top."""
    with style.context(STYLE):
        figure, axes = row_figure([shift.label for shift in shifts], _AXIS_INCHES)
        axes.axvline(0, color=REFERENCE, linewidth=0.9, linestyle=":")
        for row, shift in enumerate(shifts):
            drifted = shift.moved == "drifted"
            reach = [[shift.difference - shift.lower], [shift.upper - shift.difference]]
            axes.errorbar(
                shift.difference, row, xerr=reach, capsize=2,
                fmt="D" if drifted else "o", color=WARNING if drifted else INK,
            )  # fmt: skip
        axes.set_xlabel("Mean less that of training, in training standard deviations")
        return svg(figure)
