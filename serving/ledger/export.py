"""The ledger as one table: a prediction a row, with its features and its latest outcome."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pandas as pd
from sqlalchemy import func, select

from data_schemas.errors import UsageError
from serving.ledger.database import Database
from serving.ledger.tables import outcomes, predictions

FEATURE_PREFIX: Final = "feature."
_SUFFIXES: Final = (".csv", ".parquet")


def check_export_path(out: Path) -> None:
    """Refuse a file that could not be written.

    Raises
    ------
    UsageError
        When its name ends otherwise than in .csv or .parquet, or its folder is absent.
    """
    if out.suffix not in _SUFFIXES:
        raise UsageError(f"{out} must end in {' or '.join(_SUFFIXES)}.")
    if not out.parent.is_dir():
        raise UsageError(f"There is no folder {out.parent}; make it first.")


def ledger_table(database: Database, since: datetime | None = None) -> pd.DataFrame:
    """Return the predictions of a ledger, in the order in which they were recorded.

    Parameters
    ----------
    database : Database
        A ledger.
    since : datetime or None
        Only predictions recorded at or after this moment.

    Returns
    -------
    DataFrame
        The columns of the table `predictions`, where `notices` are their codes; the latest report's
        `measured_on`, `outcome_instrument`, `final_total` and `responded`, and `outcome_reports`,
        how many there are; then a column `feature.NAME` for each feature of any model.
    """
    rows = [_row(row) for row in _rows(database, since)]
    names = [name for name in _columns() if name != "features"]
    found = dict.fromkeys(name for row in rows for name in row)
    features = [name for name in found if name.startswith(FEATURE_PREFIX)]
    return pd.DataFrame(rows, columns=[*names, *features])


def write_ledger_table(table: pd.DataFrame, out: Path) -> None:
    """Write a table, readable for its owner alone; an interrupted write leaves no part of it."""
    check_export_path(out)
    with _replacing(out) as draft:
        if out.suffix == ".csv":
            table.to_csv(draft, index=False)
        else:
            table.to_parquet(draft, index=False)


def _columns() -> list[str]:
    latest = ["measured_on", "outcome_instrument", "final_total", "responded", "outcome_reports"]
    return [*predictions.columns.keys(), *latest]


def _rows(database: Database, since: datetime | None) -> list[dict[str, Any]]:
    latest = (
        select(func.max(outcomes.c.sequence).label("sequence"), func.count().label("reports"))
        .group_by(outcomes.c.prediction_id)
        .subquery()
    )
    reported = (
        select(outcomes, latest.c.reports)
        .join(latest, outcomes.c.sequence == latest.c.sequence)
        .subquery()
    )
    query = (
        select(
            predictions,
            reported.c.measured_on,
            reported.c.instrument.label("outcome_instrument"),
            reported.c.final_total,
            reported.c.responded,
            func.coalesce(reported.c.reports, 0).label("outcome_reports"),
        )
        .outerjoin(reported, reported.c.prediction_id == predictions.c.prediction_id)
        .order_by(predictions.c.sequence)
    )
    if since is not None:
        query = query.where(predictions.c.recorded_at >= since)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    features = orjson.loads(row.pop("features"))
    row["notices"] = " ".join(notice["code"] for notice in orjson.loads(row["notices"]))
    return {**row, **{f"{FEATURE_PREFIX}{name}": value for name, value in features.items()}}


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """Give a private file that takes the name wanted once it is whole."""
    descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
