"""`tms-response monitor`: what a model's ledger says of drift, calibration and gaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from features.connectivity import CONNECTIVITY_NAMES
from features.table import Feature
from serving.predictor import ResponsePredictor
from training.learning.rows import BoolArray, FloatArray
from training.monitoring.cusum import alarm_limit, average_run_length, cusum
from training.monitoring.drift import (
    Shift,
    Verdict,
    feature_shift,
    mean_differs,
    mean_with_interval,
    proportion,
    shares_differ,
)
from training.monitoring.performance import Estimated, performance, trend
from training.monitoring.records import Records, records_of
from training.monitoring.settings import MonitoringSettings
from training.performance.subgroup_levels import UNKNOWN, subgroups

WATCHED_NOTICES = {
    "unseen_site": "From a site that the model has not seen",
    "connectome_refused": "Connectome refused",
    "out_of_range": "A value outside the usual range of training",
}


class Alarm(NamedTuple):
    """What needs a person's attention: a code, and a sentence that names no patient."""

    code: str
    message: str


@dataclass(frozen=True)
class CalibrationChart:
    """One CUSUM: where it stands after each outcome, and where the alarm is given.

    Attributes
    ----------
    direction : {"higher", "lower"}
        Whether it looks for more responders than predicted, or fewer.
    values : ndarray, shape (k,)
        After each outcome.
    limit : float
    run_length, run_length_shifted : float
        Outcomes until an alarm, on average: with right predictions, and after the shift.
    """

    direction: Literal["higher", "lower"]
    values: FloatArray
    limit: float
    run_length: float
    run_length_shifted: float

    @property
    def crossed(self) -> int | None:
        """The outcome, counted from 1, at which the limit was first reached."""
        beyond = np.flatnonzero(self.values >= self.limit)
        return int(beyond[0]) + 1 if beyond.size else None


class Share(NamedTuple):
    """How many of a window's predictions had something, with an interval."""

    having: int
    n: int
    value: float
    lower: float
    upper: float

    @classmethod
    def of(cls, members: BoolArray) -> "Share":
        """Count."""
        having, n = int(np.count_nonzero(members)), len(members)
        return cls(having, n, *proportion(having, n))


@dataclass(frozen=True)
class Window:
    """Consecutive predictions, looked at once.

    Attributes
    ----------
    mean_probability, mean_lower, mean_upper : float
        Of its predictions, with its interval; NaN of nobody, and the interval of one alone.
    unknown : float
        Share of all inputs of all its patients that were unknown.
    """

    first: datetime
    last: datetime
    mean_probability: float
    mean_lower: float
    mean_upper: float
    unknown: float
    shares: dict[str, Share]


@dataclass(frozen=True)
class Monitored:
    """All that the page shows.

    Attributes
    ----------
    shifts : list of Shift
        Of the latest whole window; empty before there is one.
    windows : list of Window
        Whole ones, oldest first.
    verdicts : dict of str to Verdict
        Of the latest window: the predictions, and each watched share beside those before.
    overall : list of Estimated
        Performance of all known outcomes; empty while there are too few.
    levels : list of tuple of (str, str, list of Estimated)
        Subgroup, level and its performance.
    """

    settings: MonitoringSettings
    records: Records
    predictor: ResponsePredictor
    made_at: datetime
    charts: tuple[CalibrationChart, ...]
    shifts: list[Shift]
    windows: list[Window]
    verdicts: dict[str, Verdict]
    overall: list[Estimated]
    trend: list[Estimated]
    levels: list[tuple[str, str, list[Estimated]]]
    selection: tuple[float, float] | None
    alarms: list[Alarm]


class _Columns(NamedTuple):
    features: Sequence[Feature]
    X: FloatArray
    anxiety_instrument: str | None


def monitor(
    table: pd.DataFrame, predictor: ResponsePredictor, settings: MonitoringSettings, now: datetime
) -> Monitored:
    """Judge what a model has answered since it began to.

    Parameters
    ----------
    table : DataFrame
        As `serving.ledger.export.ledger_table` returns it.
    predictor : ResponsePredictor
        The model; only its own predictions are looked at.
    settings : MonitoringSettings
        What alarms keep to.
    now : datetime
        With a zone.

    Raises
    ------
    DataError
        When the ledger holds none of its predictions.
    """
    records = records_of(table, predictor.document, predictor.identity.version, now)
    bounds = _bounds(len(records.probability), settings.window)
    charts = tuple(_charts(records, settings))
    shifts, verdicts = _latest(records, predictor, settings, bounds)
    return Monitored(
        settings, records, predictor, now, charts, shifts,
        windows=[_window(records, part) for part in bounds],
        verdicts=verdicts,
        overall=performance(records.y, records.predicted),
        trend=list(trend(records.y, records.predicted)),
        levels=list(_levels(records, predictor)),
        selection=_selection(records),
        alarms=[*_calibration_alarms(charts), *_drift_alarms(shifts, verdicts)],
    )  # fmt: skip


def _bounds(n: int, window: int) -> list[slice]:
    return [slice(start, start + window) for start in range(0, n - window + 1, window)]


def _charts(records: Records, settings: MonitoringSettings) -> Iterator[CalibrationChart]:
    predicted = records.probability[~records.abstained]
    if not records.known.size:
        return
    for direction, shift in (("higher", settings.shift), ("lower", -settings.shift)):
        limit = alarm_limit(
            predicted, settings.outcomes_per_year, shift, settings.of_each_calibration_chart
        )
        yield CalibrationChart(
            "higher" if direction == "higher" else "lower",
            cusum(records.y, records.predicted, shift),
            limit,
            average_run_length(limit, predicted, shift),
            average_run_length(limit, predicted, shift, shift),
        )


