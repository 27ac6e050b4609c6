"""Scans of a few parcels, and how the pipelines write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

LABELS = ("LH_Vis_1", "LH_Limbic_OFC_4", "RH_Default_PFCdPFCm_10", "LH-Pu", "RH_Cont_Par_1")
RUN = "sub-01_task-imagery_run-01"
# As in a run of XCP-D on a public data set (its tests, ds001419).
SERIES_NAME = f"{RUN}_space-fsLR_atlas-4S156Parcels_stat-mean_timeseries.tsv"
COVERAGE_NAME = f"{RUN}_space-fsLR_atlas-4S156Parcels_stat-coverage_bold.tsv"
QC_NAME = f"{RUN}_space-fsLR_den-91k_desc-linc_qc.tsv"
RELMAT_NAME = "sub-01_task-imagery_space-fsLR_atlas-4S156Parcels_stat-pearsoncorrelation_relmat.tsv"


def draw_series(n_volumes: int = 60, n_parcels: int = len(LABELS), seed: int = 0) -> FloatArray:
    """Return correlated noise, volumes by parcels."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(n_volumes, 1))
    return common + generator.normal(size=(n_volumes, n_parcels))


def upper(series: FloatArray) -> FloatArray:
    """Return Pearson r by pandas, in the order of the upper triangle."""
    matrix = pd.DataFrame(series).corr().to_numpy()
    return np.asarray(matrix[np.triu_indices(len(matrix), k=1)])


def write_series(path: Path, series: FloatArray, labels: Sequence[str] = LABELS) -> Path:
    """Write as XCP-D does (interfaces/connectivity.py)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(series, columns=list(labels))
    frame.to_csv(path, sep="\t", na_rep="n/a", index=False)
    return path


def write_relmat(path: Path, matrix: FloatArray, labels: Sequence[str] = LABELS) -> Path:
    """Write as XCP-D does (interfaces/connectivity.py)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(matrix, index=list(labels), columns=list(labels))
    frame.to_csv(path, sep="\t", na_rep="n/a", index_label="Node")
    return path


def write_outliers(folder: Path, marked: Sequence[int]) -> None:
    table = pd.DataFrame({"framewise_displacement": list(marked)})
    table.to_csv(folder / f"{RUN}_outliers.tsv", sep="\t", na_rep="n/a", index=False)


def write_motion(folder: Path, displacement: Sequence[float]) -> None:
    table = pd.DataFrame({"trans_x": 0.0, "framewise_displacement": list(displacement)})
    table.to_csv(folder / f"{RUN}_motion.tsv", sep="\t", na_rep="n/a", index=False)
