"""API keys: made once, shown once, stored as hashes.

The file holds one JSON object a line and only ever grows: a key, or the revocation of one. A key
has 256 random bits, so nobody can search for it, and plain SHA-256 hides it; a slow hash such as
scrypt protects short passwords and would cost each request tens of milliseconds.
"""

import hmac
import json
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from data_schemas.errors import ConfigurationError, UsageError, did_you_mean
from serving.access.callers import SCOPES, Caller

logger = logging.getLogger("tms_response.access")

_PREFIX: Final = "tms"
_SECRET_BYTES: Final = 32
_SECONDS_BETWEEN_LOOKS: Final = 1.0
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ApiKey:
    """What is stored of a key.

    Attributes
    ----------
    key_id : str
        Names the key in logs; not secret.
    sha256 : str
        Of the whole key, in hexadecimal.
    scopes : tuple of str
        Of `serving.access.callers.SCOPES`.
    created : str
        ISO 8601, UTC.
    label : str
        Whom or what it is for.
    """

    key_id: str
    sha256: str
    scopes: tuple[str, ...]
    created: str
    label: str


def new_key(path: Path, scopes: Iterable[str], label: str = "") -> str:
    """Make a key, store its hash and return it; it cannot be had again.

    Parameters
    ----------
    path : Path
        File of keys; made for its owner alone where it is absent.
    scopes : iterable of str
        What the key may do; at least one of `serving.access.callers.SCOPES`.
    label : str
        Whom or what it is for; never a patient.

    Raises
    ------
    UsageError
        When a scope is unknown, or there is none.
    ConfigurationError
        When the file cannot be read or written.
    """
    wanted = sorted(set(scopes))
    for scope in wanted:
        if scope not in SCOPES:
            raise UsageError(
                f"There is no scope '{scope}' (allowed: {', '.join(SCOPES)})."
                f"{did_you_mean(scope, SCOPES)}"
            )
    if not wanted:
        raise UsageError(f"A key needs at least one scope (allowed: {', '.join(SCOPES)}).")
    known = read_keys(path)
    key_id = secrets.token_hex(4)
    while key_id in known:
        key_id = secrets.token_hex(4)
    text = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    stored = {"id": key_id, "sha256": _hash(text), "scopes": wanted, "created": _now()}
    _append(path, {**stored, "label": label})
    return text


def revoke_key(path: Path, key_id: str) -> None:
    """Make a key invalid; running services notice within a second.

    Raises
    ------
    UsageError
        When there is no such key.
    ConfigurationError
        When the file cannot be read or written.
    """
    known = read_keys(path)
    if key_id not in known:
        raise UsageError(
            f"{path} holds no key '{key_id}' (allowed: {', '.join(known) or 'none'}); "
            "`tms-response key list` shows them."
        )
    _append(path, {"id": key_id, "revoked": _now()})


def read_keys(path: Path) -> dict[str, ApiKey]:
    """Return the valid keys of a file by their id; none where there is no file.

    Raises
    ------
    ConfigurationError
        When it can be written by others than its owner, or holds something else than keys.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"The keys in {path} cannot be read.") from None
    if mode & _WRITABLE_BY_OTHERS:
        raise ConfigurationError(
            f"{path} can be written by others than its owner, who could add keys; "
            f"run: chmod 600 {path}"
        )
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(lines, start=1):
        try:
            _note(keys, json.loads(line))
        except (ValueError, TypeError, KeyError):
            raise ConfigurationError(
                f"{path}, line {number}, is not an entry that `tms-response key new` wrote; "
                "restore the file, or remove the line."
            ) from None
    return keys


def _note(keys: dict[str, ApiKey], entry: dict[str, Any]) -> None:
    if "revoked" in entry:
        keys.pop(entry["id"], None)
        return
    scopes = tuple(entry["scopes"])
    if not _HASH.fullmatch(entry["sha256"]) or not set(scopes) <= set(SCOPES):
        raise ValueError("not a key")
    keys[str(entry["id"])] = ApiKey(
        str(entry["id"]), entry["sha256"], scopes, str(entry["created"]), str(entry["label"])
    )


def _append(path: Path, entry: dict[str, object]) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One short write that appends is whole, whoever else writes.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, json.dumps(entry).encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class KeyRing:
    """The keys of a file: a new one is valid at once, a revoked one for a second at most.

    Parameters
    ----------
    path : Path
        File of keys; it need not exist yet.

    Raises
    ------
    ConfigurationError
        As `read_keys`; only at first. A file that is damaged later is logged, and the keys that
        were valid stay so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._look()
        self._keys = _by_id(read_keys(path))
        self._next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS

    def find(self, text: str) -> Caller | None:
        """Return whose key this is, or None."""
        key_id = text.split("_", 2)[1] if text.count("_") >= 2 else ""
        # A key that was made a moment ago works at once; a look costs two microseconds.
        if key_id not in self._keys or time.monotonic() >= self._next_look:
            self._read_again()
        expected, caller = self._keys.get(key_id, _NOBODY)
        return caller if hmac.compare_digest(_hash(text), expected) else None

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode

    def _read_again(self) -> None:
        self._next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = _by_id(read_keys(self._path))
        except ConfigurationError as error:
            logger.error("The earlier keys stay valid. %s", error)  # noqa: TRY400


# No text has this hash, so that an unknown id costs the same comparison as a known one.
_NOBODY: Final[tuple[str, Caller | None]] = ("0" * 64, None)


def _by_id(keys: dict[str, ApiKey]) -> dict[str, tuple[str, Caller | None]]:
    return {
        key_id: (key.sha256, Caller(f"key:{key_id}", frozenset(key.scopes)))
        for key_id, key in keys.items()
    }
