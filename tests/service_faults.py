"""What a service must live through, and what its ledger must hold afterwards."""

import asyncio
import contextlib
import os
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from http_load import Connection, Reply
from ledgers import rows_of
from real_servers import ROOT, Service

PATIENTS_OF_SLOW = 100
_DISK_MEGABYTES = 64
_FILE_BYTES = 64 * 1024


@dataclass
class Load:
    """What clients got.

    Attributes
    ----------
    answered : dict
        The identifiers of the predictions that each idempotency key was answered with.
    statuses : Counter
        Of all answers.
    broken : int
        Connections that broke.
    seconds : list of float
        That each answered request took, from the last try on.
    """

    answered: dict[str, list[str]] = field(default_factory=dict)
    statuses: "Counter[int]" = field(default_factory=Counter)
    broken: int = 0
    seconds: list[float] = field(default_factory=list)

    def figures(self) -> str:
        """Return them as a line."""
        times = 1000 * np.array(self.seconds)
        return (
            f"{dict(self.statuses)}, {self.broken} broken connections, ms: median "
            f"{np.median(times):.0f}, p99 {np.percentile(times, 99):.0f}, most {times.max():.0f}"
        )


async def careful_client(
    service: Service,
    load: Load,
    name: str,
    body: bytes,
    goes_on: Callable[[int], bool] = lambda number: number < 1,
    slow_seconds: float = 0.0,
) -> None:
    """Ask about one patient, or about a list, and again with the same key until it is answered.

    `goes_on` says whether there is a further request, from how many there were.
    """
    path = "/predict_batch" if body.startswith(b"[") else "/predict"
    connection = Connection(service.port, slow_seconds)
    number = 0
    while goes_on(number):
        key = f"{name}-{number}"
        number += 1
        headers = {**service.headers, "Idempotency-Key": key}
        while key not in load.answered:
            begun = time.perf_counter()
            try:
                reply = await asyncio.wait_for(connection.ask(path, body, headers), 120)
            except (OSError, EOFError):
                load.broken += 1
                await asyncio.sleep(0.05)
                continue
            load.statuses[reply.status] += 1
            if reply.status != 200:
                assert reply.status == 503, reply.body[:300]
                await asyncio.sleep(0.05)
                continue
            load.seconds.append(time.perf_counter() - begun)
            found = reply.content if path == "/predict_batch" else [reply.content]
            load.answered[key] = [each["prediction_id"] for each in found]
    connection.close()


def check_ledger(url: str, *loads: Load) -> list[str]:
    """Hold every answer to exactly one row, and every row to an answer; return the rows' ids."""
    kept = [row["prediction_id"] for row in rows_of(url)]
    promised = [each for load in loads for ids in load.answered.values() for each in ids]
    assert sorted(kept) == sorted(promised)
    return kept


def check_order(kept: list[str], load: Load) -> None:
    """Hold the rows of each client to the order in which it was answered."""
    place = {name: number for number, name in enumerate(kept)}
    last: dict[str, int] = {}
    for key, [name] in load.answered.items():
        client = key.rpartition("-")[0]
        assert place[name] > last.get(client, -1)
        last[client] = place[name]


