"""A prediction made earlier, found by its identifier."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import select

from data_schemas.prediction import Notice
from serving.ledger.database import Database
from serving.ledger.tables import predictions


@dataclass(frozen=True)
class RecordedPrediction:
    """What the ledger keeps of a prediction, without the patient's pseudonym.

    Attributes
    ----------
    prediction_id : str
    recorded_at : datetime
    caller : str
        Who asked for it.
    model_version : str
        Of the model that made it.
    features : dict of str to float or None
        What it was made from, by the name of the feature; None where unknown.
    probability : float or None
        None where the model abstained.
    interval_lower, interval_upper, interval_level : float or None
        None where it has no interval.
    notices : tuple of Notice
    """

    prediction_id: str
    recorded_at: datetime
    caller: str
    model_version: str
    features: dict[str, float | None]
    probability: float | None
    interval_lower: float | None
    interval_upper: float | None
    interval_level: float | None
    notices: tuple[Notice, ...]


# PostgreSQL takes not every text as a value.
_IDENTIFIER: Final = re.compile("[0-9a-f-]{36}")
_COLUMNS: Final = tuple(predictions.c[name] for name in RecordedPrediction.__dataclass_fields__)


def find_prediction(database: Database, prediction_id: str) -> RecordedPrediction | None:
    """Return a prediction, or None where the ledger holds none of that identifier.

    Raises
    ------
    LedgerUnavailableError
        When the database is away.
    """
    if not _IDENTIFIER.fullmatch(prediction_id):
        return None
    query = select(*_COLUMNS).where(predictions.c.prediction_id == prediction_id)
    with database.reading() as connection:
        found = connection.execute(query).mappings().one_or_none()
    if found is None:
        return None
    content: dict[str, Any] = dict(found)
    content["features"] = orjson.loads(content["features"])
    notices = orjson.loads(content["notices"])
    content["notices"] = tuple(Notice.model_validate(each) for each in notices)
    return RecordedPrediction(**content)
