"""Figures of a monitoring run for Prometheus: a file for the node exporter's text collector."""

from collections.abc import Callable
from math import isnan
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from training.monitoring.monitor import Monitored, Window, alarm_counts
from training.small_cells import SMALLEST_CELL


def write_gauges(monitored: Monitored, path: Path) -> None:
    """Write the file, in one step, so that it is never read half-written.

    Gauges: `tms_response_monitor_*`: alarms by kind, predictions, outcomes, the charts as shares of
    their limits, performance with intervals (of all patients and of groups), each feature's shift
    and unknown share and, of the latest window, the mean prediction and the watched shares. Shares
    of fewer than five patients are left out, as on the page.
    """
    registry = CollectorRegistry()
    version = monitored.predictor.identity.version

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"tms_response_monitor_{name}", text, ["version", *labels], registry=registry)

    alarms = gauge("alarms", "Alarms that stand.", "kind")
    for kind, count in alarm_counts(monitored).items():
        alarms.labels(version, kind).set(count)
    gauge("predictions", "Predictions of this version.").labels(version).set(
        len(monitored.records.probability)
    )
    gauge("outcomes", "Outcomes known of them.").labels(version).set(len(monitored.records.y))
    gauge("made", "When this was made, in seconds since 1970.").labels(version).set(
        monitored.made_at.timestamp()
    )
    charts = gauge("cusum_of_limit", "CUSUM as a share of its limit.", "direction")
    for chart in monitored.charts:
        charts.labels(version, chart.direction).set(float(chart.values[-1]) / chart.limit)
    labels = "group", "level", "measure", "end"
    measures = gauge("performance", "Of patients with a known outcome; no group: all.", *labels)
    for group, level, found in (("", "", monitored.overall), *monitored.levels):
        for each in found:
            ends = {"estimate": each.value, "lower": each.lower, "upper": each.upper}
            for end, value in ends.items():
                if not isnan(value):
                    measures.labels(version, group, level, each.name, end).set(value)
    shifts = gauge("shift_sd", "Shift of a feature's mean in training SDs.", "feature")
    for shift in monitored.shifts:
        if not isnan(shift.difference):
            shifts.labels(version, shift.name).set(shift.difference)
    unknown = gauge("unknown_share", "Of the latest window, whose input is unknown.", "feature")
    for shift in monitored.shifts:
        unknown.labels(version, shift.name).set(shift.missing_share)
    if monitored.windows:
        _write_window(monitored.windows[-1], version, gauge)
    write_to_textfile(str(path), registry)


def _write_window(window: Window, version: str, gauge: Callable[..., Gauge]) -> None:
    if not isnan(window.mean_probability):
        mean = gauge("mean_prediction", "Mean prediction of the latest window.")
        mean.labels(version).set(window.mean_probability)
    shares = gauge("share", "Of the latest window: abstentions and notices.", "kind")
    for kind, share in window.shares.items():
        if not 0 < share.having < SMALLEST_CELL:
            shares.labels(version, kind).set(share.value)
