"""The public keys of an issuer (JWKS), from a file or from the one address in the settings."""

import json
import logging
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import jwt

from data_schemas.errors import ConfigurationError
from serving.access.issuers import Issuer

logger = logging.getLogger("tms_response.access")

# Asymmetric only: with an HMAC whoever can check a token can also make one.
_ALGORITHMS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
ALGORITHMS: Final = tuple(name for names in _ALGORITHMS.values() for name in names)
_SMALLEST_RSA_BITS: Final = 2048
_SECONDS_TO_FETCH: Final = 5
_LARGEST_SET_BYTES: Final = 1024 * 1024
_SECONDS_KEPT: Final = 3600.0
_SECONDS_BETWEEN_FETCHES: Final = 60.0

_Keys = dict[tuple[str, str], jwt.PyJWK]


class KeySet:
    """The keys of one issuer by id and algorithm.

    A file is read once. An address is fetched at first, then once an hour, and where a token names
    an unknown key, yet never more than once a minute; when it cannot be, the last keys stay.

    Parameters
    ----------
    issuer : Issuer
        Whose keys these are.

    Raises
    ------
    ConfigurationError
        When the keys are in a file that is no JWKS with a usable key.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._lock = threading.Lock()
        self._keys: _Keys = {}
        self._fetched = self._tried = float("-inf")
        if issuer.fetched:
            self._fetch()
            return
        try:
            self._keys = _parsed(Path(issuer.keys).read_bytes())
        except (OSError, ValueError):
            raise ConfigurationError(
                f"{issuer.keys} is not a readable JWKS with asymmetric keys, each with a `kid`."
            ) from None

    def find(self, key_id: str, algorithm: str) -> jwt.PyJWK | None:
        """Return a key by its id, for an algorithm that fits it, or None."""
        if self._issuer.fetched:
            self._keep_fresh(unknown=(key_id, algorithm) not in self._keys)
        return self._keys.get((key_id, algorithm))

    def _keep_fresh(self, *, unknown: bool) -> None:
        with self._lock:
            now = time.monotonic()
            old = now - self._fetched > _SECONDS_KEPT
            if (old or unknown) and now - self._tried > _SECONDS_BETWEEN_FETCHES:
                self._fetch()

    def _fetch(self) -> None:
        self._tried = time.monotonic()
        try:
            opener = urllib.request.build_opener(_NoRedirect)
            with opener.open(self._issuer.keys, timeout=_SECONDS_TO_FETCH) as answer:
                self._keys = _parsed(answer.read(_LARGEST_SET_BYTES))
            self._fetched = self._tried
        except (OSError, ValueError):
            logger.error("The keys of %s cannot be fetched.", self._issuer.issuer)  # noqa: TRY400


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: only the address in the settings is asked."""

    def redirect_request(self, *_arguments: object, **_named: object) -> None:
        """Refuse, which urllib turns into an error."""


def _parsed(text: bytes) -> _Keys:
    """Return the usable keys of a JWKS; raise ValueError where there is none."""
    keys: _Keys = {}
    content = json.loads(text)
    entries = content.get("keys") if isinstance(content, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("kid"), str):
            keys.update(_usable(entry))
    if not keys:
        raise ValueError("no usable key")
    return keys


def _usable(entry: dict[str, Any]) -> _Keys:
    if entry.get("use", "sig") != "sig":
        return {}
    fitting = _ALGORITHMS.get((str(entry.get("kty")), str(entry.get("crv", ""))), ())
    named = entry.get("alg")
    found: _Keys = {}
    for algorithm in fitting:
        if named is not None and named != algorithm:
            continue
        try:
            key = jwt.PyJWK(entry, algorithm=algorithm)
        except jwt.PyJWTError:
            return {}
        if getattr(key.key, "key_size", _SMALLEST_RSA_BITS) >= _smallest(entry):
            found[entry["kid"], algorithm] = key
    return found


def _smallest(entry: dict[str, Any]) -> int:
    return _SMALLEST_RSA_BITS if entry["kty"] == "RSA" else 0
