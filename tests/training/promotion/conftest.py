"""A store with three versions, made once and copied for each test."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from promoted_runs import copied_store, store_at, write_store
from tracked_runs import quiet_mlflow

from training.promotion import evidence


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `champion`, `good` and `bad`, and the store that they are in."""
    return write_store(tmp_path_factory.mktemp("promotion") / "store")


@pytest.fixture
def store(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a store of this test's own, where few draws are compared in."""
    monkeypatch.setattr(evidence, "DRAWING", replace(evidence.DRAWING, bootstraps=200))
    home = copied_store(template, tmp_path / "home")
    with store_at(home), quiet_mlflow():
        yield home
