"""What reading one connectome of 400 parcels costs, beside pandas, which checks nothing."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.reporting import machine, table, write_section
from features.readers import read_connectome

N_PARCELS, N_VOLUMES, ROUNDS = 400, 300, 30
PANDAS = "pandas: read_csv of relmat.tsv, nothing checked"
RELMAT = "relmat.tsv: read, checked, as a Connectome"


def jobs(folder: Path) -> dict[str, Callable[[], object]]:
    """Write the same scan in several formats, and return how each is read."""
    labels = [f"LH_Default_PFC_{number}" for number in range(N_PARCELS)]
    series = pd.DataFrame(
        np.random.default_rng(0).normal(size=(N_VOLUMES, N_PARCELS)), columns=labels
    )
    matrix = series.corr()
    relmat, timeseries, archive = (
        folder / name for name in ("a_relmat.tsv", "a_timeseries.tsv", "a_matrix.npz")
    )
    matrix.to_csv(relmat, sep="\t", na_rep="n/a", index_label="Node")
    series.to_csv(timeseries, sep="\t", na_rep="n/a", index=False)
    np.savez(archive, matrix=matrix.to_numpy(), labels=np.array(labels))
    expected = pd.read_csv(relmat, sep="\t", index_col=0).to_numpy()
    upper = read_connectome(relmat).upper_triangle
    assert np.array_equal(upper, expected[np.triu_indices(N_PARCELS, k=1)])
    return {
        PANDAS: lambda: pd.read_csv(relmat, sep="\t", index_col=0),
        RELMAT: lambda: read_connectome(relmat),
        f"timeseries.tsv, {N_VOLUMES} volumes: read and correlated": lambda: read_connectome(
            timeseries
        ),
        "matrix.npz: read and checked": lambda: read_connectome(archive),
    }


def reading_ms() -> dict[str, float]:
    """Return the shortest processor time of each in ms, taken in turns in one run."""
    with tempfile.TemporaryDirectory() as folder:
        readers = jobs(Path(folder))
        best = dict.fromkeys(readers, float("inf"))
        for _ in range(ROUNDS):
            for name, read in readers.items():
                started = time.thread_time()
                read()
                best[name] = min(best[name], 1e3 * (time.thread_time() - started))
    return best


def main() -> None:
    best = reading_ms()
    rows = [[name, f"{ms:.1f}", f"{best[PANDAS] / ms:.2f}"] for name, ms in best.items()]
    write_section(
        "connectome_files",
        "Reading a connectome",
        f"One scan of {N_PARCELS} parcels: processor time of one thread, the best of {ROUNDS} "
        "rounds in turns. Numbers are read exactly, as Python reads them.",
        machine("numpy", "orjson", "pandas"),
        table(["", "ms", "times as fast as pandas"], rows),
    )


if __name__ == "__main__":
    main()
