"""Saying in the log that the ledger cannot be written, and that it can be again."""

import logging
import math
import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Final

from serving.ledger.database import LedgerUnavailableError

logger = logging.getLogger("tms_response.serving")

# A choice: soon enough to be seen, and no flood while thousands of requests are refused.
_SECONDS_BETWEEN_LINES: Final = 10.0


class Outage:
    """Notes how attempts to write end, each of them a block within it; for any thread.

    What fails is logged, but one line in ten seconds at most; so is the first that succeeds after
    such a line.

    Parameters
    ----------
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._is_told, self._quiet_until = False, -math.inf

    def __enter__(self) -> None:
        """Begin an attempt."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Note how it ended."""
        if kind is None:
            if self._is_told:
                self._tell_end()
        elif isinstance(error, LedgerUnavailableError):
            self._tell(error)

    def _tell(self, error: LedgerUnavailableError) -> None:
        with self._lock:
            now = self._clock()
            if now < self._quiet_until:
                return
            self._is_told, self._quiet_until = True, now + _SECONDS_BETWEEN_LINES
        # Its text names the class of what failed, and nothing that was to be written.
        logger.error("Requests are refused with 503: %s", error)

    def _tell_end(self) -> None:
        with self._lock:
            if not self._is_told:
                return
            self._is_told = False
        logger.info("The ledger can be written again.")
