"""Who runs the service reads that the ledger cannot be written, without being flooded."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clocks import Clock

from serving.ledger.database import LedgerUnavailableError, unavailable
from serving.ledger.ledger import Ledger
from serving.ledger.outage import Outage

PLANTED = "61.8034"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock) -> Outage:
    return Outage(clock)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return the levels of the service's lines that have come since it was asked last."""
    caplog.set_level("INFO", "tms_response")

    def since() -> list[str]:
        levels = [each.levelname for each in caplog.records]
        caplog.clear()
        return levels

    return since


def fail(outage: Outage) -> None:
    with pytest.raises(LedgerUnavailableError), outage:
        raise unavailable("OperationalError")


def succeed(outage: Outage) -> None:
    with outage:
        pass


def test_while_it_lasts_a_line_comes_every_ten_seconds(
    outage: Outage, clock: Clock, log: Callable[[], list[str]]
) -> None:
    succeed(outage)
    assert log() == []
    for _ in range(3):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(fail, [outage] * 1000))
        assert log() == ["ERROR"]
        clock.now += 9.9
        fail(outage)
        assert log() == []
        clock.now += 0.1
    succeed(outage)
    succeed(outage)
    assert log() == ["INFO"]


def test_one_that_comes_and_goes_floods_nothing_either(
    outage: Outage, clock: Clock, log: Callable[[], list[str]]
) -> None:
    for _ in range(10):
        for _ in range(100):
            fail(outage)
            succeed(outage)
        assert log() == ["ERROR", "INFO"]
        clock.now += 10


def test_what_failed_otherwise_is_no_outage_and_no_end_of_one(
    outage: Outage, log: Callable[[], list[str]]
) -> None:
    fail(outage)
    with pytest.raises(ValueError, match=PLANTED), outage:
        raise ValueError(PLANTED)
    assert log() == ["ERROR"]


@pytest.mark.parametrize(
    ("table", "write"),
    [
        ("remembered", lambda ledger: ledger.remember_once("jti", PLANTED, 2e9)),
        ("feedback", lambda ledger: ledger.record_feedback("s", "c", {"comment": PLANTED})),
    ],
)
def test_other_writes_are_told_as_well(
    table: str, write: Callable[[Ledger], object], open_ledger: Callable[..., Ledger],
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    file = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{file}")
    with sqlite3.connect(file) as other:
        other.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    with pytest.raises(LedgerUnavailableError):
        write(ledger)
    [line] = caplog.records
    assert "(OperationalError)" in line.getMessage()
    assert PLANTED not in caplog.text


def test_what_goes_into_the_outbox_does_not_say_that_the_server_is_back(
    open_ledger: Callable[..., Ledger], log: Callable[[], list[str]]
) -> None:
    ledger = open_ledger("postgresql://ledger@127.0.0.1:1/nowhere")
    assert log() == ["WARNING"]
    with pytest.raises(LedgerUnavailableError):
        ledger.record_feedback("s", "c", {})
    assert ledger.remember_once("jti", "a", 2e9)
    assert log() == ["ERROR"]
