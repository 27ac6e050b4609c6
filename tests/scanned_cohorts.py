"""Cohorts of many small scans, and their extraction in a process of its own."""

import sys
from pathlib import Path

import numpy as np
from cohort_tables import minimal_spec

from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from training.cohort.records import Cohort, CohortMember
from training.config import load_config
from training.dataset import TrainingTable, build_table
from training.engine.engines import open_engine
from training.engine.work import open_work
from training.workshop import Workshop

N_PARCELS = 24


def write_scans(folder: Path, n: int) -> None:
    """Write a scan for each of n patients, which differ in one correlation."""
    folder.mkdir()
    labels = [f"LH_Vis_{number}" for number in range(N_PARCELS // 2)]
    labels += [f"RH_Default_PFC_{number}" for number in range(N_PARCELS // 2)]
    for number in range(n):
        matrix = np.full((N_PARCELS, N_PARCELS), 0.1)
        np.fill_diagonal(matrix, 1.0)
        matrix[0, 1] = matrix[1, 0] = number / n
        rows = ["\t".join(["Node", *labels])]
        rows += [
            "\t".join([label, *map(repr, row)])
            for label, row in zip(labels, matrix.tolist(), strict=True)
        ]
        path = folder / f"sub-{number:05}_relmat.tsv"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def cohort_of(folder: Path, n: int) -> Cohort:
    """Return the first n patients whose scans lie in a folder."""
    members = []
    for number, path in enumerate(sorted(folder.glob("*_relmat.tsv"))[:n]):
        outcome = Outcome(instrument="HDRS-17", baseline_total=24, final_total=5 + number % 19)
        members.append(CohortMember(path.name, Patient(), outcome, connectome_files=(path,)))
    return Cohort(
        "many", minimal_spec(), tuple(members), (), (), "f" * 64, simulated=True, folder=folder
    )


def extract(folder: Path, run: Path, n: int) -> TrainingTable:
    """Return the table of the first n patients, read in this process and kept in a run's folder."""
    config = load_config()
    with open_engine(n_jobs=1) as engine, open_work(run, config, "f" * 64) as work:
        workshop = Workshop(config, engine, work, lambda _stage, _done, _total: None)
        return build_table(cohort_of(folder, n), config, workshop=workshop)


if __name__ == "__main__":
    extract(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
