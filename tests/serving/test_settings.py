"""The service's variables are read once, with a sentence when wrong."""

from pathlib import Path

import pytest

import serving
from data_schemas.errors import ConfigurationError
from serving.settings import (
    LEDGER_VARIABLE,
    MODEL_VARIABLE,
    OUTBOX_VARIABLE,
    WORKERS_VARIABLE,
    ledger_url,
    model_source,
    n_workers,
    outbox_file,
)


def test_the_model_is_named_or_lies_beside_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, "/srv/model")
    assert model_source() == Path("/srv/model")
    monkeypatch.delenv(MODEL_VARIABLE)
    assert model_source() == Path(str(serving.__file__)).resolve().parent.parent / "model"


@pytest.mark.parametrize(("given", "expected"), [("", 1), ("1", 1), ("4", 4)])
def test_workers_are_counted(monkeypatch: pytest.MonkeyPatch, given: str, expected: int) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, given)
    assert n_workers() == expected


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5"])
def test_other_numbers_of_workers_are_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, given)
    with pytest.raises(ConfigurationError, match=WORKERS_VARIABLE):
        n_workers()


def test_the_ledger_lies_where_programs_keep_their_state(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (LEDGER_VARIABLE, OUTBOX_VARIABLE, "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/clinic")
    folder = "/home/clinic/.local/state/tms-response"
    assert ledger_url() == f"sqlite:///{folder}/ledger.db"
    assert outbox_file() == Path(folder, "outbox.db")


def test_the_ledger_may_be_named_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEDGER_VARIABLE, "postgresql://ledger@db/tms")
    assert ledger_url() == "postgresql://ledger@db/tms"
    monkeypatch.setenv(LEDGER_VARIABLE, "none")
    assert ledger_url() is None