async def at_once(
    service: Service, path: str, bodies: Sequence[bytes], **headers: str
) -> list[Reply]:
    """Send requests at the same time, each on a connection of its own."""
    named = {**service.headers, **{name.replace("_", "-"): headers[name] for name in headers}}
    connections = [Connection(service.port) for _ in bodies]
    asked = [
        connection.ask(path, body, named)
        for connection, body in zip(connections, bodies, strict=True)
    ]
    try:
        return await asyncio.gather(*asked)
    finally:
        for connection in connections:
            connection.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other clients bring about."""
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.01)


def many_at_once(
    service: Service, body: bytes, n_quick: int, n_slow: int, n_requests: int
) -> tuple[Load, Load]:
    """Let clients ask at once, some of which read long answers slowly; return both kinds."""
    quick, slow = Load(), Load()
    batch = b"[" + b",".join([body] * PATIENTS_OF_SLOW) + b"]"

    async def run() -> None:
        reading = [
            careful_client(service, slow, f"slow-{number}", batch, slow_seconds=0.03)
            for number in range(n_slow)
        ]
        asking = [
            careful_client(service, quick, f"quick-{number}", body, lambda done: done < n_requests)
            for number in range(n_quick)
        ]
        await asyncio.gather(*reading, *asking)

    asyncio.run(run())
    return quick, slow


def with_load(
    service: Service,
    body: bytes,
    name: str,
    n_clients: int,
    fault: Callable[[Load], Awaitable[None]],
) -> Load:
    """Let clients ask, each on a connection of its own, until a fault has come and gone."""
    load = Load()

    async def run() -> None:
        happening = asyncio.ensure_future(fault(load))
        clients = [
            careful_client(service, load, f"{name}-{number}", body, lambda _: not happening.done())
            for number in range(n_clients)
        ]
        await asyncio.gather(happening, *clients)

    asyncio.run(run())
    return load


async def answered(load: Load, more: int) -> None:
    """Wait until so many more requests are answered."""
    enough = len(load.answered) + more
    await until(lambda: len(load.answered) >= enough)


class Disk(Protocol):
    """A disk that can be full."""

    def fill(self, service: Service) -> None:
        """Leave no room."""

    def free(self, service: Service) -> None:
        """Make room again."""


@dataclass
class SmallDisk:
    """A file system in memory, mounted on a folder."""

    folder: Path

    def fill(self, service: Service) -> None:
        """Leave no room."""
        del service
        with (self.folder / "filling").open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"0" * 2**16)
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"0")

    def free(self, service: Service) -> None:
        """Make room again."""
        del service
        (self.folder / "filling").unlink()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk | None]:
    """Mount a small file system, or give None where that is not allowed."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "tms-response-tests"]
    try:
        subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class ShortFiles:
    """A limit on how long files may be, which the workers of a service meet in every write."""

    def fill(self, service: Service) -> None:
        """Leave no room."""
        self._limit(service, _FILE_BYTES)

    def free(self, service: Service) -> None:
        """Make room again."""
        self._limit(service, resource.RLIM_INFINITY)

    def _limit(self, service: Service, length: int) -> None:
        for worker in service.workers():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (length, resource.RLIM_INFINITY))


def disk_that_fills_up(
    service: Service, disk: Disk, name: str, body: bytes, n_clients: int, n: int
) -> Load:
    """Fill the disk under load and free it again; nobody is answered unrecorded meanwhile."""

    async def fill_and_free(load: Load) -> None:
        await answered(load, n)
        disk.fill(service)
        try:
            # Some may still find room, in the part of SQLite's log that was copied already: so
            # what counts is that whoever is answered has a row, which `check_ledger` holds.
            await until(lambda: load.statuses[503] >= n)
        finally:
            disk.free(service)
        await answered(load, n)

    return with_load(service, body, name, n_clients, fill_and_free)


class PausedServer(Protocol):
    """A database server that can be stopped and started."""

    def stop(self) -> None:
        """End it at once."""

    def start(self) -> None:
        """Start it again."""


def server_that_goes_away(
    service: Service,
    server: PausedServer,
    body: bytes,
    n_clients: int,
    n: int,
    name: str = "outage",
) -> Load:
    """Stop the ledger's server under load and start it again; all are answered meanwhile."""

    async def stop_and_start(load: Load) -> None:
        await answered(load, n)
        await asyncio.to_thread(server.stop)
        try:
            await answered(load, n)
        finally:
            await asyncio.to_thread(server.start)
        await answered(load, n)

    return with_load(service, body, name, n_clients, stop_and_start)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for what the service does by itself."""
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            pytest.fail("it did not come about")
        time.sleep(0.1)


def wait_until_forwarded(service: Service) -> None:
    """Wait until the outbox is empty."""
    wait_for(lambda: not rows_of(f"sqlite:///{service.home / 'outbox.db'}"))


_MOVED_CLOCK = """
import ctypes, datetime, gc, pathlib, time
_offset = pathlib.Path(__file__).with_name("offset")
_time, _now = time.time, datetime.datetime.now

def moved_time():
    return _time() + float(_offset.read_text())

def moved_now(cls, tz=None):
    return _now(tz) + datetime.timedelta(seconds=float(_offset.read_text()))

time.time = moved_time
gc.get_referents(datetime.datetime.__dict__)[0]["now"] = classmethod(moved_now)
ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
"""


def settings_of_moved_clock(folder: Path) -> dict[str, str]:
    """Return settings with which the wall clock of a service can be moved, by `move_clock`.

    The clock of the machine itself stays: Python reads `sitecustomize.py` when a process starts.
    """
    clock = folder / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(_MOVED_CLOCK)
    move_clock(folder, 0)
    return {"PYTHONPATH": f"{clock}{os.pathsep}{ROOT}"}


def move_clock(folder: Path, days: float) -> None:
    """Set the clock so many days off."""
    new = folder / "clock" / "new"
    new.write_text(str(days * 86_400))
    new.replace(folder / "clock" / "offset")
