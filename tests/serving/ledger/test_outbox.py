"""PostgreSQL goes away and comes back under predictions: none is lost, doubled or out of order."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import pytest
from ledgers import KEYS, NOW, PostgresServer, entry, rows_of

from data_schemas.outcome_report import OutcomeReport
from serving.ledger.database import Database, LedgerUnavailableError
from serving.ledger.entries import Entry, StoredAnswer, write_entries
from serving.ledger.ledger import Ledger
from serving.ledger.outbox import ForwardingStore
from serving.ledger.tables import answers

OpenLedger = Callable[..., Ledger]


def ids(entries: list[Entry]) -> list[str]:
    return [row["prediction_id"] for each in entries for row in each.rows]


def kept(url: str) -> list[str]:
    return [row["prediction_id"] for row in rows_of(url)]


def write_each(ledger: Ledger, entries: list[Entry]) -> None:
    """Write entries one after the other, as requests do; each must be acknowledged."""
    for each in entries:
        future: Future[StoredAnswer | None] = ledger._writer.submit(each)
        assert future.result(timeout=60) is None


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)


def test_nothing_is_lost_doubled_or_disordered_by_an_outage(
    postgres: PostgresServer, open_ledger: OpenLedger, tmp_path: Path
) -> None:
    url, outbox = postgres.new_database(), f"sqlite:///{tmp_path / 'outbox.db'}"
    ledger = open_ledger(url)
    entries = [entry(number) for number in range(60)]
    report = OutcomeReport(prediction_id=ids(entries)[30], measured_on=NOW.date(), responded=True)
    write_each(ledger, entries[:20])
    postgres.stop()
    try:
        write_each(ledger, entries[20:40])
        assert kept(outbox) == ids(entries[20:40])
        with pytest.raises(LedgerUnavailableError):
            ledger.record_outcome(report, "tests")
    finally:
        postgres.start()
    write_each(ledger, entries[40:])
    wait_until(lambda: kept(outbox) == [])
    assert kept(url) == ids(entries)
    assert ledger.record_outcome(report, "tests").status == "recorded"


def test_a_service_starts_while_the_server_is_away_and_forwards_without_requests(
    postgres: PostgresServer, open_ledger: OpenLedger, tmp_path: Path
) -> None:
    url, outbox = postgres.new_database(), f"sqlite:///{tmp_path / 'outbox.db'}"
    later = NOW + timedelta(hours=1)
    keyed = entry(body=b"answer", idempotency_key="outage", expires_at=later)
    postgres.stop()
    try:
        ledger = open_ledger(url, clock=lambda: NOW)
        write_each(ledger, [keyed])
        again = entry(body=b"other", idempotency_key="outage", expires_at=later)
        repeated = ledger._writer.submit(again).result(timeout=60)
        assert repeated is not None
        assert repeated.body == b"answer"
        assert ledger.remember_once("jti", "outage", 4e9)
        assert not ledger.remember_once("jti", "outage", 4e9)
    finally:
        postgres.start()
    wait_until(lambda: kept(outbox) == [])
    assert kept(url) == ids([keyed])
    assert [row["idempotency_key"] for row in rows_of(url, answers)] == ["outage"]


def test_what_was_forwarded_and_not_yet_removed_is_not_doubled(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """As after a kill between the server's commit and the outbox's."""
    url = postgres.new_database()
    server, outbox = Database(url), Database(f"sqlite:///{tmp_path / 'outbox.db'}")
    store = ForwardingStore(server, outbox, lambda: NOW)
    entries = [entry(number) for number in range(5)]
    write_entries(server, entries[:3], NOW)
    write_entries(outbox, entries, NOW)
    assert store.forward()
    assert kept(url) == ids(entries)
    assert kept(f"sqlite:///{tmp_path / 'outbox.db'}") == []
    server.close()
    outbox.close()


def test_while_neither_can_be_written_nothing_is_acknowledged(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    file = tmp_path / "outbox.db"
    ledger = Ledger(nowhere, KEYS, file)
    raw = ledger._outbox._engine.raw_connection()
    raw.driver_connection.execute("DROP TABLE predictions")  # type: ignore[union-attr]
    raw.close()
    with pytest.raises(LedgerUnavailableError):
        ledger._writer.submit(entry()).result(timeout=60)
    ledger.close()
