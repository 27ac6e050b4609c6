"""Pseudonyms need their key, keys can be rotated, and key files are private."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.errors import ConfigurationError
from serving.ledger.pseudonyms import PseudonymKeys

ROOT = Path(__file__).resolve().parents[3]
OLD, NEW = "ab" * 32, "cd" * 32


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_patient_has_one_pseudonym_and_shares_it_with_nobody(one: str, other: str) -> None:
    keys = PseudonymKeys(OLD)
    assert keys.pseudonym(one) == keys.pseudonym(one)
    assert (keys.pseudonym(one) == keys.pseudonym(other)) == (one == other)
    assert keys.pseudonym(one) != PseudonymKeys(NEW).pseudonym(one)
    assert len(keys.pseudonym(one).value) == 64


def test_after_rotation_new_names_are_given_and_old_ones_are_found() -> None:
    before, after = PseudonymKeys(OLD), PseudonymKeys(f"{NEW}\n{OLD}\n")
    old, new = before.pseudonym("patient"), after.pseudonym("patient")
    assert old.key_id != new.key_id
    assert after.every_pseudonym("patient") == (new, old)
    assert after.made(before.fingerprint(b"body"), b"body")
    assert not after.made(before.fingerprint(b"body"), b"other")


def test_a_fingerprint_is_no_pseudonym() -> None:
    keys = PseudonymKeys(OLD)
    assert keys.fingerprint(b"patient") != keys.pseudonym("patient").value


@pytest.mark.parametrize("text", ["", " \n", "hunter2", "ab" * 31, "AB" * 32, f"{OLD} short"])
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="64 digits") as caught:
        PseudonymKeys(text)
    assert not text.strip() or text not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(OLD)
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        PseudonymKeys.from_file(file)


def test_a_key_is_made_once_by_all_processes_and_only_where_allowed(tmp_path: Path) -> None:
    file = tmp_path / "made" / "keys"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        PseudonymKeys.from_file(file)
    code = (
        "import sys; from pathlib import Path\n"
        "from serving.ledger.pseudonyms import PseudonymKeys\n"
        "print(PseudonymKeys.from_file(Path(sys.argv[1]), create=True).pseudonym('p').value)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, file], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    names = {process.communicate(timeout=60)[0].decode().strip() for process in started}
    assert names == {PseudonymKeys.from_file(file).pseudonym("p").value}
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
