"""The process that writes to SQLite for a worker; see `serving/ledger/apart.py`.

It is started as a file, needs the standard library alone, and ends when its worker does.
"""

import marshal
import signal
import socket
import sqlite3
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    # As a file it finds its neighbours, but not the package that it belongs to.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from serving.ledger.kept_connection import Insertion, KeptConnection

_LENGTH: Final = struct.Struct("!I")
_MOST_AT_ONCE: Final = 1 << 20


def framed(insertion: Insertion) -> bytes:
    """Return an insertion as the process reads it."""
    # Both ends are of one release and one interpreter, so that its own format will do.
    content = marshal.dumps((insertion.statement, insertion.values, insertion.row_by_row))
    return _LENGTH.pack(len(content)) + content


def write_all(link: socket.socket, kept: KeptConnection) -> None:
    """Write what comes, together what has come together, until the other end is closed.

    Each insertion is answered by one line: empty once it is on disk, else the name of the error.
    """
    for insertions in _received(link):
        failure = ""
        try:
            kept.write(insertions)
        except (sqlite3.Error, OSError) as error:
            failure = type(error).__name__
        # Where the worker is gone, all that it sent is written nevertheless.
        with suppress(ConnectionError):
            link.sendall(f"{failure}\n".encode() * len(insertions))


def _received(link: socket.socket) -> Iterator[list[Insertion]]:
    waiting = bytearray()
    while received := link.recv(_MOST_AT_ONCE):
        waiting += received
        insertions = []
        while len(waiting) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(waiting)[0]
            if len(waiting) < end:
                break
            insertions.append(Insertion(*marshal.loads(waiting[_LENGTH.size : end])))  # noqa: S302
            del waiting[:end]
        if insertions:
            yield insertions


def _main(file: str, *pragmas: str) -> None:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, isolation_level=None)
        for pragma in pragmas:
            connection.execute(pragma)
        return connection

    # Its worker, which may be told to stop at the same time, has still something to write.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    with socket.socket(fileno=0) as link, suppress(ConnectionError):
        write_all(link, KeptConnection(Path(file), connect))


if __name__ == "__main__":
    _main(*sys.argv[1:])
