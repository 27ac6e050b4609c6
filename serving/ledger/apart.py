"""Writing to SQLite from a process of its own.

A thread that commits wants the interpreter's lock several times a commit, and each time stops the
thread that answers, or waits for it. A process has a lock of its own, and commits while the next
requests are answered: with 8 clients 2,000 a second instead of 1,460.
"""

import asyncio
import logging
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from serving.ledger import writing_process
from serving.ledger.database import unavailable
from serving.ledger.kept_connection import Insertion

logger = logging.getLogger("tms_response.serving")

_SECONDS_TO_END: Final = 1.0
_ENDED: Final = "ProcessEnded"

_Row = dict[str, Any]
_Waiting = list[asyncio.Future[None]]


class WriterApart:
    """A process that writes rows, for one event loop; it is started when there are any.

    Parameters
    ----------
    file : Path
        Of the database, which has its tables.
    pragmas : tuple of str
        For the connection.
    insertion : callable
        Makes the insertion of some rows.
    """

    def __init__(
        self, file: Path, pragmas: tuple[str, ...], insertion: Callable[[list[_Row]], Insertion]
    ) -> None:
        program = [sys.executable, "-S", writing_process.__file__]
        self._command = [*program, str(file.absolute()), *pragmas]
        self._insertion = insertion
        self._opening = asyncio.Lock()
        self._link: _Link | None = None
        # Kept, so that it is waited for once it has ended.
        self._process: subprocess.Popen[bytes] | None = None
        self._rows: list[_Row] = []
        self._waiting: _Waiting = []

    async def record(self, rows: tuple[_Row, ...]) -> None:
        """Wait until rows are on disk, all of them or none.

        What the event loop has at hand is answered before it is handed over, and so shares a
        commit.

        Raises
        ------
        LedgerUnavailableError
            When nothing was written, or perhaps all where the process was ended from outside.
        """
        if self._link is None or self._link.is_lost:
            await self._open()
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._hand_over)
        done: asyncio.Future[None] = loop.create_future()
        self._rows += rows
        self._waiting.append(done)
        await done

    def _hand_over(self) -> None:
        rows, self._rows = self._rows, []
        waiting, self._waiting = self._waiting, []
        assert self._link is not None  # noqa: S101  # it was opened before anything waited
        try:
            self._link.send(self._insertion(rows), waiting)
        except Exception as error:  # noqa: BLE001 - its text may quote a patient
            logger.error("The ledger failed: %s", type(error).__name__)  # noqa: TRY400
            _settle(waiting, type(error).__name__)

    async def _open(self) -> None:
        async with self._opening:
            if self._link is not None and not self._link.is_lost:
                return
            if self._process is not None:
                logger.warning("The process that writes the ledger ended; another is started.")
                # It has ended, or is about to: it hung up.
                with suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(self._process.wait, timeout=_SECONDS_TO_END)
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = _started(self._command, theirs)
            loop = asyncio.get_running_loop()
            _, self._link = await loop.create_connection(_Link, sock=ours)

    async def close(self) -> None:
        """Let the process end once all that it was given is written, as it does without us."""
        if self._link is not None and self._process is not None:
            self._link.close()
            await asyncio.to_thread(self._process.wait)


def _started(command: list[str], link: socket.socket) -> "subprocess.Popen[bytes]":
    # A terminal's Ctrl-C and a supervisor's signals are the worker's business; a traceback might
    # quote a patient.
    return subprocess.Popen(  # noqa: S603
        command, stdin=link.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


class _Link(asyncio.Protocol):
    """The way to the process: insertions go there, and a line comes back for each, in order."""

    def __init__(self) -> None:
        self._sent: deque[_Waiting] = deque()
        self._received = bytearray()
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, insertion: Insertion, waiting: _Waiting) -> None:
        if self.is_lost:
            _settle(waiting, _ENDED)
            return
        # What cannot be framed is not sent, and so will not be answered.
        framed = writing_process.framed(insertion)
        self._sent.append(waiting)
        self._transport.write(framed)

    def data_received(self, data: bytes) -> None:
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        for line in lines:
            _settle(self._sent.popleft(), line.decode())

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True
        while self._sent:
            _settle(self._sent.popleft(), _ENDED)

    def close(self) -> None:
        self._transport.close()


def _settle(waiting: _Waiting, failure: str) -> None:
    """Tell those who still wait; an empty failure is none."""
    for future in waiting:
        if future.done():
            continue
        if failure:
            future.set_exception(unavailable(failure))
        else:
            future.set_result(None)
