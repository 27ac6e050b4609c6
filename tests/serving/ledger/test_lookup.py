"""A prediction is found by its identifier, as it was written, in both kinds of database."""

import json
import uuid
from dataclasses import replace

import pytest
from ledgers import NOW, entry

from data_schemas.prediction import Notice
from serving.ledger.database import Database
from serving.ledger.entries import write_entries
from serving.ledger.lookup import find_prediction

NEVER_GIVEN = str(uuid.UUID(int=7))


def test_what_was_written_is_found(database: Database) -> None:
    notice = Notice(code="made_up", message="Made up.")
    entries = [entry(number) for number in range(3)]
    row = {**entries[1].rows[0], "probability": 0.1 + 0.2, "interval_lower": 1 / 3,
           "features": json.dumps({"age": 1 / 7, "sex": None}),
           "notices": json.dumps([notice.model_dump()])}  # fmt: skip
    write_entries(database, [entries[0], replace(entries[1], rows=(row,)), entries[2]], NOW)
    found = find_prediction(database, row["prediction_id"])
    assert found is not None
    assert (found.prediction_id, found.recorded_at) == (row["prediction_id"], NOW)
    assert (found.caller, found.model_version) == ("tests", "1")
    # To the last digit: the prediction is to be made again from it.
    assert (found.probability, found.interval_lower) == (0.1 + 0.2, 1 / 3)
    assert found.features == {"age": 1 / 7, "sex": None}
    assert found.notices == (notice,)


@pytest.mark.parametrize("asked", ["", "another", "a\0b", "\ud800", NEVER_GIVEN, "0" * 5000])
def test_what_was_not_written_is_not_found(database: Database, asked: str) -> None:
    write_entries(database, [entry()], NOW)
    assert find_prediction(database, asked) is None
