"""Ten thousand patients' scans go through, and nothing but their numbers stays in memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from cohort_tables import minimal_spec

from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from training.cohort.records import Cohort, CohortMember
from training.config import load_config
from training.dataset import build_table
from training.engine.engines import open_engine
from training.engine.work import open_work
from training.workshop import Workshop

CONFIG = load_config()
N_PARCELS = 24
FEW, MANY = 1_000, 10_000
# What stays of a patient: the numbers, the row of the table and the task; no matrix.
BYTES_A_PATIENT = 6_000


def write_cohort(folder: Path) -> Cohort:
    """Write scans, each of another patient, that differ in one correlation."""
    labels = [f"LH_Vis_{n}" for n in range(N_PARCELS // 2)]
    labels += [f"RH_Default_PFC_{n}" for n in range(N_PARCELS // 2)]
    members = []
    for number in range(MANY):
        matrix = np.full((N_PARCELS, N_PARCELS), 0.1)
        np.fill_diagonal(matrix, 1.0)
        matrix[0, 1] = matrix[1, 0] = number / MANY
        rows = ["\t".join(["Node", *labels])]
        rows += [
            "\t".join([label, *map(repr, row)])
            for label, row in zip(labels, matrix.tolist(), strict=True)
        ]
        path = folder / f"sub-{number:05}_relmat.tsv"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        outcome = Outcome(instrument="HDRS-17", baseline_total=24, final_total=5 + number % 19)
        members.append(CohortMember(path.name, Patient(), outcome, connectome_files=(path,)))
    return Cohort(
        "many", minimal_spec(), tuple(members), (), (), "f" * 64, simulated=True, folder=folder
    )


@pytest.mark.nightly
def test_ten_thousand_patients_take_no_more_memory_than_their_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    cohort = write_cohort(folder)
    peaks = []
    with open_engine(n_jobs=1) as opened:
        for n in (FEW, MANY):
            part = Cohort(
                "part", cohort.spec, cohort.members[:n], (), (), "f" * 64,
                simulated=True, folder=folder,
            )  # fmt: skip
            with open_work(tmp_path / f"run-{n}", CONFIG, "f" * 64) as work:
                workshop = Workshop(CONFIG, opened, work, lambda _stage, _done, _total: None)
                tracemalloc.start()
                table = build_table(part, CONFIG, workshop=workshop)
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
            within = [f.name for f in table.features].index("fc_within_vis")
            assert table.connectomes.n_accepted == n
            assert np.all(np.diff(table.X[:, within]) > 0)
    grown = (peaks[1] - peaks[0]) / (MANY - FEW)
    assert grown < BYTES_A_PATIENT, f"{grown:.0f} bytes a patient"
