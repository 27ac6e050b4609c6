"""The pictures of stability, drawn from their tables; no number is computed here."""

import pandas as pd
from matplotlib import style
from matplotlib.collections import LineCollection
from matplotlib.ticker import PercentFormatter

from training.report.canvas import MODEL_STYLES, REFERENCE, STYLE, new_figure, svg
from training.report.plots import curve_values


def plot_calibration_band(curve: pd.DataFrame, model: str) -> str:
    """Draw the median calibration curve of the replicates and their central part.

    Parameters
    ----------
    curve : DataFrame
        `threshold` (predicted probability), `estimate` (observed share), `lower`, `upper`.
    model : str
        Whose colour to use.
    """
    with style.context(STYLE):
        figure, axes = new_figure(4.9)
        colour = MODEL_STYLES[model].colour
        chance = curve["threshold"]
        axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle=":", label="Perfect agreement")
        axes.fill_between(
            chance, curve["lower"], curve["upper"], color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(chance, curve["estimate"], color=colour, label="Median of the replicates")
        axes.set(
            xlim=(0, 1), ylim=(0, 1.005), aspect="equal",
            xlabel="Chance by the replicate", ylabel="Share who reached the outcome",
        )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.legend(loc="upper left")
        return svg(figure, curve_values(axes, curve))


def plot_instability(patients: pd.DataFrame, model: str) -> str:
    """Draw the interval of each patient's chance over the replicates.

    Parameters
    ----------
    patients : DataFrame
        `probability`, `lower` and `upper`, 0 to 1; one line a patient.
    model : str
        Whose colour to use.
    """
    with style.context(STYLE):
        figure, axes = new_figure(4.9)
        columns = patients[["probability", "lower", "upper"]].to_numpy()
        spans = [[(p, lower), (p, upper)] for p, lower, upper in columns]
        lines = LineCollection(spans, colors=MODEL_STYLES[model].colour, linewidths=0.7, alpha=0.35)
        axes.add_collection(lines)
        axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle=":", label="The same chance")
        axes.set(
            xlim=(0, 1), ylim=(0, 1.005), aspect="equal",
            xlabel="Chance by the served model", ylabel="Chances by the replicates",
        )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.legend(loc="upper left")
        return svg(figure)
