"""All workers together grant a caller what one limit allows, with few writes to what they share."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from clocks import Clock
from ledgers import KEYS

from serving.leased_rate import LeasedTokens
from serving.ledger.database import Database, LedgerUnavailableError
from serving.ledger.ledger import Ledger
from serving.ledger.schema import upgrade
from serving.ledger.shared_memory import lease_tokens
from serving.limits import limiter_of_settings
from serving.rate_limit import TokenBuckets
from serving.settings import RATE_VARIABLE, WORKERS_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import asyncio, json, sys, time
from pathlib import Path
from serving.leased_rate import LeasedTokens
from serving.ledger.ledger import Ledger
from serving.ledger.pseudonyms import PseudonymKeys
from serving.rate_limit import TokenBuckets

async def ask(url, folder, per_minute, begin, end, pause):
    ledger = Ledger(url, PseudonymKeys("ab" * 32), Path(folder, "outbox.db"))
    limiter = LeasedTokens(ledger, per_minute, TokenBuckets(per_minute / 2))
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.monotonic()
    granted = []
    await asyncio.sleep(begin)
    while time.monotonic() < start + end:
        before = time.monotonic()
        if not await limiter.seconds_to_wait("caller key:1"):
            granted.append((before, time.monotonic()))
        await asyncio.sleep(pause)
    print(json.dumps(granted), flush=True)

asyncio.run(ask(*sys.argv[1:3], *map(float, sys.argv[3:])))
"""
PER_MINUTE = 1_200.0


def grants_of(
    url: str, folder: Path, *workers: tuple[float, float, float]
) -> list[list[list[float]]]:
    """Let processes ask at once: each begins and ends after so many seconds, pausing between."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, url, str(folder), str(PER_MINUTE), *map(str, each)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for each in workers
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        answers.append(json.loads(process.communicate(timeout=60)[0]))
        assert process.returncode == 0
    return answers


def test_processes_grant_together_no_more_than_the_limit_and_hardly_less(
    url: str, tmp_path: Path
) -> None:
    """In every window of time there are at most ten seconds' tokens and what flows in meanwhile."""
    rate = PER_MINUTE / 60
    answers = grants_of(url, tmp_path, (0, 2.5, 0.0005), (0.3, 2.5, 0.001), (0.6, 2.5, 0.04))
    # On a busy machine the one that seldom asks may come too late each time.
    assert all(answers[:2])
    granted = sorted(moments for answer in answers for moments in answer)
    for first in range(0, len(granted), 20):
        for last in range(first, len(granted), 20):
            # A grant lies between two moments; the longest window that the two may span counts.
            seconds = granted[last][1] - granted[first][0]
            assert last - first + 1 <= 10 * rate + rate * seconds + 1
    # The bucket holds nine seconds' worth.
    assert len(granted) >= 0.9 * (9 * rate + 2.5 * rate)


class Store:
    """A store in memory, which counts how often it is asked, and may be away or slow."""

    def __init__(self, clock: Clock, tokens: int = 10_000) -> None:
        self.clock, self.tokens = clock, tokens
        self.asked: list[int] = []
        self.is_away, self.slow_by = False, 0.0

    def lease_tokens(
        self, name: str, per_second: float, capacity: float, wanted: int
    ) -> tuple[int, float]:
        del name, per_second, capacity
        self.clock.now += self.slow_by
        if self.is_away:
            raise LedgerUnavailableError("away")
        self.asked.append(wanted)
        taken = min(wanted, self.tokens)
        self.tokens -= taken
        return taken, 0.0 if taken else 5.0


def limiter_of(store: Store, per_minute: float = 6_000) -> LeasedTokens:
    share = TokenBuckets(per_minute / 4, store.clock)
    return LeasedTokens(store, per_minute, share, store.clock)


async def ask(limiter: LeasedTokens, times: int, clock: Clock, pause: float = 0.0) -> Counter[bool]:
    granted: Counter[bool] = Counter()
    for _ in range(times):
        granted[await limiter.seconds_to_wait("clinic") == 0] += 1
        await asyncio.sleep(0)
        clock.now += pause
    return granted


def test_a_steady_caller_costs_few_writes_and_wastes_little() -> None:
    store = Store(Clock())
    granted = asyncio.run(ask(limiter_of(store), 2_000, store.clock, pause=0.01))
    assert granted == {True: 2_000}
    assert len(store.asked) < 2_000 / 15
    assert sum(store.asked) < 2_000 * 1.1
    assert max(store.asked) == 25  # a quarter of a second's


def test_a_rare_caller_takes_what_it_spends() -> None:
    store = Store(Clock())
    asyncio.run(ask(limiter_of(store), 50, store.clock, pause=1.5))
    assert store.asked == [1] * 50


def test_what_was_taken_is_dropped_after_a_second() -> None:
    store = Store(Clock())

    async def ask_all() -> None:
        limiter = limiter_of(store)
        await asyncio.gather(*(limiter.seconds_to_wait("clinic") for _ in range(20)))
        await ask(limiter, 3, store.clock)
        before = len(store.asked)
        store.tokens = 0
        store.clock.now += 1.0
        assert await limiter.seconds_to_wait("clinic") == 5.0
        assert len(store.asked) == before + 1

    asyncio.run(ask_all())
    assert store.asked[0] == 20  # those who wait together take together


def test_a_refused_caller_that_goes_on_asking_costs_no_writes() -> None:
    store = Store(Clock(), tokens=10)

    async def ask_all() -> None:
        limiter = limiter_of(store)
        assert await ask(limiter, 500, store.clock) == {True: 10, False: 490}
        assert len(store.asked) < 10
        store.clock.now += 5.0
        store.tokens = 10
        assert (await ask(limiter, 500, store.clock))[True] == 10

    asyncio.run(ask_all())


@pytest.mark.parametrize("failure", [{"is_away": True}, {"slow_by": 1.0}])
def test_without_the_store_a_worker_grants_its_share_and_asks_rarely(
    failure: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(Clock())

    async def ask_all() -> None:
        limiter = limiter_of(store)
        await ask(limiter, 100, store.clock, pause=0.001)
        vars(store).update(failure)
        store.clock.now += 2.0
        # A quarter of ten seconds' tokens, less what was spent of them before.
        granted = await ask(limiter, 1_000, store.clock)
        assert 180 <= granted[True] <= 250
        assert len(caplog.records) == 1
        vars(store).update(is_away=False, slow_by=0.0)
        store.clock.now += 1.0
        assert (await ask(limiter, 500, store.clock))[True] == 500

    with caplog.at_level(logging.WARNING):
        asyncio.run(ask_all())
    assert "grants its share" in caplog.text


def test_a_clock_that_jumps_fills_no_bucket_beyond_its_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    upgrade(database)
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)

    def take(wanted: int = 100) -> int:
        return lease_tokens(database, "clinic", 2.0, 20.0, wanted)[0]

    assert take() == 20
    clock.now -= 500
    assert take() == 0
    clock.now += 3
    assert take() == 6  # time goes on from where the clock stands now
    clock.now += 1e6
    assert take() == 20
    database.close()


@pytest.mark.parametrize(("workers", "shared"), [("1", False), ("2", True)])
def test_workers_share_where_there_are_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str, shared: bool
) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, workers)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", KEYS, tmp_path / "outbox.db")
    assert isinstance(limiter_of_settings(ledger), LeasedTokens) is shared
    assert isinstance(limiter_of_settings(), TokenBuckets)
    monkeypatch.setenv(RATE_VARIABLE, "0")
    assert limiter_of_settings(ledger) is None
    ledger.close()
