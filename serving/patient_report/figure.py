"""The probability as people: how many of a hundred, and where the picture's parts stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from typing import Final

from data_schemas.prediction import Interval

PEOPLE: Final = 100
_ROWS: Final = 10
_PITCH: Final = 24  # side of one person's square, in units of the picture


@dataclass(frozen=True)
class Person:
    """One of the hundred: the corner of the square, and whether it is filled."""

    x: int
    y: int
    filled: bool


@dataclass(frozen=True)
class Figure:
    """A probability among a hundred people, with its interval and the base rate beside it.

    The hundred are filled column by column, so that a number of people is a place on the axis
    below them: the interval and the base rate are drawn there.

    Attributes
    ----------
    probability, base_rate : float
    interval : Interval or None
    """

    probability: float
    base_rate: float
    interval: Interval | None

    @property
    def people(self) -> Iterator[Person]:
        """The hundred, in the order in which they are filled."""
        filled = count(self.probability)
        for number in range(PEOPLE):
            column, row = divmod(number, _ROWS)
            yield Person(_PITCH * column, _PITCH * row, number < filled)

    @property
    def number(self) -> str:
        """How many of the hundred, in words where they would be none or all."""
        return count_words(self.probability)

    @property
    def base_number(self) -> str:
        """How many of a hundred training patients."""
        return count_words(self.base_rate)

    @property
    def interval_words(self) -> str:
        """The interval as numbers of people; empty where there is none."""
        if self.interval is None:
            return ""
        return f"{count_words(self.interval.lower)} to {count_words(self.interval.upper)}"

    @property
    def is_like_average(self) -> bool:
        """Whether the base rate lies within the interval."""
        interval = self.interval
        return interval is not None and interval.lower <= self.base_rate <= interval.upper


def place(probability: float) -> float:
    """Return where a probability stands on the axis of the picture."""
    return round(probability * _PITCH * PEOPLE / _ROWS, 2)


def count(probability: float) -> int:
    """Return how many of a hundred people a probability is, a half rounded up."""
    return floor(PEOPLE * probability + 0.5)


def count_words(probability: float) -> str:
    """Return the number of people, and never that nobody or everybody is certain.

    Examples
    --------
    >>> count_words(0.412), count_words(0.004), count_words(0.999)
    ('41', 'fewer than 1', 'more than 99')
    """
    number = count(probability)
    if number == 0:
        return "fewer than 1"
    return "more than 99" if number == PEOPLE else str(number)
