"""A store with three versions, and one with an update beside them, made once and copied."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from monitored_ledgers import write_ledger
from promoted_runs import CHAMPION, copied_store, few_draws, store_at, write_store
from tracked_runs import made_up_patients, quiet_mlflow

import tms_response
from serving.predictor import ResponsePredictor
from serving.settings import LEDGER_VARIABLE


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `champion`, `good` and `bad`, and the store that they are in."""
    return write_store(tmp_path_factory.mktemp("promotion") / "store")


@pytest.fixture(scope="session")
def updated_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clinic's folder: `ledger.db`, whose patients respond more often than the champion said, and
    `update`, registered as version 4."""
    home = copied_store(template, tmp_path_factory.mktemp("updated") / "store")
    predictor = ResponsePredictor.load(template / "champion" / "model")
    write_ledger(f"sqlite:///{home}/ledger.db", predictor, made_up_patients(160, 9), shift=1.2)
    with pytest.MonkeyPatch.context() as patch, store_at(home), quiet_mlflow(), few_draws():
        patch.setenv(LEDGER_VARIABLE, f"sqlite:///{home}/ledger.db")
        out = ["--place", "Clinic A", "--register", "--out", str(home / "update")]
        assert tms_response.run(["update", CHAMPION, *out]) == 0
    return home


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[Path]:
    """The folder of a store of this test's own, where few draws are compared in."""
    home = copied_store(template, tmp_path / "home")
    with store_at(home), quiet_mlflow(), few_draws():
        yield home


@pytest.fixture
def updated_store(
    updated_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The folder of a store of this test's own that has the update; the ledger is the clinic's."""
    home = copied_store(updated_template, tmp_path / "updated")
    monkeypatch.setenv(LEDGER_VARIABLE, f"sqlite:///{updated_template}/ledger.db")
    with store_at(home), quiet_mlflow(), few_draws():
        yield home
