"""Entries are whole or not there, and a key has one answer."""

import threading
from datetime import timedelta

import pytest
from ledgers import NOW, entry, rows_of

from serving.ledger.database import Database, LedgerUnavailableError
from serving.ledger.entries import StoredAnswer, write_entries
from serving.ledger.tables import answers

LATER = NOW + timedelta(hours=1)


def test_entries_are_kept_in_their_order(database: Database, url: str) -> None:
    entries = [entry(number) for number in range(20)]
    assert write_entries(database, entries, NOW) == [None] * 20
    expected = [each.rows[0]["prediction_id"] for each in entries]
    assert [row["prediction_id"] for row in rows_of(url)] == expected


def test_an_entry_written_again_is_there_once(database: Database, url: str) -> None:
    same = entry()
    write_entries(database, [same, same], NOW)
    write_entries(database, [same], NOW)
    assert len(rows_of(url)) == 1


def test_a_key_keeps_its_first_answer(database: Database, url: str) -> None:
    first = entry(body=b"first", expires_at=LATER)
    second = entry(body=b"second", fingerprint="g", expires_at=LATER)
    other_caller = entry(body=b"other", caller="others", expires_at=LATER)
    assert write_entries(database, [first], NOW) == [None]
    expected = StoredAnswer("f", "application/json", b"first")
    assert write_entries(database, [second, other_caller], NOW) == [expected, None]
    kept = {row["prediction_id"] for row in rows_of(url)}
    assert kept == {each.rows[0]["prediction_id"] for each in (first, other_caller)}


def test_an_expired_key_is_free_again(database: Database) -> None:
    write_entries(database, [entry(body=b"first", expires_at=LATER)], NOW)
    again = entry(body=b"second", expires_at=LATER + timedelta(hours=1))
    assert write_entries(database, [again], LATER) == [None]


def test_a_clock_that_jumps_back_loses_and_repeats_nothing(database: Database, url: str) -> None:
    first = entry(1, body=b"first", expires_at=LATER)
    write_entries(database, [first], NOW)
    back = NOW - timedelta(days=400)
    repeated, new = entry(2, body=b"again", expires_at=LATER), entry(3, now=back)
    [found, none] = write_entries(database, [repeated, new], back)
    assert found is not None
    assert found.body == b"first"
    assert none is None
    ids = [row["prediction_id"] for row in rows_of(url)]
    assert ids == [first.rows[0]["prediction_id"], new.rows[0]["prediction_id"]]


def test_of_many_at_once_one_is_written(url: str, database: Database) -> None:
    found: list[StoredAnswer | None] = []
    start = threading.Barrier(6)

    def write(number: int) -> None:
        both = [
            entry(number, idempotency_key=key, body=b"%d" % number, expires_at=LATER)
            for key in ("ab" if number % 2 else "ba")
        ]
        start.wait()
        found.extend(write_entries(database, both, NOW))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert found.count(None) == 2
    assert len(rows_of(url)) == len(rows_of(url, answers)) == 2


def test_one_entry_that_cannot_be_written_stops_all_and_shows_nothing(
    database: Database, url: str
) -> None:
    broken = entry()
    broken.rows[0]["model_name"] = None
    broken.rows[0]["route"] = "planted-61.8034"
    with pytest.raises(LedgerUnavailableError, match="cannot be used now") as caught:
        write_entries(database, [entry(), broken], NOW)
    assert "61.8034" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert rows_of(url) == []
