"""One thread writes for all requests of a worker; those that wait together share one commit.

What an event loop has at hand is answered before it is handed over, and so shares a commit. As all
of it is acknowledged together, the clients' next requests come together too: with 8 clients a
commit takes 5 to 7 requests instead of 2, and the cost of a commit is shared by as many.

Predictions without an idempotency key do not come here where SQLite is the ledger of a service:
see `serving/ledger/apart.py`.
"""

import asyncio
import logging
import operator
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, NamedTuple

from serving.ledger.database import LedgerUnavailableError
from serving.ledger.entries import Entry, StoredAnswer

logger = logging.getLogger("tms_response.serving")

_MOST_TOGETHER: Final = 256
_IDLE_SECONDS: Final = 1.0

_Results = list[StoredAnswer | None]
_Future = asyncio.Future[StoredAnswer | None] | Future[StoredAnswer | None]


class _Group(NamedTuple):
    """Entries that were handed over together, and who waits for each."""

    entries: list[Entry]
    futures: list[_Future]
    # Runs a function where the futures may be set.
    there: Callable[..., Any]


class GroupWriter:
    """Write entries in the order in which they came, each acknowledged after its commit.

    Parameters
    ----------
    write : callable
        Writes entries in one transaction; raises when nothing can be written.
    when_idle : callable
        Called about once a second while there is nothing to write.
    """

    def __init__(
        self, write: Callable[[list[Entry]], _Results], when_idle: Callable[[], None]
    ) -> None:
        self._write, self._when_idle = write, when_idle
        self._gathered: dict[asyncio.AbstractEventLoop, _Group] = {}
        self._waiting: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    async def record(self, entry: Entry) -> StoredAnswer | None:
        """Wait until an entry is on disk; see `write_entries` for what is returned."""
        loop = asyncio.get_running_loop()
        group = self._gathered.get(loop)
        if group is None:
            group = self._gathered[loop] = _Group([], [], loop.call_soon_threadsafe)
            loop.call_soon(self._hand_over, loop)
        future: asyncio.Future[StoredAnswer | None] = loop.create_future()
        # From here on it is written, whether or not the client still waits.
        group.entries.append(entry)
        group.futures.append(future)
        return await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting.put(self._gathered.pop(loop))

    def submit(self, entry: Entry) -> "Future[StoredAnswer | None]":
        """Return what becomes the result once an entry is on disk."""
        future: Future[StoredAnswer | None] = Future()
        future.set_running_or_notify_cancel()
        self._waiting.put(_Group([entry], [future], operator.call))
        return future

    def close(self) -> None:
        """Write what waits, and stop."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            together, going_on = self._together()
            if together:
                self._write_together(together)
            else:
                self._rest()

    def _together(self) -> tuple[list[_Group], bool]:
        """Return what waits, and whether more may come."""
        together: list[_Group] = []
        n_entries = 0
        try:
            group = self._waiting.get(timeout=_IDLE_SECONDS)
            while group is not None:
                together.append(group)
                n_entries += len(group.entries)
                if n_entries >= _MOST_TOGETHER:
                    return together, True
                group = self._waiting.get_nowait()
        except queue.Empty:
            return together, True
        return together, False

    def _write_together(self, together: list[_Group]) -> None:
        results: _Results = []
        failure: LedgerUnavailableError | None = None
        try:
            results = self._write([entry for group in together for entry in group.entries])
        except LedgerUnavailableError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - its text may quote a patient
            logger.error("The ledger failed: %s", type(error).__name__)  # noqa: TRY400
            failure = LedgerUnavailableError("The ledger failed by a fault of the service.")
        done = 0
        for _, futures, there in together:
            own = results[done : done + len(futures)]
            done += len(futures)
            # A loop that was closed has nobody left who waits.
            with suppress(RuntimeError):
                there(_settle, futures, own, failure)

    def _rest(self) -> None:
        try:
            self._when_idle()
        except Exception as error:  # noqa: BLE001
            logger.error("The ledger failed while idle: %s", type(error).__name__)  # noqa: TRY400


def _settle(
    futures: list[_Future],
    results: Sequence[StoredAnswer | None],
    failure: LedgerUnavailableError | None,
) -> None:
    """Tell those who still wait."""
    for number, future in enumerate(futures):
        if future.done():
            continue
        if failure is None:
            future.set_result(results[number])
        else:
            future.set_exception(failure)
