"""Nobody on both sides of a split, under one name or two."""

import numpy as np
import numpy.typing as npt

from training.checks.duplicates import duplicated_patients
from training.isolation.leaks import Leak, LeakReport, Splits, counted, parts_of
from training.learning.rows import BoolArray, FloatArray


def check_patients_apart(splits: Splits, patient: npt.ArrayLike) -> LeakReport:
    """Tell whether any patient has rows on both sides of a split.

    Parameters
    ----------
    splits : iterable of Split, or of (train, test)
        As scikit-learn's splitters give them.
    patient : array_like, shape (n,)
        Whose row it is.

    Raises
    ------
    UsageError
        For splits that do not fit the rows.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold, KFold
    >>> patient = np.repeat(np.arange(10), 3)
    >>> print(check_patients_apart(GroupKFold(2).split(patient, groups=patient), patient))
    No leak found in 10 patients and 2 splits.
    >>> print(check_patients_apart(list(KFold(5, shuffle=True).split(patient))[:1], patient).what)
    frozenset({'patient'})
    """
    code = np.unique(np.asarray(patient), return_inverse=True)[1]
    parts = parts_of(splits, len(code))
    leaks = []
    for number, (train, test) in enumerate(parts):
        both = np.intersect1d(code[train], code[test])
        if len(both):
            held_out = int(np.isin(code[test], both).sum())
            sentence = (
                f"{counted(len(both), 'patient')} with {counted(held_out, 'held-out row')} "
                "are learned from too; split by patient."
            )
            leaks.append(Leak(number, "patient", sentence))
    n_patients = counted(int(code.max(initial=-1)) + 1, "patient")
    return LeakReport(f"{n_patients} and {counted(len(parts), 'split')}", tuple(leaks))


def check_duplicates_apart(X: npt.ArrayLike, splits: Splits) -> LeakReport:
    """Tell whether a held-out row is the same as a training row in all columns, or in all but one.

    Likenesses that may be chance are passed over: see
    `training.checks.duplicates.duplicated_patients`.

    Parameters
    ----------
    X : array_like of float, shape (n, p)
        NaN where unknown. Text columns have to be made numbers first.
    splits : iterable of Split, or of (train, test)

    Raises
    ------
    UsageError
        For splits that do not fit the rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(40, 5))
    >>> splits = [(np.arange(20), np.arange(20, 40))]
    >>> print(check_duplicates_apart(X, splits))
    No leak found in 40 rows and 1 split.
    >>> X[39, :4] = X[3, :4]
    >>> print(check_duplicates_apart(X, splits))
    1 leak found in 40 rows and 1 split:
      - split 0: 1 held-out row is the same as a training row in all columns but one at the most; \
keep one row a patient, or hold both out together.
    """
    values = np.asarray(X, dtype=np.float64)
    parts = parts_of(splits, len(values))
    suspects = duplicated_patients(values)
    leaks = []
    for number, (train, test) in enumerate(parts):
        others = values[train[suspects[train]]]
        alike = sum(_has_twin(values[row], others) for row in test[suspects[test]])
        if alike:
            sentence = (
                f"{counted(alike, 'held-out row')} {'is' if alike == 1 else 'are'} the same as a "
                "training row in all columns but one at the most; keep one row a patient, or hold "
                "both out together."
            )
            leaks.append(Leak(number, "row", sentence))
    tried = f"{counted(len(values), 'row')} and {counted(len(parts), 'split')}"
    return LeakReport(tried, tuple(leaks))


def _has_twin(row: FloatArray, others: FloatArray) -> bool:
    same: BoolArray = (others == row) | (np.isnan(others) & np.isnan(row))
    return bool((np.count_nonzero(~same, axis=1) <= 1).any())
