"""Held-out predictions of one model, read from the tidy out-of-fold table and checked."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import pandas as pd

from data_schemas.errors import DataError, FieldProblem
from training.learning.rows import BoolArray, FloatArray, IntArray, SiteArray

REQUIRED_COLUMNS: Final = ("row", "site", "repeat", "fold", "y", "model", "probability")


@dataclass(frozen=True)
class HeldOut:
    """What one model predicted for patients it had not seen.

    Attributes
    ----------
    row : ndarray of int, shape (n,)
        The patients, ascending.
    y : ndarray of bool, shape (n,)
        Whether the outcome was reached.
    site : ndarray of str, shape (n,)
    probability : ndarray, shape (repeats, n)
        One prediction a repeat of the cross-validation, 0 to 1.
    fold : ndarray of int, shape (repeats, n)
        Which fit of the repeat predicted the patient.
    has_connectome : ndarray of bool, shape (n,)
        Whether an accepted connectome was there; all false where the table does not say.
    """

    row: IntArray
    y: BoolArray
    site: SiteArray
    probability: FloatArray
    fold: IntArray
    has_connectome: BoolArray

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.y)

    @property
    def smaller_class(self) -> int:
        """Number of patients in the rarer of the two outcomes."""
        return int(min(np.count_nonzero(self.y), np.count_nonzero(~self.y)))

    @property
    def comparable_class(self) -> int:
        """Patients of the rarer outcome, of those whose fit predicted patients of both."""
        smallest = self.n
        for fold in self.fold:
            both = np.isin(fold, np.intersect1d(fold[self.y], fold[~self.y]))
            n_events = int(np.count_nonzero(self.y & both))
            smallest = min(smallest, n_events, int(np.count_nonzero(both)) - n_events)
        return smallest

    @property
    def has_both_outcomes(self) -> bool:
        """Whether some patients reached the outcome and some did not."""
        return self.smaller_class > 0

    @property
    def varies_within_folds(self) -> bool:
        """Whether any fit told two of its patients apart by more than rounding."""
        for p, fold in zip(self.probability, self.fold, strict=True):
            if any(np.ptp(p[fold == code]) > 1e-9 for code in np.unique(fold)):
                return True
        return False

    @property
    def site_code(self) -> IntArray:
        """Sites as numbers, in alphabetical order, shape (repeats, n)."""
        code: IntArray = np.unique(self.site, return_inverse=True)[1]
        return np.broadcast_to(code, self.fold.shape)

    def of(self, member: BoolArray) -> Self:
        """Return the predictions for some of the patients."""
        return replace(
            self,
            row=self.row[member],
            y=self.y[member],
            site=self.site[member],
            probability=self.probability[:, member],
            fold=self.fold[:, member],
            has_connectome=self.has_connectome[member],
        )


def together(*groups: HeldOut) -> HeldOut:
    """Return the predictions of the same fits for several groups of patients, as for one group."""
    return HeldOut(
        row=np.arange(1, 1 + sum(group.n for group in groups)),
        y=np.concatenate([group.y for group in groups]),
        site=np.concatenate([group.site for group in groups]),
        probability=np.concatenate([group.probability for group in groups], axis=1),
        fold=np.concatenate([group.fold for group in groups], axis=1),
        has_connectome=np.concatenate([group.has_connectome for group in groups]),
    )


def held_out_models(out_of_fold: pd.DataFrame, *, both_outcomes: bool = True) -> dict[str, HeldOut]:
    """Return each model's held-out predictions, whatever the order of the table.

    Parameters
    ----------
    out_of_fold : DataFrame
        One line for each model, repeat and patient: `row` (the patient), `site`, `repeat`, `fold`,
        `y` (0 or 1), `model`, `probability`; optionally `has_connectome`.
    both_outcomes : bool
        Whether patients of both outcomes have to be among them.

    Raises
    ------
    DataError
        When a column is missing, a value cannot be used, a patient lacks a prediction or has two,
        or all patients have the same outcome where both have to occur.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in out_of_fold.columns]
    if missing:
        raise DataError(
            "The held-out predictions lack columns; pass on the whole out-of-fold table.",
            [FieldProblem(name, "is missing") for name in missing],
        )
    if out_of_fold.empty:
        raise DataError("There are no held-out predictions, so there is nothing to evaluate.")
    _check_values(out_of_fold)
    models = {str(name): _held_out(part, str(name)) for name, part in out_of_fold.groupby("model")}
    if both_outcomes and not all(held.has_both_outcomes for held in models.values()):
        raise DataError(
            "All patients have the same outcome, so no prediction can be judged; both outcomes "
            "have to occur."
        )
    return models


def _check_values(out_of_fold: pd.DataFrame) -> None:
    problems = []
    if not out_of_fold["y"].isin([0, 1]).all():
        problems.append(FieldProblem("y", "holds something else", "0 or 1"))
    if not out_of_fold["probability"].between(0, 1).all():
        problems.append(FieldProblem("probability", "is missing or out of range", "0 to 1"))
    if out_of_fold["site"].isna().any():
        problems.append(FieldProblem("site", "is missing", "a name for every patient"))
    if problems:
        raise DataError("The held-out predictions cannot be evaluated.", problems)


def _held_out(part: pd.DataFrame, model: str) -> HeldOut:
    ordered = part.sort_values(["repeat", "row"], kind="stable")
    n, repeats = ordered["row"].nunique(), ordered["repeat"].nunique()
    twice = ordered.duplicated(["repeat", "row"]).any()
    if twice or len(ordered) != n * repeats:
        raise DataError(
            f"The held-out predictions of {model} are not complete: every patient needs exactly "
            "one prediction in each repeat."
        )

    def grid(column: str) -> "np.ndarray[tuple[int, int], np.dtype[np.generic]]":
        return ordered[column].to_numpy().reshape(repeats, n)

    if (grid("y") != grid("y")[0]).any() or (grid("site") != grid("site")[0]).any():
        raise DataError(f"A patient's outcome or site differs between repeats of {model}.")
    return HeldOut(
        row=grid("row")[0].astype(np.int64),
        y=grid("y")[0].astype(np.bool_),
        site=grid("site")[0].astype(np.str_),
        probability=grid("probability").astype(np.float64),
        fold=grid("fold").astype(np.int64),
        has_connectome=(
            grid("has_connectome")[0].astype(np.bool_)
            if "has_connectome" in ordered
            else np.zeros(n, dtype=np.bool_)
        ),
    )
