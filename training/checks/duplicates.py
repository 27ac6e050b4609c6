"""Patients who stand in the table twice, exactly or in all but one number."""

from typing import Final

import numpy as np
import numpy.typing as npt

from training.learning.rows import BoolArray, FloatArray

# Pairs of patients, in the whole cohort, that may be alike by chance before a likeness is believed.
_EXPECTED_BY_CHANCE: Final = 1e-3

_Hash = npt.NDArray[np.uint64]


def duplicated_patients(X: FloatArray) -> BoolArray:
    """Return which rows are alike in all columns, or in all but one, and not by chance.

    A row counts only where it shares so many values that, were the columns independent, fewer than
    `_EXPECTED_BY_CHANCE` pairs of the cohort would be alike in them. How often two patients agree
    in a column is counted in that column; a value that most patients have is held to be as common
    as it is. What is unknown says nothing: two empty rows are no likeness.

    Parameters
    ----------
    X : ndarray, shape (n, p)
        Features; NaN where unknown.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    n, p = X.shape
    whole, surprise = np.zeros(n, dtype=np.uint64), np.zeros(n)
    for column in range(p):
        hashes, rarity = _column(X[:, column], column)
        whole += hashes
        surprise += rarity
    needed = np.log(max(1, n * (n - 1) / 2) / _EXPECTED_BY_CHANCE)
    found: BoolArray = _repeated(whole) & (surprise > needed)
    # Leaving one column out can be done in p ways, each of them a chance to be alike.
    needed += np.log(max(1, p))
    for column in range(p):
        hashes, rarity = _column(X[:, column], column)
        rare = surprise - rarity > needed
        found[rare] |= _repeated(whole[rare] - hashes[rare])
    return found


def _column(x: FloatArray, number: int) -> tuple[_Hash, FloatArray]:
    """Return a hash of each value, and how rare agreement in it is: minus the log of its chance."""
    values, code, counts = np.unique(x, return_inverse=True, return_counts=True)
    known = ~np.isnan(x)
    of_values = counts[~np.isnan(values)].astype(np.float64)
    total = of_values.sum()
    agreeing = np.sum(of_values * (of_values - 1)) / 2
    chance = min(1.0, (agreeing + 1) / max(1.0, total * (total - 1) / 2))
    share = counts[code] / max(1.0, total)
    common = np.where(share > 0.5, np.minimum(share, 1), chance)
    rarity: FloatArray = np.where(known, -np.log(common), 0.0)
    return _mixed(code, number), rarity


def _mixed(code: npt.NDArray[np.intp], number: int) -> _Hash:
    """Return 64-bit hashes (SplitMix64) whose sum over the columns stands for the row."""
    z = code.astype(np.uint64) + np.uint64((number << 40) + 1)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: _Hash = z ^ (z >> np.uint64(31))
    return mixed


def _repeated(keys: _Hash) -> BoolArray:
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeated: BoolArray = counts[place] > 1
    return repeated
