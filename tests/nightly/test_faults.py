"""The faults of `tests/serving/test_faults.py`, longer and more often; `-s` shows the figures."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
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


def test_a_thousand_clients_of_whom_a_quarter_read_slowly(service: Service, body: bytes) -> None:
    most, ended = 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.2):
            most = max(most, *(resident_megabytes(each) for each in service.workers()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        quick, slow = faults.many_at_once(service, body, n_quick=750, n_slow=250, n_requests=20)
    finally:
        ended.set()
        watcher.join()
    print(f"\nquick clients: {quick.figures()}\nslow readers: {slow.figures()}")
    print(f"a worker held {most:.0f} MB at most")
    assert quick.statuses == {200: 15_000}
    # Lists are answered one after the other, so that some wait in vain and ask again.
    assert slow.statuses.keys() <= {200, 503}
    assert slow.statuses[200] == 250
    faults.check_ledger(service.ledger, quick, slow)
    assert most < 400


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
