"""What the processes of a server take, from `/proc`."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        yield from family(int(child))


def resident_megabytes(pid: int) -> float:
    """Return the memory of a process and of all its descendants that nobody else shares."""
    kilobytes = 0
    for each in family(pid):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


def cpu_seconds(pid: int) -> float:
    """Return the time that a process and all its descendants have computed, system calls too."""
    ticks = 0
    for each in family(pid):
        # The name of a process may hold spaces and brackets; utime and stime are 14th and 15th.
        fields = Path(f"/proc/{each}/stat").read_text("utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_A_SECOND


def wait_until_idle(pid: int) -> None:
    """Wait until a process and its descendants have computed next to nothing for a second."""
    until = time.monotonic() + 60
    before = cpu_seconds(pid)
    while time.monotonic() < until:
        time.sleep(1)
        now = cpu_seconds(pid)
        if now - before < 0.05:
            return
        before = now
    raise RuntimeError("the server goes on computing although nobody asks it")
