"""The day on which each participant's treatment started."""

import re
from datetime import date, datetime

from training.cohort.joining import Study

_YEAR = re.compile(r"[0-9]{4}(\.0)?")  # 2021.0 where a program wrote years with gaps as numbers
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T].*)?")

# BIDS marks dates that were shifted to protect privacy by a year no later than this (its section
# on units). Each participant's are shifted by another number of days.
_LAST_SHIFTED_YEAR = 1925


def start_dates(study: Study) -> list[date | None]:
    """Return one date a participant, None where it is unknown or the spec names no column.

    Cells that are not ISO dates, and dates shifted as BIDS shifts them, are reported.
    """
    source = study.spec.treatment.start_date
    if source is None:
        return [None] * len(study.ids)
    (column,) = study.columns(source)
    dates = [None if cell is None else parse_date(cell) for cell in column.texts()]
    unclear = [known and day is None for known, day in zip(column.known(), dates, strict=True)]
    study.findings.bad_cells(
        column.place,
        column.rows[unclear],
        "is not a date of the start of treatment",
        "YYYY-MM-DD, YYYY-MM or YYYY",
    )
    shifted = [day is not None and day.year <= _LAST_SHIFTED_YEAR for day in dates]
    study.findings.bad_cells(
        column.place,
        column.rows[shifted],
        f"is in {_LAST_SHIFTED_YEAR} or earlier, as BIDS writes shifted dates; they do not tell "
        "which participant came first, so leave start_date out",
    )
    return dates


def parse_date(text: str) -> date | None:
    """Return the day that an ISO date or date with a time names, None where it is none.

    A month or a year alone stands for its first day.

    Examples
    --------
    >>> str(parse_date("2021-03-04 00:00:00")), str(parse_date("2021-03")), str(parse_date("2021"))
    ('2021-03-04', '2021-03-01', '2021-01-01')
    >>> parse_date("04/03/2021") is None
    True
    """
    if _YEAR.fullmatch(text):
        text = f"{text[:4]}-01-01"
    elif _MONTH.fullmatch(text):
        text = f"{text}-01"
    elif not _DAY.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
