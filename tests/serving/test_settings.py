"""The service's variables are read once, with a sentence when wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

import serving
from data_schemas.errors import ConfigurationError
from serving.access.keys import new_key
from serving.settings import (
    ACCESS_VARIABLE,
    CORS_VARIABLE,
    KEYS_FILE,
    KEYS_VARIABLE,
    LEDGER_VARIABLE,
    LOG_REQUESTS_VARIABLE,
    MODEL_VARIABLE,
    OUTBOX_VARIABLE,
    RATE_VARIABLE,
    RELOAD_VARIABLE,
    SECONDS_VARIABLE,
    TOKENS_VARIABLE,
    WORKERS_VARIABLE,
    access_required,
    cors_origins,
    keys_file,
    ledger_url,
    log_requests,
    model_source,
    n_workers,
    outbox_file,
    reload_seconds,
    requests_per_minute,
    seconds_per_request,
    state_folder,
    tokens_file,
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


def test_keys_lie_beside_the_ledger_and_are_not_overlooked_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(KEYS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    new, before = state_folder() / KEYS_FILE, tmp_path / KEYS_FILE
    assert keys_file() == new
    before.touch()
    with pytest.raises(ConfigurationError, match=f"{new} now: move {before} there"):
        keys_file()
    monkeypatch.setenv(KEYS_VARIABLE, KEYS_FILE)
    assert keys_file() == before
    monkeypatch.delenv(KEYS_VARIABLE)
    new_key(new, ["predict"])
    assert new.parent.stat().st_mode & 0o777 == 0o700
    assert keys_file() == new


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


@pytest.mark.parametrize(
    ("variable", "read", "given"),
    [
        (ACCESS_VARIABLE, access_required, "off"),
        (RELOAD_VARIABLE, reload_seconds, "-1"),
        (RELOAD_VARIABLE, reload_seconds, "soon"),
        (LOG_REQUESTS_VARIABLE, log_requests, "yes"),
        (CORS_VARIABLE, cors_origins, "*"),
        (CORS_VARIABLE, cors_origins, "https://a.example/path"),
        (CORS_VARIABLE, cors_origins, "https://a.example, https://b.example"),
    ],
)
def test_other_values_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, read: Callable[[], object], given: str
) -> None:
    monkeypatch.setenv(variable, given)
    with pytest.raises(ConfigurationError, match=variable):
        read()


def test_what_is_not_set_is_the_safer_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ACCESS_VARIABLE, CORS_VARIABLE, LOG_REQUESTS_VARIABLE, RELOAD_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(TOKENS_VARIABLE, raising=False)
    assert (access_required(), cors_origins(), log_requests()) == (True, (), False)
    assert (tokens_file(), reload_seconds()) == (None, 10)


def test_origins_are_listed_with_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CORS_VARIABLE, "https://a.example http://[::1]:8080")
    assert cors_origins() == ("https://a.example", "http://[::1]:8080")


@pytest.mark.parametrize(
    ("variable", "read", "default", "wrong"),
    [
        (RATE_VARIABLE, requests_per_minute, 30_000, "-1"),
        (SECONDS_VARIABLE, seconds_per_request, 30, "0"),
    ],
)
def test_limits_are_whole_numbers(
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    read: Callable[[], int],
    default: int,
    wrong: str,
) -> None:
    monkeypatch.delenv(variable, raising=False)
    assert read() == default
    monkeypatch.setenv(variable, "12")
    assert read() == 12
    for given in (wrong, "many", "1.5"):
        monkeypatch.setenv(variable, given)
        with pytest.raises(ConfigurationError, match=variable):
            read()
