"""What is acknowledged is on disk: after kill -9, on a full disk, from many requests at once."""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ledgers import NOW, entry, rows_of

from data_schemas.errors import ConfigurationError
from serving.ledger.database import LedgerUnavailableError
from serving.ledger.entries import Entry, StoredAnswer
from serving.ledger.ledger import Ledger

ROOT = Path(__file__).resolve().parents[3]
ENDLESS = """
import sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
from ledgers import KEYS, entry
from serving.ledger.ledger import Ledger
ledger = Ledger(sys.argv[1], KEYS, Path(sys.argv[2]))
while True:
    entries = [entry() for _ in range(5)]
    for future in [ledger._writer.submit(each) for each in entries]:
        future.result()
    print(*(each.rows[0]["prediction_id"] for each in entries), flush=True)
"""

OpenLedger = Callable[..., Ledger]


def test_what_was_acknowledged_outlives_kill_9(url: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, url, tmp_path / "outbox.db"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    promised = [name for line in acknowledged for name in line.decode().split()]
    kept = [row["prediction_id"] for row in rows_of(url)]
    assert len(promised) >= 100
    assert len(kept) == len(set(kept))
    assert kept[: len(promised)] == promised


def test_many_that_wait_share_a_commit(open_ledger: OpenLedger, url: str) -> None:
    ledger = open_ledger(url)
    commits: list[int] = []
    write = ledger._writer._write

    def counting(entries: list[Entry]) -> list[StoredAnswer | None]:
        commits.append(len(entries))
        return write(entries)

    ledger._writer._write = counting
    entries = [entry(number) for number in range(200)]

    async def all_at_once() -> None:
        await asyncio.gather(*(ledger._writer.record(each) for each in entries))

    asyncio.run(all_at_once())
    assert commits == [200]
    assert [row["prediction_id"] for row in rows_of(url)] == [
        each.rows[0]["prediction_id"] for each in entries
    ]


def test_a_full_disk_is_an_error_and_later_ones_are_kept(
    open_ledger: OpenLedger, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = open_ledger(url)

    def limit(pages: int) -> None:
        kept = ledger._database._kept
        assert kept is not None
        kept.current().execute(f"PRAGMA max_page_count = {pages}")

    def write_many() -> int:
        futures = [ledger._writer.submit(entry()) for _ in range(400)]
        return sum(future.exception(timeout=60) is None for future in futures)

    limit(1)  # no page more than there are
    kept = write_many()
    assert kept < 400
    assert len(rows_of(url)) == kept
    limit(10_000)
    assert write_many() == 400
    assert len(rows_of(url)) == kept + 400


def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(open_ledger: OpenLedger) -> None:
    with pytest.raises(LedgerUnavailableError, match="may be written"):
        open_ledger("sqlite:////proc/nowhere/ledger.db")


def test_a_ledger_that_was_taken_away_is_not_made_anew_in_silence(
    open_ledger: OpenLedger, tmp_path: Path
) -> None:
    """An empty file has no tables: nothing is written, rather than into a ledger without past."""
    folder = tmp_path / "kept"
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    ledger._database._engine.dispose()
    shutil.rmtree(folder)
    assert isinstance(ledger._writer.submit(entry()).exception(timeout=60), LedgerUnavailableError)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_refused(open_ledger: OpenLedger, url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///FILE or postgresql://"):
        open_ledger(url)


def test_a_key_is_remembered_once_by_all_workers(open_ledger: OpenLedger, url: str) -> None:
    one, other = open_ledger(url), open_ledger(url)
    future = 4e9
    assert one.remember_once("jti", "k" * 500, future)
    assert not other.remember_once("jti", "k" * 500, future)
    assert other.remember_once("nonce", "k" * 500, future)
    assert one.remember_once("jti", "past", 1.0)
    assert other.remember_once("jti", "past", 1.0)  # it was forgotten


def test_workers_share_a_bucket(open_ledger: OpenLedger, url: str) -> None:
    one, other = open_ledger(url), open_ledger(url)
    slow = 0.001
    assert one.lease_tokens("caller", slow, 5, 2) == (2, 0.0)
    assert other.lease_tokens("caller", slow, 5, 2) == (2, 0.0)
    assert one.lease_tokens("caller", slow, 5, 2) == (1, 0.0)
    taken, seconds = other.lease_tokens("caller", slow, 5, 2)
    assert taken == 0
    assert 900 < seconds <= 1000
    assert one.lease_tokens("another", slow, 5, 2) == (2, 0.0)


def test_feedback_is_kept(open_ledger: OpenLedger, url: str) -> None:
    from serving.ledger.tables import feedback

    open_ledger(url, clock=lambda: NOW).record_feedback("tms", "key:1", {"outcome": "accepted"})
    [row] = rows_of(url, feedback)
    assert row == {
        "sequence": 1, "recorded_at": NOW, "caller": "key:1", "service": "tms",
        "content": '{"outcome":"accepted"}',
    }  # fmt: skip
