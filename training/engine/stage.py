"""One stage of a run: a pure function asked for many tasks, each answer kept once it is there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.engine.engines import Engine, Shared, Task, TaskFunction, Value
from training.engine.work import Work

Progress = Callable[[int, int], None]
TaskResult = dict[str, npt.NDArray[Any]]


def run_stage(  # noqa: PLR0917
    engine: Engine,
    work: Work | None,
    name: str,
    function: TaskFunction[Shared, Task],
    shared: Shared,
    tasks: Sequence[Task],
    progress: Progress | None = None,
) -> list[TaskResult]:
    """Ask a function for all tasks, but for those whose result was kept by an earlier run.

    Parameters
    ----------
    engine : Engine
        Where the tasks run.
    work : Work or None
        Where results are kept; None keeps nothing.
    name : str
        Of the stage, such as "validating"; its own in each run.
    function : callable
        As for `Engine.run`. Its result maps names to arrays (not of objects), texts or numbers.
    shared, tasks
        As for `Engine.run`.
    progress : callable, optional
        Called with the tasks done and the tasks in all.

    Returns
    -------
    list of dict of str to ndarray
        In the order of the tasks; texts and numbers are arrays without dimensions.
    """
    report = progress or (lambda _done, _total: None)
    names = work.names(function, shared, tasks) if work else []
    results = {}
    for number, file_name in enumerate(names):
        kept = work.load(name, file_name) if work else None
        if kept is not None:
            results[number] = kept
    if results:
        report(len(results), len(tasks))
    missing = [number for number in range(len(tasks)) if number not in results]
    for place, raw in engine.run(function, shared, [tasks[number] for number in missing]):
        number = missing[place]
        results[number] = as_arrays(raw)
        if work:
            work.save(name, names[number], results[number])
        report(len(results), len(tasks))
    return [results[number] for number in range(len(tasks))]


def as_arrays(result: Mapping[str, Value]) -> TaskResult:
    """Return a result as arrays, the same whether it was computed or read back from a file.

    Raises
    ------
    TypeError
        When a value cannot be written without pickling it.
    """
    # In one memory order: sums over a strided array may differ in the last digit.
    arrays = {name: np.asarray(value, order="C") for name, value in result.items()}
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise TypeError(f"A task's result holds objects in {', '.join(objects)}.")
    return arrays
