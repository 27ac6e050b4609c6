"""Time and memory of one fit as the cohort grows: tuning, bag and recalibration, on clinical data.

Each size is fitted in a process of its own, which loads the features from a file that another
process wrote: what is measured is the fit and its input, not the simulator. The fit has one
thread, so CPU time is the time that it takes when nothing else runs.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.reporting import machine, table, write_section
from benchmarks.simulated import chunks, monotone
from training.config import load_config
from training.learning.models import fit_boosted
from training.learning.rows import TrainingRows

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MOST_MEMORY_GIB = 1.5


def prepare(n_patients: int, folder: Path) -> None:
    """Write features, outcomes and sites, a chunk in memory at a time."""
    arrays = {}
    first = 0
    for chunk in chunks(n_patients, cores=2):
        last = first + len(chunk[1])
        for name, values in zip(("X", "y", "site"), chunk, strict=True):
            if name not in arrays:
                arrays[name] = np.lib.format.open_memmap(
                    folder / f"{name}.npy", "w+", values.dtype, (n_patients, *values.shape[1:])
                )
            arrays[name][first:last] = values
        first = last
    for array in arrays.values():
        array.flush()


def peak_gib() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def measure(folder: Path) -> None:
    """Fit in this process, and print what it took."""
    X, y, site = (np.load(folder / f"{name}.npy") for name in ("X", "y", "site"))
    loaded = peak_gib()
    started = time.process_time()
    fitted = fit_boosted(TrainingRows(X, y, site, monotone()), load_config())
    seconds = time.process_time() - started
    print(
        json.dumps(
            {"seconds": seconds, "loaded": loaded, "peak": peak_gib(), "chosen": fitted.settings()}
        )
    )


def measured(n_patients: int, repetitions: int) -> dict[str, float | str]:
    """Return the medians of several fits, each in a fresh process."""
    with tempfile.TemporaryDirectory() as name:
        prepare(n_patients, Path(name))
        command = [sys.executable, "-m", "benchmarks.scale", "--measure", name]
        runs = [
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(repetitions)
        ]
    keys = ("seconds", "loaded", "peak")
    return {
        "chosen": runs[0]["chosen"],
        **{k: float(np.median([r[k] for r in runs])) for k in keys},
    }


def report(results: dict[int, dict[str, float | str]]) -> str:
    rows = [
        [
            f"{n:,}", f"{result['seconds']:.1f}", f"{1e3 * float(result['seconds']) / n:.3f}",
            f"{result['loaded']:.2f}", f"{result['peak']:.2f}", str(result["chosen"]),
        ]
        for n, result in results.items()
    ]  # fmt: skip
    header = ["patients", "CPU seconds", "ms a patient", "GiB of data", "GiB at peak", "chosen"]
    return table(header, rows)


def growth(results: dict[int, dict[str, float | str]]) -> str:
    """Say whether time grows no worse than linearly."""
    factors = [
        (m, n, float(results[n]["seconds"]) / float(results[m]["seconds"]) / (n / m))
        for m, n in pairwise(results)
    ]
    parts = "; ".join(f"{m:,} to {n:,}: {factor:.2f}" for m, n, factor in factors)
    return f"Time a patient, relative to the size before (1 is linear growth): {parts}."


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of a fit as the cohort grows.")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure)
        return
    results = {
        n: measured(n, repetitions=3 if n <= 10_000 else 1) for n in SIZES if n <= chosen.largest
    }
    largest = max(results)
    assert float(results[largest]["peak"]) < MOST_MEMORY_GIB, "too much memory"
    write_section(
        "scale",
        "Time and memory by the size of the cohort",
        "One fit of the default configuration (tuning, 20 boosters, recalibration) on simulated "
        "patients' clinical features: one thread, a fresh process each. GiB of data: the process "
        "with its libraries and the features, before the fit.",
        machine("lightgbm", "numpy"),
        report(results),
        growth(results),
    )


if __name__ == "__main__":
    main()
