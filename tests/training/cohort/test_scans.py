from pathlib import Path

import numpy as np
import pytest

from data_schemas.errors import DataError
from data_schemas.patient import Patient
from training.cohort.records import CohortMember
from training.cohort.scans import read_scan, scan_issues

LABELS = ("LH_Vis_1", "LH_Vis_2", "RH_Cont_Par_1")


def write_scan(path: Path, matrix: np.ndarray, sidecar: str = "{}") -> Path:
    rows = ["\t".join(["Node", *LABELS])]
    rows += [
        "\t".join([name, *map(repr, row)])
        for name, row in zip(LABELS, matrix.tolist(), strict=True)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(sidecar, encoding="utf-8")
    return path


def member(path: Path) -> CohortMember:
    return CohortMember(id=path.stem, patient=Patient(), outcome=None, connectome_files=(path,))


def good() -> np.ndarray:
    return np.array([[1.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 1.0]])


def test_every_unreadable_scan_is_named_and_no_value_shown(tmp_path: Path) -> None:
    lopsided = good()
    lopsided[0, 1] = 0.7731
    paths = [
        write_scan(tmp_path / "a_relmat.tsv", good()),
        write_scan(tmp_path / "b_relmat.tsv", lopsided),
        tmp_path / "c_relmat.tsv",
        tmp_path / "d_relmat.tsv",
    ]
    paths[2].write_bytes(b"")
    paths[3].write_bytes(b"\x80\x02binary")
    issues = list(scan_issues([member(path) for path in paths], tmp_path))
    assert [(issue.severity, issue.where) for issue in issues] == [
        ("error", f"{name}_relmat.tsv") for name in "bcd"
    ]
    text = " ".join(issue.message for issue in issues)
    assert "not symmetric" in text
    assert "0.7731" not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize("sidecar", ["{", '{"num_retained_volumes": -7731}'])
def test_files_are_named_relative_to_the_data_folder(tmp_path: Path, sidecar: str) -> None:
    folder = tmp_path / "derivatives" / "sub-1"
    folder.mkdir(parents=True)
    path = write_scan(folder / "a_relmat.tsv", good(), sidecar)
    with pytest.raises(DataError, match=r"^derivatives/sub-1/a_relmat.json: ") as caught:
        read_scan(path, tmp_path)
    (issue,) = scan_issues([member(path)], tmp_path)
    assert issue.where == "derivatives/sub-1/a_relmat.tsv"
    assert issue.message == str(caught.value)
    for text in (issue.message, str(caught.value)):
        assert str(tmp_path) not in text
        assert "7731" not in text


def test_refused_and_mixed_scans_are_told(tmp_path: Path) -> None:
    short = '{"num_retained_volumes": 20}'
    paths = [
        write_scan(tmp_path / "a_relmat.tsv", good(), '{"GlobalSignalRegressed": true}'),
        write_scan(tmp_path / "b_relmat.tsv", good(), '{"GlobalSignalRegressed": false}'),
        write_scan(tmp_path / "c_relmat.tsv", good(), short),
    ]
    issues = {i.code: i for i in scan_issues([member(path) for path in paths], tmp_path)}
    assert issues["connectome_mixed"].severity == "error"
    assert issues["connectome_refused"].message.startswith("1 scans are refused")
