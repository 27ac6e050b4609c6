"""The environment names the ledger and its keys, and every mistake in it is a sentence."""

from pathlib import Path

import pytest
from ledgers import KEYS

from data_schemas.errors import ConfigurationError
from serving.ledger.start import existing_ledger_url, open_ledger, pseudonym_keys
from serving.settings import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    LEDGER_VARIABLE,
    pseudonym_key_file,
    state_folder,
)


@pytest.fixture(autouse=True)
def fresh_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (LEDGER_VARIABLE, KEY_VARIABLE, KEY_FILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_by_default_a_ledger_and_a_key_are_made_apart(tmp_path: Path) -> None:
    ledger = open_ledger()
    assert ledger is not None
    assert ledger.keys.pseudonym("p") == pseudonym_keys().pseudonym("p")
    ledger.close()
    assert (state_folder() / "ledger.db").is_file()
    assert pseudonym_key_file().stat().st_mode & 0o777 == 0o600
    assert state_folder() not in pseudonym_key_file().parents
    assert tmp_path in pseudonym_key_file().parents
    assert existing_ledger_url() == f"sqlite:///{state_folder() / 'ledger.db'}"


def test_no_ledger_is_kept_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEDGER_VARIABLE, "none")
    assert open_ledger() is None
    assert not state_folder().exists()
    with pytest.raises(ConfigurationError, match="name a ledger"):
        existing_ledger_url()


def test_a_shared_ledger_needs_shared_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEDGER_VARIABLE, "postgresql://ledger@127.0.0.1:1/tms")
    with pytest.raises(ConfigurationError, match=KEY_FILE_VARIABLE):
        open_ledger()
    assert not pseudonym_key_file().exists()


def test_keys_come_from_the_variable_or_the_file_it_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text("ab" * 32)
    file.chmod(0o600)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(file))
    assert pseudonym_keys(create=True).pseudonym("p") == KEYS.pseudonym("p")
    monkeypatch.setenv(KEY_VARIABLE, "cd" * 32)
    assert pseudonym_keys().pseudonym("p") != KEYS.pseudonym("p")


def test_a_ledger_that_is_not_there_is_not_made_by_a_command() -> None:
    with pytest.raises(ConfigurationError, match="There is no ledger"):
        existing_ledger_url()
    assert not state_folder().exists()
