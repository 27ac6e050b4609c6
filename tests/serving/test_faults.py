"""A real service of two workers meets what goes wrong in a hospital; the ledger stays exact.

Each test leaves in `loads` what it was answered, and the ledger must hold that and nothing else.
"""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import service_faults as faults
from ledgers import PostgresServer, rows_of
from real_servers import Service, running_service
from signed_tokens import EC_KEY, OTHER_KEY, URL, signed, write_token_settings

from data_schemas.patient import Patient
from serving.predictor import ResponsePredictor
from serving.settings import RATE_VARIABLE, RELOAD_VARIABLE, TOKENS_VARIABLE

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def body(complete_patient: Patient) -> bytes:
    return json.dumps(complete_patient.model_dump(mode="json", exclude_defaults=True)).encode()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[faults.SmallDisk | None]:
    with faults.small_disk(tmp_path_factory.mktemp("disks") / "small") as found:
        yield found


@pytest.fixture(scope="module")
def service(
    predictor: ResponsePredictor,
    disk: faults.SmallDisk | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("faults")
    ledger = f"sqlite:///{(disk.folder if disk else home) / 'ledger.db'}"
    settings = {TOKENS_VARIABLE: str(write_token_settings(home))}
    with running_service(predictor, home, ledger, settings=settings) as found:
        yield found


@pytest.fixture(scope="module")
def loads(service: Service) -> Iterator[list[faults.Load]]:
    """What was answered until now; at the end no row is in the ledger beyond it."""
    done: list[faults.Load] = []
    yield done
    faults.check_ledger(service.ledger, *done)


def test_a_thousand_clients_and_slow_readers(
    service: Service, body: bytes, loads: list[faults.Load]
) -> None:
    quick, slow = faults.many_at_once(service, body, n_quick=970, n_slow=30, n_requests=1)
    loads += [quick, slow]
    print(f"quick clients: {quick.figures()}\nslow readers: {slow.figures()}")
    assert (quick.statuses, slow.statuses) == ({200: 970}, {200: 30})
    # Those who read slowly hold up nobody else.
    assert max(quick.seconds) < max(slow.seconds)
    faults.check_ledger(service.ledger, *loads)


@pytest.mark.parametrize("kind", ["small disk", "short files"])
def test_a_full_disk_answers_nobody_unrecorded_and_recovers(
    service: Service, disk: faults.SmallDisk | None, body: bytes, loads: list[faults.Load],
    kind: str,
) -> None:  # fmt: skip
    if kind == "small disk" and disk is None:
        pytest.skip("this machine allows no mount")
    chosen = faults.ShortFiles() if disk is None or kind == "short files" else disk
    said_before = len(service.log)
    load = faults.disk_that_fills_up(service, chosen, kind.replace(" ", "-"), body, 8, 40)
    loads.append(load)
    print(load.figures())
    assert set(load.statuses) == {200, 503}
    assert load.broken == 0
    if isinstance(chosen, faults.SmallDisk):  # the log may grow
        said = service.log[said_before:]
        print(f"{load.statuses[503]} refusals: {said}")
        # A line of each worker, now and then; not of each request.
        assert 1 <= said.count("The ledger cannot be used now") <= 6
        assert "The ledger can be written again." in said
    faults.check_ledger(service.ledger, *loads)


def test_one_key_at_both_workers_at_once_is_one_row(
    service: Service, body: bytes, loads: list[faults.Load]
) -> None:
    replies = asyncio.run(
        faults.at_once(service, "/predict", [body] * 30, Idempotency_Key="at-once")
    )
    assert {reply.status for reply in replies} == {200}
    [answer] = {reply.body for reply in replies}
    loads.append(faults.Load({"at-once": [json.loads(answer)["prediction_id"]]}))
    faults.check_ledger(service.ledger, *loads)


def test_a_replayed_token_passes_once_and_a_forged_one_never(
    service: Service, body: bytes, loads: list[faults.Load]
) -> None:
    def ask(token: str, times: int = 1) -> list[int]:
        asked = faults.at_once(service, "/predict", [body] * times, Authorization=f"Bearer {token}")
        replies = asyncio.run(asked)
        found = [reply.content["prediction_id"] for reply in replies if reply.status == 200]
        loads.append(faults.Load({token: found}))
        return sorted(reply.status for reply in replies)

    # Fewer in all than the failures after which 429 is the answer.
    assert ask(signed("/predict"), 6) == [200] + [401] * 5
    head, claims, signature = signed("/predict").split(".")
    other_claims = signed("/predict", jti="chosen").split(".")[1]
    point = EC_KEY.public_key().public_numbers()
    secret = point.x.to_bytes(48) + point.y.to_bytes(48)
    for forged in (
        f"{head}.{other_claims}.{signature}",
        f"{head}.{claims}.",
        signed("/predict", OTHER_KEY),
        signed("/predict", None, "none"),
        signed("/predict", secret, "HS256"),
        signed("/predict", aud=URL + "/outcomes"),
        signed("/predict", iss="https://evil.example"),
        signed("/predict", exp=time.time() - 100),
        signed("/predict", headers={"jku": "https://evil.example/jwks.json"}),
    ):
        assert ask(forged) == [401]
        assert forged not in service.log
    faults.check_ledger(service.ledger, *loads)


def test_a_token_on_a_full_disk_is_refused_with_503(service: Service, body: bytes) -> None:
    """Its identifier could not be remembered, so that it might be used again."""
    token, limit = signed("/predict"), faults.ShortFiles()
    limit.fill(service)
    try:
        asked = faults.at_once(service, "/predict", [body], Authorization=f"Bearer {token}")
        [reply] = asyncio.run(asked)
    finally:
        limit.free(service)
    assert reply.status == 503
    assert reply.content["error"]["code"] == "ledger_unavailable"


def test_both_workers_are_killed_and_soon_replaced(
    service: Service, body: bytes, loads: list[faults.Load]
) -> None:
    seconds = []

    async def kill(load: faults.Load) -> None:
        await faults.answered(load, 40)
        # The second as soon as another takes the place of the first: when workers have just been
        # looked after, and will not be for as long as that may take.
        known = set(service.workers())
        for worker in known.copy():
            os.kill(worker, signal.SIGKILL)
            begun = time.monotonic()
            await faults.until(lambda: not known.issuperset(service.workers()))
            known.update(service.workers())
            seconds.append(time.monotonic() - begun)
        await faults.answered(load, 40)

    load = faults.with_load(service, body, "killed", 8, kill)
    loads.append(load)
    print(load.figures())
    assert set(load.statuses) == {200}
    assert max(seconds) < 5
    assert "A worker ended unexpectedly (exit code -9)" in service.log
    faults.check_ledger(service.ledger, *loads)


def test_postgres_is_killed_and_comes_back(
    predictor: ResponsePredictor, postgres: PostgresServer, tmp_path: Path, body: bytes
) -> None:
    with running_service(predictor, tmp_path, postgres.new_database()) as service:
        load = faults.server_that_goes_away(service, postgres, body, 8, 100)
        faults.wait_until_forwarded(service)
    print(load.figures())
    assert set(load.statuses) == {200}
    faults.check_order(faults.check_ledger(service.ledger, load), load)


def test_the_clock_jumps_back(predictor: ResponsePredictor, tmp_path: Path, body: bytes) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    settings = faults.settings_of_moved_clock(tmp_path)
    with running_service(predictor, tmp_path, ledger, settings=settings) as service:

        async def jump(load: faults.Load) -> None:
            for days in (0, -400, -1, 0):
                faults.move_clock(tmp_path, days)
                await faults.answered(load, 60)

        load = faults.with_load(service, body, "clock", 4, jump)
        again = asyncio.run(
            faults.at_once(service, "/predict", [body] * 8, Idempotency_Key="clock-0-0")
        )
    assert set(load.statuses) == {200}
    assert {reply.content["prediction_id"] for reply in again} == {*load.answered["clock-0-0"]}
    kept = faults.check_ledger(ledger, load)
    faults.check_order(kept, load)
    moments = [row["recorded_at"] for row in rows_of(ledger)]
    days = {(later - earlier).days for earlier, later in pairwise(moments)}
    assert min(days) <= -399 <= 398 <= max(days)


def test_two_workers_keep_one_limit_and_a_new_model_does_not_refill_it(
    predictor: ResponsePredictor, altered: Any, tmp_path: Path, body: bytes
) -> None:
    ledger, per_minute = f"sqlite:///{tmp_path / 'ledger.db'}", 600
    settings = {RATE_VARIABLE: str(per_minute), RELOAD_VARIABLE: "0.2"}
    with running_service(predictor, tmp_path, ledger, settings=settings) as service:
        begun = time.monotonic()

        def ask(times: int) -> int:
            replies = asyncio.run(faults.at_once(service, "/predict", [body] * times))
            counts = Counter(reply.status for reply in replies)
            assert counts.keys() <= {200, 429}
            return counts[200]

        granted = ask(150) + ask(150)
        service.take_model(altered(version="0.2.0"))
        faults.wait_for(lambda: service.log.count("A new model answers.") == 2)
        granted += ask(150)
        seconds = time.monotonic() - begun
    print(f"{granted} of {per_minute / 60:g} a second granted in {seconds:.1f} s")
    # The few that were asked until the service was ready count as well.
    assert 80 <= granted <= per_minute / 60 * (10 + seconds)
