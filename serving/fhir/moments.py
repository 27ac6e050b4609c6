"""When something was: a day, and the instant where it is known."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Self

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Moment:
    """A day as it was written, and the instant in UTC where a time was written too."""

    day: date
    instant: datetime | None = None

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """Return a FHIR date, dateTime or instant; None where it is less precise than a day.

        Examples
        --------
        >>> Moment.parse("2026-03") is None
        True
        >>> Moment.parse("2026-03-02T23:30:00-05:00").instant.isoformat()
        '2026-03-03T04:30:00+00:00'
        """
        if not isinstance(text, str) or not _DAY.match(text):
            return None
        try:
            day = date.fromisoformat(text[:10])
            instant = datetime.fromisoformat(text) if len(text) > 10 else None
            if instant is None:
                return cls(day)
            return None if instant.tzinfo is None else cls(day, instant.astimezone(UTC))
        except (ValueError, OverflowError):
            return None

    @classmethod
    def of(cls, instant: datetime) -> Self:
        """Return the moment of an aware time."""
        return cls(instant.date(), instant.astimezone(UTC))

    def is_after(self, other: "Moment") -> bool:
        """Return whether it is later; without both times, only another day is."""
        if self.instant is not None and other.instant is not None:
            return self.instant > other.instant
        return self.day > other.day

    def days_before(self, other: "Moment") -> int:
        """Return how many days lie between this one and a later one."""
        return (other.day - self.day).days


def latest(moments: list[Moment]) -> list[bool]:
    """Return which moments are not certainly before another."""
    last_day = max((each.day for each in moments), default=date.min)
    last_instant = max((each.instant for each in moments if each.instant), default=None)
    last_untimed = max((each.day for each in moments if not each.instant), default=date.min)
    return [
        last_day <= each.day
        if each.instant is None or last_instant is None
        else last_instant <= each.instant and last_untimed <= each.day
        for each in moments
    ]
