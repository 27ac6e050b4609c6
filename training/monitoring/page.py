"""The monitoring page: one offline file, which names no patient."""

from math import isnan
from pathlib import Path
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from scipy.special import expit

from serving.pages import COLOURS
from training.monitoring.monitor import WATCHED_NOTICES, Monitored, Window
from training.monitoring.performance import BLOCK, FEWEST_OF_EACH, Estimated
from training.monitoring.plots import plot_cusum, plot_shifts, plot_trend
from training.report.tables import Cell, Picture, Table, picture, table
from training.small_cells import SMALLEST_CELL

_SHOWN_SHIFTS: Final = 20
_MEASURES: Final = {
    "o_to_e": "Observed to expected (ideal 1)",
    "calibration_intercept": "Calibration intercept (ideal 0)",
    "calibration_slope": "Calibration slope (ideal 1)",
    "auroc": "AUROC (chance 0.5)",
    "brier": "Brier score (lower is better)",
}


def write_page(monitored: Monitored, path: Path) -> None:
    """Write the page."""
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("training.monitoring"), PackageLoader("training.report")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("monitor.html.j2").render(
        monitored=monitored,
        records=monitored.records,
        settings=monitored.settings,
        document=monitored.predictor.document,
        version=monitored.predictor.identity.version,
        chart=_chart(monitored),
        trend=_trend(monitored),
        performance=_performance(monitored),
        levels=_levels(monitored),
        shifts=_shifts(monitored),
        shift_table=_shift_table(monitored),
        windows=_windows(monitored),
        shifted_percent=round(100 * float(expit(monitored.settings.shift))),
        fewest=FEWEST_OF_EACH,
        block=BLOCK,
        colours=COLOURS,
    )
    path.write_text(html, encoding="utf-8", newline="\n")


def _chart(monitored: Monitored) -> Picture | None:
    if not monitored.charts:
        return None
    crossed = [chart for chart in monitored.charts if chart.crossed is not None]
    stands = "; ".join(
        f"the chart for {'more' if chart.direction == 'higher' else 'fewer'} responders stands at "
        f"{100 * chart.values[-1] / chart.limit:.0f} % of its limit"
        for chart in monitored.charts
    )
    at = ", ".join(str(chart.crossed) for chart in crossed)
    verdict = f"An alarm was given at outcome number {at}" if crossed else "No alarm"
    alt = f"{verdict}. After {len(monitored.records.y)} outcomes, {stands}."
    return picture(plot_cusum(monitored.charts), alt, alt)


def _trend(monitored: Monitored) -> Picture | None:
    if not monitored.trend:
        return None
    last = monitored.trend[-1]
    alt = (
        f"Observed to expected in blocks of {BLOCK} outcomes; in the latest, "
        f"{last.value:.2f} (95 % interval {last.lower:.2f} to {last.upper:.2f})."
    )
    return picture(plot_trend(monitored.trend), alt, alt)


def _text(each: Estimated, digits: int = 2) -> Cell:
    if isnan(each.value):
        return Cell("not defined")
    interval = "" if isnan(each.lower) else f"{each.lower:.{digits}f} to {each.upper:.{digits}f}"
    return Cell(f"{each.value:.{digits}f}", interval)


def _performance(monitored: Monitored) -> Table | None:
    if not monitored.overall:
        return None
    rows = [[_MEASURES[each.name], _text(each)] for each in monitored.overall]
    n = monitored.overall[0].n
    return table(f"{n} patients with a known outcome, with 95 % intervals", ["", "Estimate"], rows)


def _levels(monitored: Monitored) -> Table | None:
    rows = []
    for subgroup, level, found in monitored.levels:
        shown = {each.name: each for each in found}
        if shown:
            cells = [_text(shown[name]) for name in ("o_to_e", "auroc")]
            rows.append([Cell(f"{subgroup}: {level}"), str(found[0].n), *cells])
    if not rows:
        return None
    header = ["Group", "Patients", "Observed to expected", "AUROC"]
    return table(f"Groups with {FEWEST_OF_EACH} or more of either outcome", header, rows)


def _shifts(monitored: Monitored) -> Picture | None:
    told = [shift for shift in monitored.shifts if not isnan(shift.difference)]
    if not told:
        return None
    largest = sorted(told, key=lambda shift: -abs(shift.difference))[:_SHOWN_SHIFTS]
    drifted = [shift.label for shift in told if shift.moved == "drifted"]
    names = f"Drifted: {', '.join(drifted)}." if drifted else "None of them has drifted."
    alt = (
        f"The {len(largest)} features of the latest window that lie furthest from training, first "
        f"{largest[0].label}, by {largest[0].difference:.2f} standard deviations. {names}"
    )
    return picture(plot_shifts(largest), alt, alt)


def _shift_table(monitored: Monitored) -> Table | None:
    if not monitored.shifts:
        return None
    rows = [
        [
            Cell(shift.label),
            str(shift.n_known),
            "not compared"
            if isnan(shift.difference)
            else Cell(f"{shift.difference:+.2f}", f"{shift.lower:+.2f} to {shift.upper:+.2f}"),
            shift.moved,
            f"{shift.missing_share:.0%}",
            f"{shift.missing_in_training:.0%}",
            shift.missing,
        ]
        for shift in monitored.shifts
    ]
    header = ["Feature", "Known", "Shift, SD", "Values", "Unknown", "in training", "Unknown share"]
    return table("Every feature in the latest window", header, rows)


def _windows(monitored: Monitored) -> Table | None:
    if not monitored.windows:
        return None
    header = [
        "Predictions",
        "Mean prediction",
        "Unknown inputs",
        "Abstained",
        *WATCHED_NOTICES.values(),
    ]
    rows = [
        [
            Cell(f"{window.first:%d %B %Y} to {window.last:%d %B %Y}"),
            _mean(window),
            f"{window.unknown:.0%}",
            *(
                f"below {SMALLEST_CELL}" if 0 < share.having < SMALLEST_CELL
                else Cell(f"{share.value:.0%}", f"{share.lower:.0%} to {share.upper:.0%}")
                for share in window.shares.values()
            ),
        ]
        for window in monitored.windows
    ]  # fmt: skip
    base_rate = monitored.predictor.document.base_rate
    caption = (
        f"Each window of {monitored.settings.window} predictions, with 95 % intervals; the base "
        f"rate in training was {base_rate:.0%}"
    )
    return table(caption, header, rows)


def _mean(window: Window) -> Cell:
    if isnan(window.mean_probability):
        return Cell("none")
    known = not isnan(window.mean_lower)
    interval = f"{window.mean_lower:.0%} to {window.mean_upper:.0%}" if known else ""
    return Cell(f"{window.mean_probability:.0%}", interval)
