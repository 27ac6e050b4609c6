"""Keys: shown once, kept as hashes, recognised until revoked."""

import json
import stat
import threading
from pathlib import Path

import pytest

from data_schemas.errors import ConfigurationError, UsageError
from serving.access import keys
from serving.access.keys import KeyRing, new_key, read_keys, revoke_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "keys.jsonl"


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_SECONDS_BETWEEN_LOOKS", 0.0)


def test_a_key_is_recognised_and_another_is_not(path: Path) -> None:
    text = new_key(path, ["outcomes", "predict"], "ward 3")
    found = KeyRing(path).find(text)
    assert found is not None
    assert found.scopes == {"predict", "outcomes"}
    [stored] = read_keys(path).values()
    assert found.name == f"key:{stored.key_id}"
    assert stored.label == "ward 3"
    wrong = [text[:-1] + ("a" if text[-1] != "a" else "b"), text[:-1], text + "a", "", "tms__", "é"]
    for other in (*wrong, stored.sha256, f"tms_{stored.key_id}_", f"tms_{stored.key_id}_é"):
        assert KeyRing(path).find(other) is None


def test_the_file_is_its_owners_and_does_not_hold_the_key(path: Path) -> None:
    text = new_key(path, ["predict"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert text.split("_", 2)[2] not in path.read_text("utf-8")


def test_keys_made_at_once_are_all_kept(path: Path) -> None:
    threads = [threading.Thread(target=new_key, args=(path, ["predict"])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_keys(path)) == 20


@pytest.mark.usefixtures("no_pause")
def test_a_running_service_learns_of_new_and_of_revoked_keys(path: Path) -> None:
    ring = KeyRing(path)
    text = new_key(path, ["predict"])
    assert ring.find(text) is not None
    revoke_key(path, next(iter(read_keys(path))))
    assert ring.find(text) is None
    assert read_keys(path) == {}


def test_a_new_key_is_valid_at_once(path: Path) -> None:
    ring = KeyRing(path)
    for _ in range(3):
        assert ring.find(new_key(path, ["predict"])) is not None


@pytest.mark.usefixtures("no_pause")
def test_a_file_damaged_meanwhile_leaves_the_keys_valid(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = new_key(path, ["predict"])
    ring = KeyRing(path)
    with path.open("a") as file:
        file.write("{\n")
    assert ring.find(text) is not None
    assert "line 2" in caplog.text
    path.unlink()
    assert ring.find(text) is None


def test_a_file_that_others_may_write_is_refused(path: Path) -> None:
    new_key(path, ["predict"])
    path.chmod(0o620)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        KeyRing(path)
    path.chmod(0o644)
    assert len(read_keys(path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "3",
        json.dumps({"id": "a", "sha256": "b", "scopes": [], "created": "", "label": ""}),
        json.dumps({"id": "a", "sha256": "0" * 64, "scopes": ["x"], "created": "", "label": ""}),
    ],
)
def test_other_entries_are_named_by_their_line(path: Path, line: str) -> None:
    new_key(path, ["predict"])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        read_keys(path)


def test_wrong_scopes_and_ids_are_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        new_key(path, [])
    with pytest.raises(UsageError, match="Did you mean 'outcomes'"):
        new_key(path, ["outcome"])
    with pytest.raises(UsageError, match="no key 'abc'"):
        revoke_key(path, "abc")
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be"):
        new_key(tmp_path, ["predict"])
