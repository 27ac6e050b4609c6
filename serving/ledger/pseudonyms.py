"""Names that only the holder of a key can tie to a patient."""

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from data_schemas.errors import ConfigurationError

_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pseudonym:
    """A patient's name in the ledger.

    Attributes
    ----------
    value : str
        HMAC-SHA256 of the patient's identifier, 64 hexadecimal digits.
    key_id : str
        Which key made it.
    """

    value: str
    key_id: str


class PseudonymKeys:
    """The keys of pseudonyms: the first makes new ones, the others find old ones.

    To rotate, put a new key before the others and start the service again.

    Parameters
    ----------
    text : str
        Keys of 64 hexadecimal digits, each followed by a space, comma or new line.

    Raises
    ------
    ConfigurationError
        When there is none, or one is no key.
    """

    def __init__(self, text: str) -> None:
        written = text.replace(",", " ").split()
        if not written or not all(_KEY.fullmatch(key) for key in written):
            raise ConfigurationError(
                "A pseudonym key is 64 digits of 0-9 and a-f, one a line, the newest first; make "
                "one with: python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        self._keys = [bytes.fromhex(key) for key in written]

    @classmethod
    def from_file(cls, file: Path, *, create: bool = False) -> Self:
        """Read keys from a file; where it may be created, an absent one is made with a new key.

        Raises
        ------
        ConfigurationError
            When it is absent, unreadable, open to other users, or holds something else.
        """
        try:
            if create and not file.exists():
                _create(file)
            if file.stat().st_mode & 0o077:
                raise ConfigurationError(
                    f"{file} can be read by other users; close it with: chmod 600 {file}"
                )
            return cls(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(
                f"The pseudonym keys in {file} cannot be read; name another file with "
                "TMS_RESPONSE_PSEUDONYM_KEY_FILE."
            ) from None

    def pseudonym(self, patient_id: str) -> Pseudonym:
        """Return the pseudonym of a patient under the newest key."""
        return self._under(self._keys[0], patient_id)

    def every_pseudonym(self, patient_id: str) -> tuple[Pseudonym, ...]:
        """Return the pseudonyms of a patient under all keys, the newest first."""
        return tuple(self._under(key, patient_id) for key in self._keys)

    def fingerprint(self, content: bytes) -> str:
        """Return a keyed digest of a request under the newest key."""
        return _digest(self._keys[0], b"request", content)

    def made(self, fingerprint: str, content: bytes) -> bool:
        """Return whether a digest is that of a request, under any key."""
        return any(
            hmac.compare_digest(fingerprint, _digest(key, b"request", content))
            for key in self._keys
        )

    @staticmethod
    def _under(key: bytes, patient_id: str) -> Pseudonym:
        value = _digest(key, b"patient", patient_id.encode())
        return Pseudonym(value, _digest(key, b"key", b"")[:8])


def _digest(key: bytes, purpose: bytes, content: bytes) -> str:
    return hmac.new(key, purpose + b"\0" + content, hashlib.sha256).hexdigest()


def _create(file: Path) -> None:
    """Write a new key; of two processes that do so at once, one wins and both use its key."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_hex(32) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
