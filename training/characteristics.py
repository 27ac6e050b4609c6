"""Who the patients are: characteristics by outcome, and counts by site, small cells withheld."""

from typing import Final

import numpy as np

from features.table import YES_NO
from training.dataset import TrainingTable
from training.learning.rows import BoolArray, FloatArray
from training.small_cells import SMALLEST_CELL, may_be_shown
from training.summary import Characteristic, SiteCount

_NORMAL_95: Final = 1.959964


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
    difference: tuple[float, float, float] | tuple[None, None, None] = (None, None, None)
    if with_mean is not None and without_mean is not None:
        difference = standardised_difference(values[y], values[~y]) or difference
    return Characteristic(
        label=label,
        unit="" if yes_no else unit,
        missing_share=float(np.mean(np.isnan(values))),
        mean_with_outcome=with_mean,
        sd_with_outcome=with_sd,
        mean_without_outcome=without_mean,
        sd_without_outcome=without_sd,
        standardised_difference=difference[0],
        difference_lower=difference[1],
        difference_upper=difference[2],
    )


def standardised_difference(
    one: FloatArray, other: FloatArray
) -> tuple[float, float, float] | None:
    """Return the difference of two means in pooled standard deviations, with its 95 % interval.

    Austin 2009, doi:10.1002/sim.3697: the pooled variance is the mean of the two, so that the size
    of the groups does not matter; for a yes/no variable it is that of its share. The interval is
    the normal one of Hedges and Olkin 1985.

    Parameters
    ----------
    one, other : ndarray of float
        Values of the two groups; NaN where unknown.

    Returns
    -------
    tuple of float, or None
        Estimate, lower and upper end; None where a group has fewer than two known values, or
        neither varies.

    Examples
    --------
    >>> one = np.array([1.0, 2.0, 3.0])
    >>> estimate, lower, upper = standardised_difference(one, one + 1)
    >>> round(estimate, 3), round(upper - estimate, 2)
    (-1.0, 1.7)
    """
    groups = [group[~np.isnan(group)] for group in (one, other)]
    n, m = map(len, groups)
    if min(n, m) < 2:
        return None
    yes_no = all(np.isin(group, (0, 1)).all() for group in groups)
    variances = [np.var(group, ddof=0 if yes_no else 1) for group in groups]
    pooled = float(np.sqrt(np.mean(variances)))
    if pooled == 0:
        return None
    estimate = float(np.mean(groups[0]) - np.mean(groups[1])) / pooled
    half = _NORMAL_95 * float(np.sqrt((n + m) / (n * m) + estimate**2 / (2 * (n + m))))
    return estimate, estimate - half, estimate + half


def _mean_and_sd(values: FloatArray, *, yes_no: bool) -> tuple[float | None, float | None]:
    seen = values[~np.isnan(values)]
    if len(seen) < SMALLEST_CELL or (yes_no and _has_small_cell(seen)):
        return None, None
    return float(np.mean(seen)), None if yes_no else float(np.std(seen, ddof=1))


def _has_small_cell(seen: FloatArray) -> bool:
    ones = np.count_nonzero(seen == 1)
    return bool(0 < ones < SMALLEST_CELL or 0 < len(seen) - ones < SMALLEST_CELL)
