"""Writing simulated matrices under the names of XCP-D."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from training.simulator.matrices import FloatArray, TrueConnectivity, parcel_labels
from training.simulator.parameter_sections import Scans
from training.simulator.parameters import SimulatorParameters
from training.simulator.scans import Scan, draw_matrix

XCPD_FOLDER: Final = "derivatives/xcp_d"
_SPACE: Final = "MNI152NLin2009cAsym"
_ATLAS: Final = "4S456Parcels"

_STEPS: Final = 1000  # three decimals
_MISSING: Final = 2 * _STEPS + 1


class RelmatJob(NamedTuple):
    """One matrix to write."""

    participant: str
    seed: int
    scan: Scan
    truth: TrueConnectivity


def write_relmats(
    out: Path,
    jobs: Sequence[RelmatJob],
    parameters: SimulatorParameters,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write matrices, sidecars and quality tables below a cohort's folder.

    Parameters
    ----------
    out : Path
        The cohort's folder.
    jobs : sequence of RelmatJob
    parameters : SimulatorParameters
    progress : callable, optional
        Called with the number of matrices written and the number in all.
    """
    for done, job in enumerate(jobs, 1):
        _write_one(out, job, parameters)
        if progress is not None:
            progress(done, len(jobs))


def _write_one(out: Path, job: RelmatJob, parameters: SimulatorParameters) -> None:
    folder = out / XCPD_FOLDER / job.participant / "ses-pre" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    source = f"{job.participant}_ses-pre_task-rest_space-{_SPACE}"
    stem = f"{source}_atlas-{_ATLAS}_stat-pearsoncorrelation_relmat"
    matrix = draw_matrix(job.seed, job.scan, job.truth, parameters)
    (folder / f"{stem}.tsv").write_bytes(relmat_bytes(parcel_labels(), matrix))
    (folder / f"{stem}.json").write_bytes(_sidecar(job.scan))
    (folder / f"{source}_desc-linc_qc.tsv").write_bytes(_quality_table(job, parameters.scans))


def relmat_bytes(labels: Sequence[str], matrix: FloatArray) -> bytes:
    """Return a matrix as XCP-D writes it, with three decimals.

    Parameters
    ----------
    labels : sequence of str, length n
    matrix : ndarray, shape (n, n)
        Pearson r, -1 to 1; NaN becomes `n/a`.

    Returns
    -------
    bytes
        A header of `Node` and the labels, then a line a parcel; tab-separated.
    """
    missing = np.isnan(matrix)
    steps = np.rint(np.where(missing, 0.0, matrix) * _STEPS).astype(np.intp) + _STEPS
    # Looking each cell up is ten times faster than formatting it.
    cells = _cell_texts()[np.where(missing, _MISSING, steps)].tolist()
    rows = [f"{label}\t" + "\t".join(row) for label, row in zip(labels, cells, strict=True)]
    header = "\t".join(["Node", *labels])
    return "\n".join([header, *rows, ""]).encode()


@lru_cache(maxsize=1)
def _cell_texts() -> npt.NDArray[np.object_]:
    """Return the text of -1, -0.999, ..., 1 and of a missing cell, as shortest decimals."""
    numbers = [repr(step / _STEPS) for step in range(-_STEPS, _STEPS + 1)]
    return np.array([*numbers, "n/a"], dtype=np.object_)


def _sidecar(scan: Scan) -> bytes:
    content = {
        "Simulated": True,
        "Description": "Simulated Pearson correlations; no scan was made, XCP-D was not run.",
        "NuisanceParameters": "36P",
        "GlobalSignalRegressed": True,
        "num_retained_volumes": scan.n_volumes,
        "mean_fd": scan.mean_framewise_displacement_mm,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _quality_table(job: RelmatJob, scans: Scans) -> bytes:
    row = {
        "sub": job.participant.removeprefix("sub-"),
        "ses": "pre",
        "task": "rest",
        "space": _SPACE,
        "mean_fd": str(job.scan.mean_framewise_displacement_mm),
        "num_dummy_volumes": "0",
        "num_censored_volumes": str(scans.volumes - job.scan.n_volumes),
        "num_retained_volumes": str(job.scan.n_volumes),
    }
    return ("\t".join(row) + "\n" + "\t".join(row.values()) + "\n").encode()
