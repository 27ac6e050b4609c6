"""Long work shown on stderr: a bar in a terminal, a line a stage in a log."""

import sys
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class ProgressDisplay:
    """Callable that shows how far each stage of a command is; used as a context.

    Called as ``display("Fitting", 3, 40)``: stage, units done, units in all. `stage` gives the
    two-argument form for functions that know nothing of stages.
    """

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._is_terminal = console.is_terminal
        self._started: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_terminal:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` units of `stage` are finished."""
        if self._is_terminal:
            self._move_bar(stage, done, total)
        else:
            self._write_line(stage, done, total)

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Return the form of this display that takes units done and units in all."""
        return partial(self, name)

    def _move_bar(self, stage: str, done: int, total: int) -> None:
        tasks = [task.id for task in self._bars.tasks if task.description == stage]
        task = tasks[-1] if tasks else self._bars.add_task(stage)
        self._bars.update(task, completed=done, total=total)

    def _write_line(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage not in self._started:
            self._started[stage] = now
            print(f"{stage} ...", file=sys.stderr, flush=True)
        if done >= total:
            seconds = now - self._started[stage]
            number = f"{total} " if total > 1 else ""
            print(f"{stage}: {number}done in {seconds:.1f} s", file=sys.stderr, flush=True)
