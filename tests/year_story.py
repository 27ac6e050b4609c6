"""The simulated year as a table for people."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from lived_year import CRASH, DRIFT, OUTAGE, PROMOTION, ROLLBACK, WEEKS, Year

HEAD = (
    "| weeks | patients | model | outcomes | responded | predicted | what happened |\n"
    "|---|---:|---|---:|---:|---:|---|\n"
)
_STARTS = (1, OUTAGE, OUTAGE + 1, CRASH, CRASH + 1, DRIFT.start, PROMOTION, PROMOTION + 1,
           ROLLBACK, ROLLBACK + 1, WEEKS + 1)  # fmt: skip


def story(year: Year, numbers: dict[str, str]) -> str:
    """Return a table in Markdown: some weeks a line, and those who were asked about in them.

    Parameters
    ----------
    year : Year
        That was lived.
    numbers : dict of str to str
        Of the versions in MLflow, by the version that stands in predictions.
    """
    events, reported = sorted(_events(year)), year.reported()
    lines = []
    for first, after in pairwise(_STARTS):
        told = [each for each in year.told.values() if first <= each.patient.week < after]
        known = [each for each in told if each.patient.number in reported]
        models = sorted({numbers[each.version] for each in told})
        cells = (
            str(first) if after == first + 1 else f"{first} to {after - 1}",
            str(len(told)),
            " and ".join(models),
            str(len(known)),
            _percent([reported[each.patient.number].responded for each in known]),
            # In the week of a change it is a matter of moments which model answers whom.
            _percent([each.chance or np.nan for each in known] if len(models) == 1 else []),
            " ".join(text for week, text in events if first <= week < after),
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def _percent(values: Sequence[float]) -> str:
    return f"{100 * np.nanmean(values):.0f} %" if values else ""


def _events(year: Year) -> Iterator[tuple[int, str]]:
    yield OUTAGE, "PostgreSQL is killed: predictions wait in the outbox, outcomes for a week."
    yield CRASH, "The service is killed: everybody asks again with the same keys."
    yield DRIFT.start, "From now on patients respond more seldom."
    for week, codes in year.alarms.items():
        if week < DRIFT.start:
            yield week, f"No alarm in week {week}."
        elif codes:
            yield week, f"Alarm in week {week}: `{'`, `'.join(codes)}`."
    for week in year.refused:
        yield week, f"Too few outcomes for an update in week {week}."
    yield year.updated, f"Update registered in week {year.updated}."
    yield PROMOTION, "The update is promoted while hospitals ask."
    yield ROLLBACK, "Patients respond as before: rolled back while hospitals ask."
