"""The service does not start on a wrong address or with a damaged model, and says why."""

import os
import socket
from pathlib import Path

import pytest

from data_schemas.errors import ModelError, ServiceError, UsageError
from serving.predictor import BOOSTER_FILE, ResponsePredictor
from serving.start import serve


@pytest.fixture
def folder(predictor: ResponsePredictor, tmp_path: Path) -> Path:
    predictor.save(tmp_path)
    return tmp_path


def test_a_damaged_model_is_refused_before_anything_starts(folder: Path) -> None:
    before = dict(os.environ)
    (folder / BOOSTER_FILE).write_text("tree\n")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        serve(folder)
    assert dict(os.environ) == before


def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"cannot listen on 127.0.0.1, port {port}"):
            serve(folder, port=port)


def test_an_address_of_another_machine_is_refused(folder: Path) -> None:
    with pytest.raises(ServiceError, match=r"cannot listen on 192\.0\.2\.1"):
        serve(folder, host="192.0.2.1")


@pytest.mark.parametrize("port", [-1, 0, 70_000])
def test_ports_that_do_not_exist_are_refused(folder: Path, port: int) -> None:
    with pytest.raises(UsageError, match="from 1 to 65535"):
        serve(folder, port=port)


def test_no_workers_at_all_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="at least 1 worker"):
        serve(folder, workers=0)
