"""Scans that training reads: refused in sentences that name files relative to the data folder."""

from pathlib import Path

import numpy as np
import pytest

from data_schemas.connectome import ConnectomeQuality
from data_schemas.errors import DataError
from data_schemas.patient import Patient
from training.cohort.records import CohortMember
from training.scans import PatientScans

QUALITY = ConnectomeQuality()


def write_scan(path: Path, r: float, *, regressed: bool) -> Path:
    """Write a matrix of two parcels whose other correlation is 0.25."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"Node\tLH_Vis_1\tRH_Vis_1\nLH_Vis_1\t1\t{r}\nRH_Vis_1\t0.25\t1\n", "utf-8")
    sidecar = f'{{"num_retained_volumes": 300, "GlobalSignalRegressed": {str(regressed).lower()}}}'
    path.with_suffix(".json").write_text(sidecar, "utf-8")
    return path


def attach(folder: Path, *paths: Path) -> Patient:
    member = CohortMember("sub-1", Patient(), outcome=None, connectome_files=paths)
    return PatientScans(QUALITY, folder).attach(member)


def test_a_scan_is_attached(tmp_path: Path) -> None:
    path = write_scan(tmp_path / "sub-1" / "a_relmat.tsv", 0.25, regressed=True)
    connectome = attach(tmp_path, path).connectome
    assert connectome is not None
    np.testing.assert_allclose(connectome.upper_triangle, [0.25])


def test_a_scan_that_cannot_be_read_is_named_without_the_folder(tmp_path: Path) -> None:
    path = write_scan(tmp_path / "sub-1" / "a_relmat.tsv", 0.7731, regressed=True)
    with pytest.raises(DataError, match=r"^sub-1/a_relmat.tsv: .*not symmetric") as caught:
        attach(tmp_path, path)
    assert str(tmp_path) not in str(caught.value)
    assert "0.7731" not in str(caught.value)


def test_mixed_scans_are_named_without_the_folder(tmp_path: Path) -> None:
    paths = [
        write_scan(tmp_path / "sub-1" / f"{name}_relmat.tsv", 0.25, regressed=name == "a")
        for name in "ab"
    ]
    with pytest.raises(DataError, match=r"first seen at sub-1/b_relmat\.tsv; the") as caught:
        attach(tmp_path, *paths)
    assert str(tmp_path) not in str(caught.value)
