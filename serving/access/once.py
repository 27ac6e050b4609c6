"""Remembering what may be used once only."""

import threading
import time
from typing import Final, Protocol

_ENTRIES_BEFORE_CLEARING: Final = 10_000


class OnceStore(Protocol):
    """Where used identifiers are kept; one that all workers share holds across them."""

    def remember_once(self, kind: str, key: str, expires: float) -> bool:
        """Remember a key until it expires, and return whether it was new.

        Parameters
        ----------
        kind : str
            What the key belongs to, such as `jti`.
        key : str
            At most 64 characters.
        expires : float
            Seconds since 1970, after which the key may be forgotten.
        """


class OnceInProcess:
    """Keys remembered by this process alone; with several workers each remembers its own."""

    def __init__(self) -> None:
        self._expires: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def remember_once(self, kind: str, key: str, expires: float) -> bool:
        """Remember a key until it expires, and return whether it was new."""
        with self._lock:
            if len(self._expires) >= _ENTRIES_BEFORE_CLEARING:
                now = time.time()
                self._expires = {
                    entry: until for entry, until in self._expires.items() if until > now
                }
            if (kind, key) in self._expires:
                return False
            self._expires[kind, key] = expires
            return True
