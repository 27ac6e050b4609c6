"""What a process of its own writes is on disk before it is acknowledged, or is an error."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from ledgers import entry, rows_of

from serving.ledger.apart import WriterApart
from serving.ledger.database import LedgerUnavailableError
from serving.ledger.kept_connection import Insertion
from serving.ledger.ledger import Ledger

OpenLedger = Callable[..., Ledger]
T = TypeVar("T")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def apart(open_ledger: OpenLedger, url: str) -> WriterApart:
    """The writer of a ledger that has one."""
    writer = open_ledger(url, apart=True)._apart
    assert writer is not None
    return writer


def run(apart: WriterApart, record: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Record something, and let the process end."""

    async def whole() -> T:
        try:
            return await record()
        finally:
            await apart.close()

    return asyncio.run(whole())


def test_its_rows_are_those_that_the_thread_writes(
    apart: WriterApart, open_ledger: OpenLedger, url: str
) -> None:
    entries = [entry(number) for number in range(600)]
    batch = tuple(row for each in entries[40:] for row in each.rows)

    async def record() -> None:
        await asyncio.gather(*(apart.record(each.rows) for each in entries[:40]))
        await asyncio.gather(apart.record(batch), *(apart.record(entry(-1).rows) for _ in "12"))

    run(apart, record)
    written = rows_of(url)
    assert [each["prediction_id"] for each in written[:600]] == [
        each.rows[0]["prediction_id"] for each in entries
    ]
    assert len(written) == 602
    open_ledger(url)._writer.submit(entry(599)).result(timeout=60)
    by_thread = rows_of(url)[-1]
    own = {"sequence", "prediction_id"}
    for name in by_thread.keys() - own:
        assert (by_thread[name], type(by_thread[name])) == (
            written[599][name], type(written[599][name]),
        )  # fmt: skip
    assert all(one["sequence"] < two["sequence"] for one, two in pairwise(written))


def test_where_it_is_killed_another_takes_over(apart: WriterApart, url: str) -> None:
    async def record() -> list[str]:
        acknowledged = []
        for number in range(30):
            one = entry(number)
            try:
                await apart.record(one.rows)
            except LedgerUnavailableError:
                continue
            acknowledged.append(one.rows[0]["prediction_id"])
            if number % 10 == 5:
                assert apart._process is not None
                apart._process.send_signal(signal.SIGTERM)  # not heeded
                apart._process.kill()
        return acknowledged

    acknowledged = run(apart, record)
    assert len(acknowledged) >= 24
    assert set(acknowledged) <= {each["prediction_id"] for each in rows_of(url)}


def test_what_cannot_be_written_is_an_error(apart: WriterApart, url: str, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "ledger.db", tmp_path / "elsewhere.db"

    async def record() -> None:
        await apart.record(entry(1).rows)
        file.rename(elsewhere)
        for _ in range(2):
            with pytest.raises(LedgerUnavailableError, match="FileNotFoundError"):
                await apart.record(entry(2).rows)
        elsewhere.rename(file)
        await apart.record(entry(3).rows)

    run(apart, record)
    assert [each["features"] for each in rows_of(url)] == ['{"number": 1}', '{"number": 3}']


def _cannot_be_made(rows: list[dict[str, Any]]) -> Insertion:
    raise KeyError(rows[0]["features"])


def _cannot_be_sent(rows: list[dict[str, Any]]) -> Insertion:
    return Insertion("INSERT", [rows, object()], row_by_row=False)


@pytest.mark.parametrize(
    ("faulty", "error"), [(_cannot_be_made, "KeyError"), (_cannot_be_sent, "ValueError")]
)
def test_a_fault_of_our_own_keeps_nobody_waiting(
    apart: WriterApart, monkeypatch: pytest.MonkeyPatch, url: str,
    faulty: Callable[..., Insertion], error: str,
) -> None:  # fmt: skip
    async def record() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(apart, "_insertion", faulty)
            with pytest.raises(LedgerUnavailableError, match=error):
                await apart.record(entry(1).rows)
        await asyncio.wait_for(apart.record(entry(2).rows), 10)

    run(apart, record)
    assert len(rows_of(url)) == 1


def test_what_it_was_given_is_written_before_it_ends(apart: WriterApart, url: str) -> None:
    batch = tuple(row for number in range(1000) for row in entry(number).rows)

    async def record() -> None:
        waiting = asyncio.ensure_future(apart.record(batch))
        await asyncio.sleep(0.2)
        assert waiting.cancel() or waiting.done()

    run(apart, record)
    assert apart._process is not None
    assert apart._process.returncode == 0
    assert len(rows_of(url)) == 1000
