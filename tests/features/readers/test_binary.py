"""Arrays, Parquet tables, CONN's MATLAB files and images, each written by its own library."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
from scan_files import LABELS, FloatArray, draw_series, upper

from data_schemas.errors import DataError
from features.readers import read_connectome, read_uploaded_connectome
from features.readers.conn import without_atlas

SERIES = draw_series()
MATRIX = np.asarray(np.corrcoef(SERIES, rowvar=False))
CONN_NAME = "resultsROI_Subject001_Condition001.mat"


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_connectome(path)
    assert str(path.parent) in str(caught.value)
    return str(caught.value)


def conn_results(n_targets: int = 7) -> dict[str, Any]:
    """Return what CONN saves: sources by targets, with more targets than sources."""
    names = [f"atlas.{label}" for label in (*LABELS, "vmPFC", "PCC")][:n_targets]
    series = draw_series(n_parcels=n_targets)
    with np.errstate(divide="ignore"):
        z = np.arctanh(np.corrcoef(series, rowvar=False))
    np.fill_diagonal(z, np.nan)
    n = len(LABELS)
    return {
        "Z": z[:n],
        "names": np.array([names[:n]], dtype=object),
        "names2": np.array([names], dtype=object),
        "regressors": np.arange(3.0),
        "xyz": np.array([[np.zeros((1, 3))] * n], dtype=object),
        "SE": 1 + 2j,
    }


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("n_targets", [5, 7])
def test_conn_results_become_correlations(tmp_path: Path, compressed: bool, n_targets: int) -> None:
    content = conn_results(n_targets)
    path = tmp_path / CONN_NAME
    scipy.io.savemat(path, content, do_compression=compressed)
    connectome = read_connectome(path)
    assert connectome.labels == LABELS
    expected = np.tanh(content["Z"][:, :5])[np.triu_indices(5, k=1)]
    np.testing.assert_array_equal(connectome.upper_triangle, expected)
    uploaded = read_uploaded_connectome(CONN_NAME, path.read_bytes())
    np.testing.assert_array_equal(uploaded.upper_triangle, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint16, np.int64])
def test_numbers_of_every_type_are_read_from_matlab_files(tmp_path: Path, dtype: Any) -> None:
    z = np.array([[0, 1], [1, 0]], dtype=dtype)
    path = tmp_path / CONN_NAME
    scipy.io.savemat(path, {"Z": z, "names": np.array([["A", "ä"]], dtype=object)})
    assert "not empty, first at A" in refusal(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Z": None}, "a matrix 'Z'"),
        ({"names": np.ones((1, 5))}, "cells 'names'"),
        ({"names": np.array([list(LABELS[:4])], dtype=object)}, "first columns of 'Z'"),
        ({"names2": np.array([list(LABELS[::-1])], dtype=object)}, "first columns of 'Z'"),
        ({"names": np.array([["a"] * 5], dtype=object), "names2": 1.0}, "repeated"),
        ({"Z": np.arange(25.0).reshape(5, 5)}, "diagonal of 'Z' is not empty"),
    ],
)
def test_other_matlab_files_are_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    content = {key: value for key, value in (conn_results(5) | change).items() if value is not None}
    path = tmp_path / CONN_NAME
    scipy.io.savemat(path, content)
    assert words in refusal(path)


def test_results_that_differ_by_direction_are_refused(tmp_path: Path) -> None:
    content = conn_results()
    content["Z"][0, 3] += 0.7731
    path = tmp_path / CONN_NAME
    scipy.io.savemat(path, content)
    message = refusal(path)
    assert "not symmetric, first at LH_Vis_1 with LH-Pu" in message
    assert "0.7731" not in message


def test_matlab_files_of_other_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / CONN_NAME
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n")
    assert "'-v7'" in refusal(path)
    scipy.io.savemat(path, {"Z": np.ones((2, 2))}, format="4")
    assert "no MATLAB file of version 5" in refusal(path)


def test_only_an_atlas_that_all_names_share_is_left_out() -> None:
    assert without_atlas(["a.x", "b.y"]) == ["a.x", "b.y"]
    assert without_atlas(["x", "a.y"]) == ["x", "a.y"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4"])
def test_arrays_are_read_with_labels_beside_them(tmp_path: Path, order: Any, dtype: str) -> None:
    for name, table in (("timeseries", SERIES), ("matrix", MATRIX)):
        path = tmp_path / f"sub-1_{name}.npy"
        np.save(path, np.asarray(table, dtype=dtype, order=order))
        path.with_name(f"sub-1_{name}_labels.txt").write_text("\n".join(LABELS))
        connectome = read_connectome(path)
        assert connectome.labels == LABELS
        tolerance = 1e-6 if dtype == "<f4" else 1e-12
        np.testing.assert_allclose(connectome.upper_triangle, upper(SERIES), atol=tolerance)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_holds_its_labels(tmp_path: Path, save: Any) -> None:
    for name, table in (("timeseries", SERIES), ("matrix", MATRIX)):
        path = tmp_path / "scan.npz"
        save(path, **{name: table, "labels": np.array(LABELS)})
        uploaded = read_uploaded_connectome("c:\\scans\\scan.npz", path.read_bytes())
        assert uploaded.labels == read_connectome(path).labels == LABELS
        np.testing.assert_allclose(uploaded.upper_triangle, upper(SERIES), atol=1e-12)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": MATRIX, "b": MATRIX}, "one array of numbers"),
        ({"a": MATRIX, "labels": np.array(LABELS[:3])}, "one label a column"),
        ({"a": MATRIX, "labels": np.arange(5)}, "one label a column"),
        ({"a": MATRIX}, "no labels lie beside it"),
        ({"a": np.ones(5), "labels": np.array(LABELS)}, "two dimensions"),
        ({"a": np.full((5, 5), "x"), "labels": np.array(LABELS)}, "two dimensions"),
        ({"a": np.full((5, 5), np.inf), "labels": np.array(LABELS)}, "Row 1, column 1 is inf"),
        ({"a": np.ones((5, 5), dtype=complex), "labels": np.array(LABELS)}, "must hold numbers"),
        ({"a": np.ones((3, 1300)), "labels": np.array(LABELS)}, "larger than"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    path = tmp_path / "scan.npz"
    np.savez(path, **arrays)
    assert words in refusal(path)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("unpickled",)

    for path in (tmp_path / "scan.npy", tmp_path / "scan.npz"):
        array = np.array([[Bomb()]], dtype=object)
        np.save(path, array) if path.suffix == ".npy" else np.savez(path, a=array)
        assert "never unpickled" in refusal(path)


def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, np.ones((10, 10)))
    path.write_bytes(path.read_bytes().replace(b"(10, 10)", b"(9**9,9)"))
    assert "no NumPy array" in refusal(path)
    path.write_bytes(path.read_bytes().replace(b"(9**9,9)", b"(999999,)"))
    assert "does not have the size" in refusal(path) or "damaged" in refusal(path)


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(30_000_000))
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(DataError, match="larger than 20 MB"):
        read_uploaded_connectome("scan.npz", buffer.getvalue())


def test_a_matlab_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.mat"
    scipy.io.savemat(path, {"Z": np.zeros((2000, 2000))}, do_compression=True)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="larger than 20 MB"):
        read_uploaded_connectome("scan.mat", path.read_bytes())


@pytest.mark.parametrize("index", [True, False])
def test_parquet_tables_are_read(tmp_path: Path, index: bool) -> None:
    series = pd.DataFrame(SERIES, columns=list(LABELS))
    series.to_parquet(tmp_path / "sub-1_timeseries.parquet", index=False)
    series.corr().to_parquet(tmp_path / "sub-1_matrix.parquet", index=index)
    for name in ("timeseries", "matrix"):
        connectome = read_connectome(tmp_path / f"sub-1_{name}.parquet")
        assert connectome.labels == LABELS
        np.testing.assert_allclose(connectome.upper_triangle, upper(SERIES), atol=1e-12)


def test_other_parquet_tables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "matrix.parquet"
    matrix = pd.DataFrame(MATRIX, columns=list(LABELS), index=list(LABELS))
    matrix.iloc[::-1].to_parquet(path)
    assert "labels of the rows" in refusal(path)
    matrix.iloc[:4].to_parquet(path, index=False)
    assert "5 columns and 4 rows" in refusal(path)
    matrix.assign(LH_Vis_1=np.inf).to_parquet(path, index=False)
    assert "Row 1, column LH_Vis_1" in refusal(path)
    with pytest.raises(DataError, match="cannot be sent"):
        read_uploaded_connectome("matrix.parquet", path.read_bytes())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "tms-response[train]" in refusal(path)


def write_image(folder: Path, series: FloatArray) -> Path:
    """Write an image in which each parcel is a slab, and the atlas beside it."""
    atlas = np.repeat(np.arange(len(LABELS)) * 3, 2)[:, None, None] * np.ones((1, 3, 3))
    values = np.repeat(series.T, 2, axis=0)[:, None, None, :] * np.ones((1, 3, 3, 1))
    noise = np.random.default_rng(1).normal(size=values.shape)
    noise -= np.mean(noise.reshape(-1, 18, values.shape[3]), axis=1).repeat(2, axis=0)[
        :, None, None
    ]
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(atlas.astype(np.int16), affine), folder / "a_dseg.nii.gz")
    rows = "".join(f"{3 * i}\t{label}\n" for i, label in enumerate(LABELS))
    (folder / "a_dseg.tsv").write_text(f"index\tlabel\n{rows}99\tnot_covered\n")
    path = folder / "sub-01" / "sub-01_task-rest_desc-denoised_bold.nii.gz"
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values + noise, affine), path)
    return path


def test_an_image_is_averaged_over_the_parcels_of_a_label_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_image(tmp_path, SERIES)
    (path.parent / "sub-01_task-rest_outliers.tsv").write_text(
        "framewise_displacement\n" + "1\n" + "0\n" * 59
    )
    connectome = read_connectome(path, root=tmp_path)
    # The first parcel has the number of the background.
    assert connectome.labels == (*LABELS[1:], "not_covered")
    assert connectome.n_volumes == 59
    r = connectome.matrix()
    np.testing.assert_allclose(r[:4, :4], np.corrcoef(SERIES[1:, 1:], rowvar=False), atol=1e-6)
    assert np.isnan(r[4, :4]).all()
    with pytest.raises(DataError, match="No label image"):
        read_connectome(path)
    with pytest.raises(DataError, match="cannot be sent"):
        read_uploaded_connectome(path.name, path.read_bytes())
    monkeypatch.setitem(sys.modules, "nilearn.maskers", None)
    with pytest.raises(DataError, match=r"tms-response\[imaging\]"):
        read_connectome(path, root=tmp_path)


def test_images_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = write_image(tmp_path, SERIES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        read_connectome(path, root=tmp_path)
    path.write_bytes(b"not an image")
    with pytest.raises(DataError, match="damaged"):
        read_connectome(path, root=tmp_path)
    flat = nibabel.Nifti1Image(np.ones((10, 3, 3)), np.eye(4))
    nibabel.save(flat, path)
    with pytest.raises(DataError, match="four dimensions"):
        read_connectome(path, root=tmp_path)
    (tmp_path / "b_dseg.nii").write_bytes(b"")
    with pytest.raises(DataError, match="more than one label image"):
        read_connectome(path, root=tmp_path)
    (tmp_path / "b_dseg.nii").unlink()
    (tmp_path / "a_dseg.tsv").unlink()
    with pytest.raises(DataError, match=r"a_dseg\.tsv"):
        read_connectome(path, root=tmp_path)


def test_a_label_image_out_of_the_data_folder_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    path = write_image(root, SERIES)
    (root / "a_dseg.nii.gz").rename(tmp_path / "a_dseg.nii.gz")
    (root / "a_dseg.nii.gz").symlink_to(tmp_path / "a_dseg.nii.gz")
    with pytest.raises(DataError, match="leads out"):
        read_connectome(path, root=root)


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.docx"
    path.write_bytes(b"x")
    assert ".parquet" in refusal(path)
