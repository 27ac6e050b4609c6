"""Characteristics of the patients by site, so that no cell and no total tells a small count."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from features.table import YES_NO, Feature
from training.characteristics import standardised_difference
from training.dataset import TrainingTable
from training.learning.rows import FloatArray
from training.small_cells import SMALLEST_CELL, may_be_shown
from training.summary import SiteCharacteristic, SiteValue


def characteristics_by_site(table: TrainingTable) -> tuple[SiteCharacteristic, ...]:
    """Return one row for every feature that anybody has, its values in the order of the sites.

    A figure is withheld where it rests on fewer than five patients, or for a yes/no feature where
    one to four of them are the exception; and where the figures of the other sites, taken from
    those of the whole cohort, would tell it.
    """
    names = np.unique(table.site)
    if len(names) < 2:
        return ()
    at = [table.site == name for name in names]
    return tuple(
        _row(feature, [table.X[here, number] for here in at])
        for number, feature in enumerate(table.features)
        if not np.isnan(table.X[:, number]).all()
    )


def _row(feature: Feature, groups: Sequence[FloatArray]) -> SiteCharacteristic:
    yes_no = feature.unit == YES_NO
    known = [group[~np.isnan(group)] for group in groups]
    means_shown = _shown([_smallest_count(group, yes_no=yes_no) for group in known])
    missing_shown = _shown([int(np.isnan(group).sum()) for group in groups])
    values = [
        SiteValue(
            mean=float(np.mean(seen)) if shown and len(seen) else None,
            sd=float(np.std(seen, ddof=1)) if shown and len(seen) > 1 and not yes_no else None,
            missing_share=float(np.mean(np.isnan(group))) if counted else None,
        )
        for group, seen, shown, counted in zip(
            groups, known, means_shown, missing_shown, strict=True
        )
    ]
    compared = [seen for seen, shown in zip(known, means_shown, strict=True) if shown]
    found = [standardised_difference(one, other) for one, other in combinations(compared, 2)]
    sizes = [abs(each[0]) for each in found if each is not None]
    return SiteCharacteristic(
        label=feature.label,
        unit="" if yes_no else feature.unit,
        values=tuple(values),
        largest_difference=max(sizes, default=None),
    )


def _smallest_count(seen: FloatArray, *, yes_no: bool) -> int:
    """Return the smallest number of patients whom a figure of these values would single out."""
    if not yes_no or len(seen) < SMALLEST_CELL:
        return len(seen)
    ones = int(np.count_nonzero(seen == 1))
    rarer = min(ones, len(seen) - ones)
    # Where all are alike nobody is singled out.
    return rarer or len(seen)


def _shown(counts: Sequence[int]) -> list[bool]:
    """Return which cells of a row may be shown; a count of nobody may."""
    shown = iter(may_be_shown([count for count in counts if count]))
    return [next(shown) if count else True for count in counts]