def _latest(
    records: Records,
    predictor: ResponsePredictor,
    settings: MonitoringSettings,
    bounds: list[slice],
) -> tuple[list[Shift], dict[str, Verdict]]:
    if not bounds:
        return [], {}
    document, latest = predictor.document, bounds[-1]
    # Each feature twice (values, missing), the predictions, the abstentions and the notices.
    allowed = settings.of_each_comparison(2 * len(document.features) + 2 + len(WATCHED_NOTICES))
    n_training = document.trained_on.n_patients
    shifts = [
        feature_shift(feature, records.features[latest, column], n_training, allowed)
        for column, feature in enumerate(document.features)
    ]
    answered = records.probability[latest]
    verdicts = {
        "predictions": mean_differs(
            answered[~np.isnan(answered)], document.base_rate, n_training, allowed
        )
    }
    before = slice(0, latest.start)
    for name, members in _watched(records).items():
        recent, earlier = members[latest], members[before]
        verdicts[name] = shares_differ(
            int(recent.sum()), len(recent), int(earlier.sum()), len(earlier), allowed
        )
    return shifts, verdicts


def _watched(records: Records) -> dict[str, BoolArray]:
    noticed = {
        code: np.array([code in codes for codes in records.notices], dtype=bool)
        for code in WATCHED_NOTICES
    }
    return {"abstained": records.abstained, **noticed}


def _window(records: Records, part: slice) -> Window:
    answered = records.probability[part]
    answered = answered[~np.isnan(answered)]
    return Window(
        records.recorded_at[part][0],
        records.recorded_at[part][-1],
        *mean_with_interval(answered),
        float(np.isnan(records.features[part]).mean()),
        {name: Share.of(members[part]) for name, members in _watched(records).items()},
    )


def _levels(
    records: Records, predictor: ResponsePredictor
) -> Iterator[tuple[str, str, list[Estimated]]]:
    columns = _Columns(
        predictor.features,
        records.features[records.known],
        predictor.document.anxiety_instrument,
    )
    for subgroup in subgroups(columns):
        for level in (*subgroup.levels, UNKNOWN):
            member = subgroup.level == level
            yield subgroup.label, level, performance(records.y[member], records.predicted[member])


def _selection(records: Records) -> tuple[float, float] | None:
    """Return the mean prediction of patients with a known outcome, and of those without."""
    answered = ~records.abstained
    with_outcome = np.zeros(len(answered), dtype=bool)
    with_outcome[records.known] = True
    groups = records.probability[with_outcome], records.probability[answered & ~with_outcome]
    if min(map(len, groups)) == 0:
        return None
    return float(groups[0].mean()), float(groups[1].mean())


def _calibration_alarms(charts: Sequence[CalibrationChart]) -> Iterator[Alarm]:
    for chart in charts:
        if chart.crossed is not None:
            more = "more" if chart.direction == "higher" else "fewer"
            yield Alarm(
                f"calibration_{chart.direction}",
                f"{more.capitalize()} patients reach the outcome than is predicted: the chart "
                f"reached its limit at outcome number {chart.crossed}.",
            )


def _drift_alarms(shifts: Sequence[Shift], verdicts: dict[str, Verdict]) -> Iterator[Alarm]:
    for shift in shifts:
        if shift.moved == "drifted":
            side = "higher" if shift.difference > 0 else "lower"
            yield Alarm(
                f"drift_{shift.name}",
                f"{shift.label}: the latest window lies {abs(shift.difference):.1f} standard "
                f"deviations {side} than the training patients.",
            )
    yield from missing_alarms(shifts)
    words = {
        "predictions": "The mean prediction of the latest window is not the training base rate.",
        "abstained": "The model abstains more or less often than before.",
        **{
            code: f"{what}: more or less often in the latest window than before."
            for code, what in WATCHED_NOTICES.items()
        },
    }
    for name, verdict in verdicts.items():
        if verdict == "drifted":
            yield Alarm(name, words[name])


def missing_alarms(shifts: Sequence[Shift]) -> Iterator[Alarm]:
    """Yield an alarm for each input whose unknown share drifted, and one for all of a scan."""
    drifted = [shift for shift in shifts if shift.missing == "drifted"]
    scan = [shift for shift in drifted if shift.name in CONNECTIVITY_NAMES]
    for shift in drifted:
        code, label = shift.name, shift.label
        if len(scan) > 1 and shift in scan:
            if shift is not scan[0]:
                continue
            code, label = "connectivity", f"{label} and {len(scan) - 1} other inputs from the scan"
        yield Alarm(
            f"missing_{code}",
            f"{label}: unknown in {shift.missing_share:.0%} of the latest window, and in "
            f"{shift.missing_in_training:.0%} of the training patients.",
        )


def alarm_counts(monitored: Monitored) -> dict[str, int]:
    """Return how many alarms there are of each kind, also of those of which there is none."""
    kinds = ("calibration", "drift", "missing", "predictions", "abstained", *WATCHED_NOTICES)
    counts = dict.fromkeys(kinds, 0)
    for alarm in monitored.alarms:
        counts[alarm.code if alarm.code in counts else alarm.code.split("_", 1)[0]] += 1
    return counts
