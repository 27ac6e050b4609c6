"""The faults of `tests/serving/test_faults.py`, longer and more often; `-s` shows the figures."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import service_faults as faults
from ledgers import postgres_server
from real_servers import Service, resident_megabytes, running_service
from served_models import SITES, fit_predictor, random_patient

from serving.predictor import ResponsePredictor
from serving.settings import RATE_VARIABLE

pytestmark = [pytest.mark.nightly, pytest.mark.system]

NO_LIMIT = {RATE_VARIABLE: "0"}


@pytest.fixture(scope="module")
def predictor() -> ResponsePredictor:
    rng = np.random.default_rng(11)
    drawn = [random_patient(rng, SITES[number % 2]) for number in range(240)]
    return fit_predictor([each.model_copy(update={"depression_total": 18.0}) for each in drawn])


@pytest.fixture(scope="module")
def body() -> bytes:
    patient = random_patient(np.random.default_rng(3), SITES[0])
    known = patient.model_copy(update={"depression_total": 18.0})
    return json.dumps(known.model_dump(mode="json", exclude_defaults=True)).encode()


@pytest.fixture
def service(predictor: ResponsePredictor, tmp_path: Path) -> Iterator[Service]:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    with running_service(predictor, tmp_path, ledger, settings=NO_LIMIT) as found:
        yield found


@contextmanager
def held_little(service: Service) -> Iterator[None]:
    """Hold each worker to less than 400 MB meanwhile."""
    most, ended = 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while True:
            most = max(most, *(resident_megabytes(each) for each in service.workers()))
            if ended.wait(0.2):
                break

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    print(f"a worker held {most:.0f} MB at most")
    assert 0 < most < 400


def test_a_thousand_clients_of_whom_a_quarter_read_slowly(service: Service, body: bytes) -> None:
    with held_little(service):
        quick, slow = faults.many_at_once(service, body, n_quick=750, n_slow=250, n_requests=20)
    print(f"\nquick clients: {quick.figures()}\nslow readers: {slow.figures()}")
    assert quick.statuses == {200: 15_000}
    # Lists are answered one after the other, so that some wait in vain and ask again.
    assert slow.statuses.keys() <= {200, 503}
    assert slow.statuses[200] == 250
    faults.check_ledger(service.ledger, quick, slow)


async def begun(
    service: Service, head: str, start: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a request on a connection of its own, which takes little of an answer at once."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", service.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=4096)
    lines = [head, "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in service.headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n" + start)
    return reader, writer


def test_a_head_without_an_end_takes_no_memory(service: Service) -> None:
    async def endless() -> int:
        _, writer = await begun(service, "GET /model HTTP/1.1", b"Endless: ")
        for number in range(200):
            writer.write(b"x" * 1_000_000)
            try:
                await writer.drain()
            except OSError:
                return number
        return 200

    async def crowd() -> list[int]:
        return await asyncio.gather(*(endless() for _ in range(40)))

    with held_little(service):
        sent = asyncio.run(crowd())
    print(f"\n40 endless heads: cut off after {max(sent)} MB at most")
    assert max(sent) < 20


def test_long_bodies_at_once_take_little_memory(service: Service) -> None:
    """Eighty of 19 MB, all of which wait before they end."""
    size = 19_000_000

    async def long(all_began: asyncio.Barrier) -> str:
        start = f"Content-Length: {size}\r\n\r\n".encode()
        reader, writer = await begun(service, "POST /predict HTTP/1.1", start)
        try:
            for _ in range(18):
                writer.write(b" " * 1_000_000)
                await writer.drain()
            await all_began.wait()
            writer.write(b" " * 1_000_000)
            return (await reader.read(4096))[9:12].decode()
        except OSError:
            await all_began.wait()
            return "cut off"
        finally:
            writer.close()

    async def crowd() -> "Counter[str]":
        all_began = asyncio.Barrier(80)
        return Counter(await asyncio.gather(*(long(all_began) for _ in range(80))))

    with held_little(service):
        statuses = asyncio.run(crowd())
    print(f"\n80 bodies of 19 MB: {dict(statuses)}")
    # They hold nothing but spaces; whose connection is closed may not see the answer any more.
    assert statuses["400"] >= 1
    assert statuses.keys() <= {"400", "503", "cut off"}


def test_answers_that_nobody_reads_take_little_memory(service: Service, body: bytes) -> None:
    batch = b"[" + b",".join([body] * 1_000) + b"]"
    start = f"Content-Length: {len(batch)}\r\n\r\n".encode() + batch

    async def crowd() -> "Counter[str]":
        asked = [await begun(service, "POST /predict_batch HTTP/1.1", start) for _ in range(120)]
        await asyncio.sleep(50)
        [reply] = await faults.at_once(service, "/predict", [body])
        assert reply.status == 200
        statuses = Counter([(await reader.read(64))[9:12].decode() for reader, _ in asked])
        for _, writer in asked:
            writer.transport.abort()
        return statuses

    with held_little(service):
        statuses = asyncio.run(crowd())
    print(f"\n120 batches whose answers nobody reads: {dict(statuses)}")
    assert statuses["200"] >= 1
    assert statuses.keys() <= {"200", "503"}


def test_a_worker_is_killed_again_and_again(service: Service, body: bytes) -> None:
    async def kill(load: faults.Load) -> None:
        for number in range(20):
            await faults.answered(load, 200)
            workers = service.workers()
            os.kill(workers[number % len(workers)], signal.SIGKILL)
        await faults.answered(load, 200)

    load = faults.with_load(service, body, "killed", 16, kill)
    print(f"\n20 kills: {load.figures()}")
    assert set(load.statuses) == {200}
    faults.check_ledger(service.ledger, load)


def test_the_disk_is_full_again_and_again(
    predictor: ResponsePredictor, tmp_path: Path, body: bytes
) -> None:
    with faults.small_disk(tmp_path / "small") as disk:
        kinds: list[faults.Disk] = [faults.ShortFiles(), *([disk] if disk else [])]
        ledger = f"sqlite:///{(disk.folder if disk else tmp_path) / 'ledger.db'}"
        loads: list[faults.Load] = []
        with running_service(predictor, tmp_path, ledger, settings=NO_LIMIT) as service:
            for number, each in enumerate(kinds * 5):
                name = f"full-{number}"
                load = faults.disk_that_fills_up(service, each, name, body, 16, 200)
                loads.append(load)
                print(f"\n{type(each).__name__}: {load.figures()}")
                faults.check_ledger(ledger, *loads)


def test_postgres_is_killed_again_and_again(
    predictor: ResponsePredictor, tmp_path: Path, body: bytes
) -> None:
    loads = []
    with (
        postgres_server() as postgres,
        running_service(predictor, tmp_path, postgres.new_database(), settings=NO_LIMIT) as service,
    ):
        for number in range(6):
            name = f"outage-{number}"
            load = faults.server_that_goes_away(service, postgres, body, 16, 500, name)
            faults.wait_until_forwarded(service)
            loads.append(load)
            print(f"\noutage {number + 1}: {load.figures()}")
            assert set(load.statuses) == {200}
            kept = faults.check_ledger(service.ledger, *loads)
            faults.check_order(kept, load)


def test_the_clock_jumps_to_and_fro(
    predictor: ResponsePredictor, tmp_path: Path, body: bytes
) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    settings = {**NO_LIMIT, **faults.settings_of_moved_clock(tmp_path)}
    with running_service(predictor, tmp_path, ledger, settings=settings) as service:

        async def jump(load: faults.Load) -> None:
            for days in np.random.default_rng(1).normal(scale=300, size=50):
                faults.move_clock(tmp_path, days)
                await faults.answered(load, 100)

        load = faults.with_load(service, body, "clock", 8, jump)
    print(f"\n50 jumps: {load.figures()}")
    assert set(load.statuses) == {200}
    faults.check_order(faults.check_ledger(ledger, load), load)


def test_idle_connections_hold_up_nobody(service: Service, body: bytes) -> None:
    """A thousand that say nothing, and a thousand that begin a body and do not end it."""

    async def crowd() -> list[float]:
        head = "\r\n".join(
            ["POST /predict HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 1000",
             *(f"{name}: {value}" for name, value in service.headers.items()), "", "{"]
        ).encode()  # fmt: skip
        writers = []
        for number in range(2_000):
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            if number % 2:
                writer.write(head)
            writers.append(writer)
        seconds = []
        for _ in range(200):
            begun = time.perf_counter()
            [reply] = await faults.at_once(service, "/predict", [body])
            assert reply.status == 200
            seconds.append(time.perf_counter() - begun)
        for writer in writers:
            writer.close()
        return seconds

    seconds = asyncio.run(crowd())
    print(f"\nbeside 2,000 idle ones, ms: p99 {1000 * np.percentile(seconds, 99):.1f}")
    assert np.percentile(seconds, 99) < 0.5
