"""Who the patients are: characteristics by outcome, and counts by site, small cells withheld."""

from typing import Final

import numpy as np

from features.table import YES_NO
from training.dataset import TrainingTable
from training.learning.rows import BoolArray, FloatArray
from training.summary import Characteristic, SiteCount

# The usual rule of statistical offices: cells of fewer than five people are not published.
SMALLEST_CELL: Final = 5


def characteristics(table: TrainingTable) -> tuple[Characteristic, ...]:
    """Return one row for every feature that anybody has."""
    return tuple(
        _characteristic(feature.label, feature.unit, table.X[:, number], table.y)
        for number, feature in enumerate(table.features)
        if not np.isnan(table.X[:, number]).all()
    )


def site_counts(table: TrainingTable) -> tuple[SiteCount, ...]:
    """Return patients and events at each site; counts below five are None."""
    return tuple(
        SiteCount(
            site=str(name),
            n_patients=_withheld(int(np.count_nonzero(table.site == name))),
            n_events=_withheld(int(np.count_nonzero(table.y[table.site == name]))),
        )
        for name in np.unique(table.site)
    )


def _withheld(count: int) -> int | None:
    return count if count >= SMALLEST_CELL else None


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
