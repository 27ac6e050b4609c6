"""Who the patients are: characteristics by outcome, and counts by site, small cells withheld."""

import numpy as np

from features.table import YES_NO
from training.dataset import TrainingTable
from training.learning.rows import BoolArray, FloatArray
from training.small_cells import SMALLEST_CELL, may_be_shown
from training.summary import Characteristic, SiteCount


def characteristics(table: TrainingTable) -> tuple[Characteristic, ...]:
    """Return one row for every feature that anybody has."""
    return tuple(
        _characteristic(feature.label, feature.unit, table.X[:, number], table.y)
        for number, feature in enumerate(table.features)
        if not np.isnan(table.X[:, number]).all()
    )


def site_counts(table: TrainingTable) -> tuple[SiteCount, ...]:
    """Return patients and events at each site; small counts are None.

    Events are withheld where fewer than five patients reached the outcome, or fewer than five did
    not, and where the total would tell such a count (`training.small_cells`).
    """
    names = np.unique(table.site)
    n_patients = [int(np.count_nonzero(table.site == name)) for name in names]
    n_events = [int(np.count_nonzero(table.y[table.site == name])) for name in names]
    rarer = [min(events, n - events) for n, events in zip(n_patients, n_events, strict=True)]
    patients_shown, events_shown = may_be_shown(n_patients), may_be_shown(rarer)
    return tuple(
        SiteCount(
            site=str(name),
            n_patients=n_patients[place] if patients_shown[place] else None,
            n_events=n_events[place] if patients_shown[place] and events_shown[place] else None,
        )
        for place, name in enumerate(names)
    )


def _characteristic(label: str, unit: str, values: FloatArray, y: BoolArray) -> Characteristic:
    yes_no = unit == YES_NO
    with_mean, with_sd = _mean_and_sd(values[y], yes_no=yes_no)
    without_mean, without_sd = _mean_and_sd(values[~y], yes_no=yes_no)
    return Characteristic(
        label=label,
        unit="" if yes_no else unit,
        missing_share=float(np.mean(np.isnan(values))),
        mean_with_outcome=with_mean,
        sd_with_outcome=with_sd,
        mean_without_outcome=without_mean,
        sd_without_outcome=without_sd,
    )


def _mean_and_sd(values: FloatArray, *, yes_no: bool) -> tuple[float | None, float | None]:
    seen = values[~np.isnan(values)]
    if len(seen) < SMALLEST_CELL or (yes_no and _has_small_cell(seen)):
        return None, None
    return float(np.mean(seen)), None if yes_no else float(np.std(seen, ddof=1))


def _has_small_cell(seen: FloatArray) -> bool:
    ones = np.count_nonzero(seen == 1)
    return bool(0 < ones < SMALLEST_CELL or 0 < len(seen) - ones < SMALLEST_CELL)
