"""One validation on Dask with one worker and with two, and in processes of this machine.

The tasks are those of `tms-response train`: every model on every held-out site of the default
simulated cohort. Clusters stand ready and have imported everything before they are timed, and are
timed in turn, so that a busy machine slows all of them alike.
"""

import argparse
import pickle
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from benchmarks.reporting import machine, table, write_section
from training.cohort.read import read_cohort
from training.config import TrainingConfig, load_config
from training.dataset import TrainingTable, build_table
from training.engine.engines import Engine, open_engine
from training.learning.splits import Split, outer_splits
from training.learning.validation import compared_models, out_of_fold_frame, validate
from training.simulator.writer import simulate

ENGINES = (("local", 1), ("local", 2), ("dask", 1), ("dask", 2))
LEAST_SPEED_UP = 1.7


def simulated_table(n_patients: int, config: TrainingConfig) -> TrainingTable:
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder) / "cohort", n_patients)
        return build_table(read_cohort(Path(folder) / "cohort"), config)


def splits_of(training_table: TrainingTable, config: TrainingConfig) -> list[Split]:
    choices = config.validation
    return outer_splits(
        training_table.y, training_table.site,
        minimum_sites=choices.minimum_sites, folds=choices.folds, repeats=choices.repeats,
        seed=config.seed,
    )[1]  # fmt: skip


def timed(
    engine: Engine, training_table: TrainingTable, splits: Sequence[Split], config: TrainingConfig
) -> tuple[float, pd.DataFrame]:
    models = compared_models(training_table, too_few=False)
    start = time.perf_counter()
    results = validate(training_table, splits, models, config, engine=engine)
    return time.perf_counter() - start, out_of_fold_frame(training_table, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    config = load_config()
    data = simulated_table(given.patients, config)
    splits = splits_of(data, config)
    seconds: dict[tuple[str, int], list[float]] = {each: [] for each in ENGINES}
    with ExitStack() as stack:
        engines = {each: stack.enter_context(open_engine(*each)) for each in ENGINES}
        frames = [timed(engine, data, splits[:1], config)[1] for engine in engines.values()]
        for _ in range(given.rounds):
            for each, engine in engines.items():
                elapsed, frame = timed(engine, data, splits, config)
                seconds[each].append(elapsed)
                frames.append(frame)
    assert all(frame.equals(frames[len(ENGINES)]) for frame in frames[len(ENGINES) :])
    report(data, len(splits), {each: min(taken) for each, taken in seconds.items()}, given.rounds)


def report(
    data: TrainingTable, n_splits: int, best: dict[tuple[str, int], float], rounds: int
) -> None:
    rows = [
        [f"{name}, {n} process{'es' if n > 1 else ''}", f"{best[name, n]:.1f}",
         f"{best[name, 1] / best[name, n]:.2f}"]
        for name, n in ENGINES
    ]  # fmt: skip
    n_tasks = n_splits * len(compared_models(data, too_few=False))
    megabytes = len(pickle.dumps(data.training_rows())) / 1e6
    write_section(
        "dask_engine",
        "Folds on Dask",
        f"{n_tasks} fits of the validation of {len(data.y)} simulated patients "
        f"({len(data.features)} features, {megabytes:.1f} MB, sent once a worker): the best of "
        f"{rounds} interleaved rounds. All engines give the same numbers, to the last digit.",
        machine("dask", "distributed", "joblib", "lightgbm"),
        table(["", "seconds", "times one process"], rows),
    )
    speed_up = best["dask", 1] / best["dask", 2]
    assert speed_up >= LEAST_SPEED_UP, f"two workers are {speed_up:.2f} times one"


if __name__ == "__main__":
    main()
