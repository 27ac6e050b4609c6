"""What an alarm reports, and the error that it becomes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_schemas.errors import ModelError, UsageError
from training.learning.rows import IntArray
from training.learning.splits import Split

What = Literal["X", "y", "site", "patient", "row"]
Splits = Iterable[Split | tuple[IntArray, IntArray]]


class IsolationError(ModelError):
    """A pipeline that knows what it must not know."""


@dataclass(frozen=True)
class Leak:
    """One way in which held-out patients reach what is learned.

    Attributes
    ----------
    split : int
        Position among the splits, from 0.
    what : {"X", "y", "site", "patient", "row"}
        What leaks: held-out features, outcomes or sites, or patients and rows on both sides.
    sentence : str
        How it shows; never with a patient's value.
    """

    split: int
    what: What
    sentence: str


@dataclass(frozen=True)
class LeakReport:
    """What an alarm found.

    Attributes
    ----------
    tried : str
        What was looked at, in words.
    leaks : tuple of Leak
        None where all is well.
    """

    tried: str
    leaks: tuple[Leak, ...]

    @property
    def what(self) -> frozenset[What]:
        """What leaks, over all splits."""
        return frozenset(leak.what for leak in self.leaks)

    def assert_isolated(self) -> None:
        """Do nothing where all is well.

        Raises
        ------
        IsolationError
            With a sentence for each leak.
        """
        if self.leaks:
            raise IsolationError(str(self))

    def __str__(self) -> str:
        if not self.leaks:
            return f"No leak found in {self.tried}."
        found = counted(len(self.leaks), "leak")
        lines = [f"  - split {leak.split}: {leak.sentence}" for leak in self.leaks]
        return "\n".join([f"{found} found in {self.tried}:", *lines])


def parts_of(splits: Splits, n: int) -> list[tuple[IntArray, IntArray]]:
    """Return the training and held-out rows of each split.

    Raises
    ------
    UsageError
        When there is no split, a part is empty, or one holds rows that are not there or in both.
    """
    pairs = [(s.train, s.test) if isinstance(s, Split) else s for s in splits]
    parts = [(np.asarray(train), np.asarray(test)) for train, test in pairs]
    if not parts:
        raise UsageError("There is no split to test; give at least one.")
    for number, (train, test) in enumerate(parts):
        if not ({train.dtype.kind, test.dtype.kind} <= {"i", "u"} and len(train) and len(test)):
            raise UsageError(
                f"Split {number} has a part that is empty or not of row numbers; "
                "give the numbers of the rows to learn from and of those held out."
            )
        rows = np.concatenate([train, test])
        if rows.min() < 0 or rows.max() >= n:
            raise UsageError(
                f"Split {number} names rows that are not there; rows are 0 to {n - 1}."
            )
        if shared := len(np.intersect1d(train, test)):
            raise UsageError(
                f"Split {number} learns from {counted(shared, 'row')} that it holds out too; "
                "the parts of a split have no row in common."
            )
    return parts


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> counted(1, "split"), counted(3, "split")
    ('1 split', '3 splits')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
