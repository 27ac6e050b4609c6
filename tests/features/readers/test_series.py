"""Time series and matrices as text, with their labels in the file or beside it."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scan_files import LABELS, SERIES_NAME, FloatArray, draw_series, upper, write_series

from data_schemas.errors import DataError
from features.readers import read_connectome
from features.readers.matrices import from_series

HALFPIPE_SERIES = "sub-01_task-rest_feature-corrMatrix_atlas-schaefer400_timeseries.tsv"
HALFPIPE_MATRIX = (
    "sub-01_task-rest_feature-corrMatrix_atlas-schaefer400_desc-correlation_matrix.tsv"
)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_connectome(path)
    return str(caught.value)


def savetxt(path: Path, table: FloatArray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # HALFpipe, interfaces/connectivity.py: savetxt with this format and delimiter.
    np.savetxt(path, table, fmt="%.10f", delimiter="\t")
    return path


@pytest.mark.parametrize("entity", ["atlas", "seg"])
def test_a_time_series_is_correlated(tmp_path: Path, entity: str) -> None:
    series = draw_series()
    series[:, 1] = np.nan
    series[:, 3] = 0.1
    path = write_series(tmp_path / SERIES_NAME.replace("atlas-", f"{entity}-"), series)
    connectome = read_connectome(path)
    assert connectome.labels == LABELS
    assert connectome.n_volumes == 60
    r = connectome.matrix()
    unknown = np.isin(np.arange(5), [1, 3])
    off_diagonal = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(
        np.isnan(r)[off_diagonal], (unknown[:, None] | unknown)[off_diagonal]
    )
    known = np.corrcoef(series[:, ~unknown], rowvar=False)
    np.testing.assert_allclose(r[np.ix_(~unknown, ~unknown)], known, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-300, 1e-8, 1.0, 1e8, 1e300]))
def test_correlations_do_not_depend_on_the_unit(seed: int, unit: float) -> None:
    series = draw_series(seed=seed)
    r = from_series("a", LABELS, unit * series + 3 * unit).upper_triangle
    np.testing.assert_allclose(r, upper(series), atol=1e-9)


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".tsv.gz", ".csv.gz"])
@pytest.mark.parametrize("index", [True, False])
def test_tables_that_pandas_writes_are_read(tmp_path: Path, ending: str, index: bool) -> None:
    separator = "," if ".csv" in ending else "\t"
    series = pd.DataFrame(draw_series(), columns=list(LABELS))
    for name, table in (("timeseries", series), ("matrix", series.corr())):
        path = tmp_path / f"sub-1_{name}{ending}"
        table.to_csv(path, sep=separator, index=index)
        connectome = read_connectome(path)
        assert connectome.labels == LABELS
        np.testing.assert_allclose(connectome.upper_triangle, upper(series.to_numpy()), atol=1e-12)


def test_quoted_cells_are_read(tmp_path: Path) -> None:
    # As R's write.csv writes a matrix with names of rows and columns.
    path = tmp_path / "matrix.csv"
    path.write_text('"","A","B"\n"A",1,0.25\n"B",0.25,1\n')
    assert read_connectome(path).labels == ("A", "B")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (HALFPIPE_SERIES.replace(".tsv", "_labels.txt"), "\n".join(LABELS)),
        ("atlas-schaefer400_dseg.tsv", None),
        ("atlas-schaefer400_labels.txt", "\n".join(f"{i}\t{x}" for i, x in enumerate(LABELS, 1))),
        ("nodes.tsv", "\n".join(f"{i} {label}" for i, label in enumerate(LABELS))),
        (HALFPIPE_SERIES.replace(".tsv", ".json"), str({"Labels": list(LABELS)})),
    ],
)
def test_halfpipe_takes_its_labels_from_beside_it(
    tmp_path: Path, name: str, content: str | None
) -> None:
    path = savetxt(tmp_path / "sub-01" / "func" / HALFPIPE_SERIES, draw_series())
    if content is None:
        content = "index\tlabel\n" + "".join(f"{i}\t{x}\n" for i, x in enumerate(LABELS, 1))
    beside = path.parent if name.startswith("sub-") else tmp_path
    (beside / name).write_text(content.replace("'", '"'))
    connectome = read_connectome(path, root=tmp_path)
    assert connectome.labels == LABELS
    assert connectome.n_volumes == 60
    np.testing.assert_allclose(connectome.upper_triangle, upper(draw_series()), atol=1e-8)


def test_a_halfpipe_matrix_is_read(tmp_path: Path) -> None:
    series = draw_series()
    series[:, 2] = np.nan
    path = savetxt(tmp_path / HALFPIPE_MATRIX, pd.DataFrame(series).corr().to_numpy())
    assert "_labels.txt" in refusal(path)
    (tmp_path / "atlas-schaefer400_labels.txt").write_text("\n".join(LABELS))
    np.testing.assert_allclose(
        read_connectome(path).upper_triangle, upper(series), atol=1e-9, equal_nan=True
    )
    savetxt(path, np.cov(draw_series(), rowvar=False))
    assert "covariances" in refusal(path)


@pytest.mark.parametrize("first", [0, 1])
def test_numbered_columns_take_their_labels_from_a_table_of_nodes(
    tmp_path: Path, first: int
) -> None:
    # Drafts of BEP017: columns numbered by node, and the nodes in a table of their own.
    numbers = [str(first + position) for position in range(len(LABELS))]
    path = write_series(
        tmp_path / "sub-01_task-rest_seg-Schaefer2018_desc-denoise_timeseries.tsv",
        draw_series(),
        numbers,
    )
    nodes = pd.DataFrame({"index": numbers, "name": LABELS, "hemisphere": "L"})
    nodes.to_csv(tmp_path / "seg-Schaefer2018_dseg.tsv", sep="\t", index=False)
    connectome = read_connectome(path)
    assert connectome.labels == LABELS
    np.testing.assert_allclose(connectome.upper_triangle, upper(draw_series()), atol=1e-12)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("A\nB\n", "holds 2 labels, and"),
        ("A\nB\nC\nA\nD\n", "repeated"),
        ("A\nB\n\nC\nD\n", "empty"),
        ("", "empty"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: str, words: str) -> None:
    path = savetxt(tmp_path / HALFPIPE_SERIES, draw_series())
    (tmp_path / "labels.txt").write_text(labels)
    message = refusal(path)
    assert words in message
    assert "labels.txt" in message


def test_labels_are_not_looked_for_above_the_data_folder(tmp_path: Path) -> None:
    path = savetxt(tmp_path / "data" / HALFPIPE_SERIES, draw_series())
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    with pytest.raises(DataError, match="names no parcels"):
        read_connectome(path, root=tmp_path / "data")


def test_gaps_and_short_series_are_refused_by_name(tmp_path: Path) -> None:
    series = draw_series()
    series[6, 2] = np.nan
    message = refusal(write_series(tmp_path / SERIES_NAME, series))
    assert f"{LABELS[2]}: volume 7 is missing" in message
    assert "2 volumes" in refusal(write_series(tmp_path / SERIES_NAME, draw_series(2)))


def test_a_series_cut_within_its_last_number_is_refused(tmp_path: Path) -> None:
    path = write_series(tmp_path / SERIES_NAME, draw_series())
    path.write_bytes(path.read_bytes()[:-4])
    assert "cut short" in refusal(path)
    packed = tmp_path / f"{SERIES_NAME}.gz"
    packed.write_bytes(gzip.compress(b"x" * 100)[:-9])
    assert "cut short" in refusal(packed)
