"""A connection that stays open writes when its turn comes, and not much later."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.ledger import kept_connection
from serving.ledger.kept_connection import Insertion, KeptConnection

ONE = Insertion("INSERT INTO t VALUES (?)", [1], row_by_row=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    other = sqlite3.connect(tmp_path / "ledger.db")
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("CREATE TABLE t (number)")
    other.close()
    return tmp_path / "ledger.db"


@pytest.fixture
def kept(file: Path) -> KeptConnection:
    return KeptConnection(
        file, lambda: sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    )


def count(file: Path) -> int:
    reader = sqlite3.connect(file)
    [number] = reader.execute("SELECT count(*) FROM t").fetchone()
    reader.close()
    return int(number)


@pytest.mark.parametrize("together", [[ONE], [ONE, ONE]], ids=["one", "together"])
def test_it_writes_soon_after_another_has_written(
    file: Path, kept: KeptConnection, together: list[Insertion]
) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    kept.current()
    late = []
    for _ in range(3):
        other.execute("BEGIN IMMEDIATE")
        writer = threading.Thread(target=kept.write, args=[together])
        writer.start()
        # SQLite by itself would look 228 ms after it began to wait, and 100 ms later.
        time.sleep(0.24)
        before = count(file)
        other.execute("ROLLBACK")
        begun = time.perf_counter()
        writer.join()
        late.append(time.perf_counter() - begun)
        assert count(file) == before + len(together)
    assert min(late) < 0.05
    kept.close()
    other.close()


def test_it_waits_for_readers_where_they_hold_it_up(file: Path, kept: KeptConnection) -> None:
    """As in a ledger that was put back from a copy in SQLite's own mode."""
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("PRAGMA journal_mode = DELETE")
    kept.write([ONE])
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(kept.write, [ONE, ONE])
        time.sleep(0.1)
        reader.execute("COMMIT")
        writing.result()
    assert count(file) == 3
    kept.close()
    reader.close()


def test_it_gives_up_after_some_time(
    file: Path, kept: KeptConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_connection, "SQLITE_WAIT_SECONDS", 0.1)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.perf_counter()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        kept.write([ONE])
    assert 0.1 <= time.perf_counter() - begun < 5
    other.execute("ROLLBACK")
    kept.write([ONE])
    assert count(file) == 1
    kept.close()
    other.close()


def test_another_error_is_raised_at_once(file: Path, kept: KeptConnection) -> None:
    begun = time.perf_counter()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        kept.write([Insertion("INSERT INTO absent VALUES (?)", [1], row_by_row=False)])
    assert time.perf_counter() - begun < kept_connection.SQLITE_WAIT_SECONDS / 2
    assert count(file) == 0
