"""Ways to alter rows that a fit must not depend on, each keeping the type of every column."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from training.isolation.leaks import What
from training.learning.rows import IntArray

Values = npt.NDArray[Any]
Table = Values | pd.DataFrame
# Takes a column, the rows to alter and a generator; returns the new values of those rows.
Change = Callable[[Values, IntArray, np.random.Generator], Values]

# Spreads of a column: so far out that a mean over everyone cannot but move.
_FAR: float = 1000.0
_UNHEARD_OF = "?" * 12


class Data(NamedTuple):
    """Features, outcomes and sites of everyone; `site` is None where there are none."""

    X: Table
    y: Values
    site: Values | None

    def copy(self) -> "Data":
        """Return copies, so that a fit may write into what it is given."""
        return Data(self.X.copy(), self.y.copy(), None if self.site is None else self.site.copy())


class Alteration(NamedTuple):
    """What was altered, how (a word that completes "when it is"), and the result."""

    what: What
    how: str
    data: Data


def alterations(data: Data, rows: IntArray, rng: np.random.Generator) -> Iterator[Alteration]:
    """Yield copies of the data with the features, outcomes or sites of some rows altered."""
    permuted: Change = partial(_permuted, rng.permutation(len(rows)))
    of_x: dict[str, Change] = {"permuted": permuted, "redrawn": _redrawn, "shifted": _shifted}
    if bool(np.any(pd.isna(data.X))):
        # A fit that knows no missing values may refuse them without having learned from them.
        of_x["emptied"] = _emptied
    for how, change in of_x.items():
        yield Alteration("X", how, data._replace(X=_changed_table(data.X, rows, change, rng)))
    of_y: dict[str, Change] = {
        "permuted": permuted, "exchanged": _exchanged, "made equal": _levelled,
    }  # fmt: skip
    for how, change in of_y.items():
        yield Alteration("y", how, data._replace(y=_changed(data.y, rows, change, rng)))
    of_site: dict[str, Change] = {"exchanged": _exchanged, "renamed": _renamed}
    for how, change in of_site.items():
        if data.site is not None:
            yield Alteration(
                "site", how, data._replace(site=_changed(data.site, rows, change, rng))
            )


def redrawn(data: Data, rows: IntArray, rng: np.random.Generator) -> Data:
    """Return a copy with features and outcomes of some rows altered at once."""
    return data._replace(
        X=_changed_table(data.X, rows, _redrawn, rng), y=_changed(data.y, rows, _exchanged, rng)
    )


def _changed_table(X: Table, rows: IntArray, change: Change, rng: np.random.Generator) -> Table:
    altered = X.copy()
    for number in range(X.shape[1]):
        if isinstance(altered, pd.DataFrame):
            column = altered.iloc[:, number].copy()
            column.iloc[rows] = change(column.to_numpy(), rows, rng)
            altered.isetitem(number, column.array)
        else:
            altered[rows, number] = change(altered[:, number], rows, rng)
    return altered


def _changed(values: Values, rows: IntArray, change: Change, rng: np.random.Generator) -> Values:
    altered = values.copy()
    altered[rows] = change(values, rows, rng)
    return altered


def _permuted(order: IntArray, column: Values, rows: IntArray, _: np.random.Generator) -> Values:
    return column[rows[order]]


def _redrawn(column: Values, rows: IntArray, rng: np.random.Generator) -> Values:
    if not types.is_float_dtype(column.dtype):
        return _exchanged(column, rows, rng)
    known = column[np.isfinite(column)]
    spread = float(np.std(known)) + 1.0 if len(known) else 1.0
    return np.asarray(rng.normal(0.0, _FAR * spread, len(rows)), dtype=column.dtype)


def _shifted(column: Values, rows: IntArray, rng: np.random.Generator) -> Values:
    """As if recorded in another unit, from another zero."""
    if not types.is_numeric_dtype(column.dtype) or types.is_bool_dtype(column.dtype):
        return _exchanged(column, rows, rng)
    return np.asarray(10 * column[rows] + 3, dtype=column.dtype)


def _emptied(column: Values, rows: IntArray, _: np.random.Generator) -> Values:
    if types.is_float_dtype(column.dtype):
        return np.full(len(rows), np.nan, dtype=column.dtype)
    return column[rows]


def _exchanged(column: Values, rows: IntArray, rng: np.random.Generator) -> Values:
    """Give each row a value that occurs elsewhere in the column, and is not its own."""
    code, levels = pd.factorize(column)
    if len(levels) < 2:
        return column[rows]
    # Missing values have the code -1, and get any value.
    steps = rng.integers(1, len(levels), len(rows))
    return np.asarray(np.asarray(levels)[(code[rows] + steps) % len(levels)], dtype=column.dtype)


def _levelled(column: Values, rows: IntArray, _: np.random.Generator) -> Values:
    """Give each row the value that is rarest among them: exchanged, a half would stay a half."""
    code, levels = pd.factorize(column)
    rarest = int(np.argmin(np.bincount(code[rows][code[rows] >= 0], minlength=len(levels))))
    return np.full(len(rows), np.asarray(levels)[rarest], dtype=column.dtype)


def _renamed(column: Values, rows: IntArray, _: np.random.Generator) -> Values:
    """Give all rows one name that is not in the column, of a length that its type can hold."""
    if types.is_numeric_dtype(column.dtype):
        return np.full(len(rows), np.max(column) + 1, dtype=column.dtype)
    return np.full(len(rows), _UNHEARD_OF, dtype=column.dtype)
