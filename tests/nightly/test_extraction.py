"""Ten thousand patients' scans go through, and nothing but their numbers stays in memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scanned_cohorts import cohort_of, write_scans

from training.config import load_config
from training.dataset import TrainingTable, build_table
from training.engine.engines import Engine, open_engine
from training.engine.work import open_work
from training.workshop import Workshop

CONFIG = load_config()
FEW, MANY = 1_000, 10_000
# What stays of a patient: the numbers, the row of the table and the task; no matrix.
BYTES_A_PATIENT = 6_000


def extracted(folder: Path, run: Path, engine: Engine, n: int) -> tuple[TrainingTable, int]:
    """Return the table of the first patients, and the most bytes that Python held here."""
    cohort = cohort_of(folder, n)
    with open_work(run, CONFIG, "f" * 64) as work:
        workshop = Workshop(CONFIG, engine, work, lambda _stage, _done, _total: None)
        tracemalloc.start()
        table = build_table(cohort, CONFIG, workshop=workshop)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return table, peak


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "n_jobs"), [("local", 1), ("dask", 2)])
def test_ten_thousand_patients_take_no_more_memory_than_their_numbers(
    tmp_path: Path, name: str, n_jobs: int
) -> None:
    folder = tmp_path / "data"
    write_scans(folder, MANY)
    peaks = []
    with open_engine(name, n_jobs) as engine:
        for n in (FEW, MANY):
            table, peak = extracted(folder, tmp_path / f"run-{n}", engine, n)
            within = [feature.name for feature in table.features].index("fc_within_vis")
            assert table.connectomes.n_accepted == n
            assert np.all(np.diff(table.X[:, within]) > 0)
            peaks.append(peak)
    assert (peaks[1] - peaks[0]) / (MANY - FEW) < BYTES_A_PATIENT
