"""A real service of two workers meets what goes wrong in a hospital; the ledger stays exact."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import service_faults as faults
from ledgers import PostgresServer
from real_servers import Service, running_service

from data_schemas.patient import Patient
from serving.predictor import ResponsePredictor

pytestmark = pytest.mark.system


@pytest.fixture(scope="session")
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
    folder = disk.folder if disk else home
    with running_service(predictor, home, f"sqlite:///{folder / 'ledger.db'}") as found:
        yield found


def test_a_thousand_clients_and_slow_readers(service: Service, body: bytes) -> None:
    quick, slow = faults.many_at_once(service, body, n_quick=970, n_slow=30, n_requests=1)
    assert quick.statuses == {200: 970}
    assert slow.statuses == {200: 30}
    print(quick.figures())
    print(slow.figures())
    assert min(slow.seconds) > max(quick.seconds) / 2
    faults.check_ledger(service.ledger, quick, slow)


@pytest.mark.parametrize("kind", ["small disk", "short files"])
def test_a_full_disk_answers_nobody_and_recovers(
    service: Service, disk: faults.SmallDisk | None, body: bytes, kind: str
) -> None:
    if kind == "small disk" and disk is None:
        pytest.skip("this machine allows no mount")
    chosen = faults.ShortFiles() if disk is None or kind == "short files" else disk
    load = faults.disk_that_fills_up(service, chosen, kind.replace(" ", "-"), body, 8, 40)
    assert load.broken == 0
    print(load.figures())


def test_postgres_is_killed_and_comes_back(
    predictor: ResponsePredictor, postgres: PostgresServer, tmp_path: Path, body: bytes
) -> None:
    with running_service(predictor, tmp_path, postgres.new_database()) as service:
        load = faults.server_that_goes_away(service, postgres, body, 8, 100)
        faults.wait_until_forwarded(service)
    assert set(load.statuses) == {200}
    print(load.figures())
    faults.check_order(faults.check_ledger(service.ledger, load), load)
