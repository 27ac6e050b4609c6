"""Ledgers in SQLite and in a real PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledgers import KEYS

from serving.ledger.database import Database
from serving.ledger.ledger import Ledger
from serving.ledger.schema import upgrade


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A ledger's database with its tables."""
    database = Database(url)
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def open_ledger(tmp_path: Path) -> Iterator[Callable[..., Ledger]]:
    """Open ledgers that are closed after the test."""
    opened: list[Ledger] = []

    def opener(url: str, keys: object = KEYS, **options: object) -> Ledger:
        ledger = Ledger(url, keys, tmp_path / "outbox.db", **options)  # type: ignore[arg-type]
        opened.append(ledger)
        return ledger

    yield opener
    for ledger in opened:
        ledger.close()
