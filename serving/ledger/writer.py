"""One thread writes for all requests of a worker; those that wait together share one commit.

What an event loop has at hand is answered before it is handed over, and so shares a commit. As all
of it is acknowledged together, the clients' next requests come together too: with 8 clients a
commit takes 5 to 7 requests instead of 2, and the cost of a commit is shared by as many.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from serving.ledger.database import LedgerUnavailableError
from serving.ledger.entries import Entry, StoredAnswer

logger = logging.getLogger("tms_response.serving")

_MOST_TOGETHER: Final = 256
_IDLE_SECONDS: Final = 1.0

_Results = list[StoredAnswer | None]
_Waiting = tuple[Entry, "Future[StoredAnswer | None]"]


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
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._waiting: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    async def record(self, entry: Entry) -> StoredAnswer | None:
        """Wait until an entry is on disk; see `write_entries` for what is returned."""
        loop = asyncio.get_running_loop()
        gathered = self._gathered.get(loop)
        if gathered is None:
            gathered = self._gathered[loop] = []
            loop.call_soon(self._hand_over, loop)
        waiting = _waiting(entry)
        gathered.append(waiting)
        return await asyncio.wrap_future(waiting[1])

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting.put(self._gathered.pop(loop))

    def submit(self, entry: Entry) -> "Future[StoredAnswer | None]":
        """Return what becomes the result once an entry is on disk."""
        waiting = _waiting(entry)
        self._waiting.put([waiting])
        return waiting[1]

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

    def _together(self) -> tuple[list[_Waiting], bool]:
        """Return what waits, and whether more may come."""
        together: list[_Waiting] = []
        try:
            item = self._waiting.get(timeout=_IDLE_SECONDS)
            while item is not None:
                together += item
                if len(together) >= _MOST_TOGETHER:
                    return together, True
                item = self._waiting.get_nowait()
        except queue.Empty:
            return together, True
        return together, False

    def _write_together(self, together: list[_Waiting]) -> None:
        try:
            results = self._write([entry for entry, _ in together])
        except LedgerUnavailableError as error:
            for _, future in together:
                future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - its text may quote a patient
            logger.error("The ledger failed: %s", type(error).__name__)  # noqa: TRY400
            unavailable = LedgerUnavailableError("The ledger failed by a fault of the service.")
            for _, future in together:
                future.set_exception(unavailable)
        else:
            for (_, future), result in zip(together, results, strict=True):
                future.set_result(result)

    def _rest(self) -> None:
        try:
            self._when_idle()
        except Exception as error:  # noqa: BLE001
            logger.error("The ledger failed while idle: %s", type(error).__name__)  # noqa: TRY400


def _waiting(entry: Entry) -> _Waiting:
    future: Future[StoredAnswer | None] = Future()
    # From here on it is written, whether or not the client still waits.
    future.set_running_or_notify_cancel()
    return entry, future
