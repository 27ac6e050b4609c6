"""Who is held out together: whole sites where there are enough of them, else single patients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from training.learning.rows import BoolArray, DateArray, IntArray, SiteArray

LEAVE_ONE_SITE_OUT: Final = "leave_one_site_out"
REPEATED_NESTED_CV: Final = "repeated_nested_cv"
SINGLE_PATIENT_SITES: Final = "sites with one patient"
UNKNOWN_SITE: Final = "site not recorded"


@dataclass(frozen=True)
class Split:
    """One way to part the patients.

    Attributes
    ----------
    repeat, fold : int
        Counted from 0.
    train, test : ndarray of int
        Row numbers, ascending, without a row in common.
    """

    repeat: int
    fold: int
    train: IntArray
    test: IntArray


def pool_single_patient_sites(site: SiteArray) -> SiteArray:
    """Return the sites with those of one patient put together.

    One patient cannot be judged within a site; together such patients still form a group that is
    held out as one.
    """
    names, counts = np.unique(site, return_counts=True)
    single = names[counts == 1]
    width = max(site.dtype.itemsize // 4, len(SINGLE_PATIENT_SITES))
    return np.where(np.isin(site, single), SINGLE_PATIENT_SITES, site).astype(f"<U{width}")


def count_sites(site: SiteArray) -> int:
    """Return how many named sites have two patients or more; only these count as sites."""
    return len(set(np.unique(site).tolist()) - {SINGLE_PATIENT_SITES, UNKNOWN_SITE})


def outer_splits(
    y: BoolArray, site: SiteArray, *, minimum_sites: int, folds: int, repeats: int, seed: int
) -> tuple[str, list[Split]]:
    """Return the splits on which performance is estimated, and their name.

    Leave-one-site-out from `minimum_sites` sites on, repeated stratified cross-validation below.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        Whether each patient reached the outcome; both values occur.
    site : ndarray of str, shape (n,)
        Site of each patient.
    minimum_sites, folds, repeats, seed : int
        See `training/configs/default.toml`.
    """
    if count_sites(site) >= minimum_sites:
        held_out = [np.flatnonzero(site == name) for name in np.unique(site)]
        return LEAVE_ONE_SITE_OUT, _complements(held_out, len(y), repeat=0)
    splits: list[Split] = []
    for repeat in range(repeats):
        splits += _patient_folds(y, folds, seed + repeat, repeat)
    return REPEATED_NESTED_CV, splits


def inner_splits(
    y: BoolArray,
    site: SiteArray,
    *,
    minimum_sites: int,
    folds: int,
    repeats: int,
    seed: int,
    patient: IntArray | None = None,
) -> list[Split]:
    """Return the folds on which one training set is tuned, bagged and recalibrated.

    Whole sites stay together from `minimum_sites` sites on. A fold without both outcomes in its
    training part teaches nothing and is left out.

    Parameters
    ----------
    patient : ndarray of int, shape (n,), optional
        Whose row it is. The rows of one patient, at one site, stay together: else a model would
        be recalibrated on patients whom it had learned by heart.
    """
    n_sites = count_sites(site)
    splits: list[Split] = []
    for repeat in range(repeats):
        if n_sites >= minimum_sites:
            found = _site_folds(y, site, min(folds, n_sites), seed + repeat, repeat)
        else:
            found = _patient_folds(y, folds, seed + repeat, repeat, patient)
        splits += [
            split for split in found if 0 < np.count_nonzero(y[split.train]) < len(split.train)
        ]
    return splits


def latest_split(y: BoolArray, started: DateArray, share: float) -> Split | None:
    """Return the split that holds out those treated last; None where dates do not allow one.

    Patients of one day stay together, and those without a date are left out of both parts. The
    sites are on both sides: this tells whether a model keeps, not whether it travels.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
        Whether each patient reached the outcome; both values must occur on either side.
    started : ndarray of datetime64, shape (n,)
        First day of treatment, NaT where unknown.
    share : float
        Of the patients with a date, held out at the most, above 0 and below 1.
    """
    days = np.sort(started[~np.isnat(started)])
    n_earlier = math.ceil((1 - share) * len(days))
    # From the first day that none of the earlier patients share.
    first_days = days[n_earlier:][days[n_earlier:] > days[n_earlier - 1]] if len(days) else days
    if len(first_days) == 0:
        return None
    first_day = first_days[0]
    train, test = np.flatnonzero(started < first_day), np.flatnonzero(started >= first_day)
    if any(y[part].all() or not y[part].any() for part in (train, test)):
        return None
    return Split(0, 0, train, test)


def _patient_folds(
    y: BoolArray, folds: int, seed: int, repeat: int, patient: IntArray | None = None
) -> list[Split]:
    if patient is not None and len(np.unique(patient)) < len(y):
        return _repeated_patient_folds(y, patient, folds, seed, repeat)
    smaller_class = int(min(np.count_nonzero(y), np.count_nonzero(~y)))
    n_folds = max(2, min(folds, smaller_class))
    if smaller_class < n_folds:
        order = np.random.default_rng(seed).permutation(len(y))
        return _complements(np.array_split(order, n_folds), len(y), repeat)
    folder = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return _complements([test for _, test in folder.split(y, y)], len(y), repeat)


def _repeated_patient_folds(
    y: BoolArray, patient: IntArray, folds: int, seed: int, repeat: int
) -> list[Split]:
    """Return folds of patients, each with all rows that are his."""
    first, whose = np.unique(patient, return_index=True, return_inverse=True)[1:]
    by_patient = _patient_folds(y[first], folds, seed, repeat)
    held_out = [np.flatnonzero(np.isin(whose, split.test)) for split in by_patient]
    return _complements(held_out, len(y), repeat)


def _site_folds(y: BoolArray, site: SiteArray, folds: int, seed: int, repeat: int) -> list[Split]:
    names, group = np.unique(site, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    smaller_class = int(min(np.count_nonzero(y), np.count_nonzero(~y)))
    if smaller_class < folds:
        parts = [np.flatnonzero(np.isin(group, part)) for part in np.array_split(order, folds)]
        return _complements(parts, len(y), repeat)
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return _complements([test for _, test in folder.split(y, y, group)], len(y), repeat)


def _complements(held_out: Sequence[IntArray], n: int, repeat: int) -> list[Split]:
    everyone = np.arange(n)
    return [
        Split(repeat, fold, np.setdiff1d(everyone, test), np.sort(test))
        for fold, test in enumerate(held_out)
        if 0 < len(test) < n
    ]
