"""What clinics bring by mistake: each is read to the same answer, or refused in a sentence."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from scan_files import FloatArray, draw_series, write_relmat

from data_schemas.connectome import ConnectomeQuality
from data_schemas.errors import DataError
from features.atlas import centroids_mni_mm
from features.connectivity import connectivity_summary
from features.readers import read_connectome, read_uploaded_connectome

CORTEX = tuple(centroids_mni_mm())[::8]
N = len(CORTEX)
MATRIX = np.asarray(np.corrcoef(draw_series(200, N), rowvar=False))
MATRIX = np.triu(MATRIX, 1) + np.triu(MATRIX, 1).T + np.eye(N)
LABELS = list(CORTEX)


def refusal(name: str, data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read_uploaded_connectome(name, data)
    assert str(caught.value).startswith(name)
    return str(caught.value)


def tsv(matrix: FloatArray) -> bytes:
    frame = pd.DataFrame(matrix, index=LABELS, columns=LABELS)
    return frame.to_csv(sep="\t", na_rep="n/a", index_label="Node").encode()


def npz(matrix: FloatArray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, matrix=matrix, labels=np.array(LABELS))
    return buffer.getvalue()


WRITERS: dict[str, Callable[[FloatArray], bytes]] = {"scan.tsv": tsv, "scan.npz": npz}
every_writer = pytest.mark.parametrize("name", WRITERS)


def changed(row: int, column: int, value: float) -> FloatArray:
    matrix = MATRIX.copy()
    matrix[row, column] = matrix[column, row] = value
    return matrix


def test_permuted_labels_give_the_same_features(tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(N)
    straight = read_connectome(write_relmat(tmp_path / "a_relmat.tsv", MATRIX, LABELS))
    permuted = read_connectome(
        write_relmat(
            tmp_path / "b_relmat.tsv", MATRIX[np.ix_(order, order)], [LABELS[i] for i in order]
        )
    )
    assert permuted.labels != straight.labels
    assert connectivity_summary(permuted) == pytest.approx(
        connectivity_summary(straight), rel=0, abs=0, nan_ok=True
    )


def test_a_missing_parcel_counts_as_one_that_is_unknown(tmp_path: Path) -> None:
    unknown = MATRIX.copy()
    unknown[4] = unknown[:, 4] = np.nan
    kept = np.arange(N) != 4
    absent = read_connectome(
        write_relmat(
            tmp_path / "a_relmat.tsv",
            MATRIX[np.ix_(kept, kept)],
            [label for label in LABELS if label != LABELS[4]],
        )
    )
    blank = read_connectome(write_relmat(tmp_path / "b_relmat.tsv", unknown, LABELS))
    assert connectivity_summary(absent) == pytest.approx(
        connectivity_summary(blank), abs=1e-12, nan_ok=True
    )


@every_writer
def test_rows_without_numbers_are_unknown_and_refused_if_many(name: str) -> None:
    matrix = MATRIX.copy()
    matrix[:2] = matrix[:, :2] = np.nan
    few = read_uploaded_connectome(name, WRITERS[name](matrix))
    assert np.isnan(few.upper_triangle).sum() == 2 * N - 3
    assert ConnectomeQuality().refusal(few) is None
    matrix[:10] = matrix[:, :10] = np.nan
    many = read_uploaded_connectome(name, WRITERS[name](matrix))
    reason = ConnectomeQuality().refusal(many)
    assert reason is not None
    assert "of the correlations are missing" in reason


@every_writer
def test_numbers_that_are_no_correlations_are_refused(name: str) -> None:
    write = WRITERS[name]
    where = f"first at {LABELS[2]} with {LABELS[5]}"
    beyond = refusal(name, write(changed(2, 5, 1.7731)))
    assert "outside -1 to 1" in beyond
    assert where in beyond
    assert "7731" not in beyond
    lopsided = MATRIX.copy()
    lopsided[2, 5] += 0.01
    assert f"not symmetric, {where}" in refusal(name, write(lopsided))


@every_writer
def test_covariances_are_refused(name: str) -> None:
    covariances = np.cov(draw_series(200, N), rowvar=False)
    assert "covariances or z values" in refusal(name, WRITERS[name](covariances))


@every_writer
@pytest.mark.parametrize(
    ("diagonal", "words"),
    [(np.nan, "The diagonal is empty"), (0.0, "diagonal that is not 1"), (np.inf, "")],
)
def test_fisher_z_is_refused(name: str, diagonal: float, words: str) -> None:
    z = np.arctanh(MATRIX - np.eye(N))
    np.fill_diagonal(z, diagonal)
    assert words in refusal(name, WRITERS[name](z))


def test_two_volumes_are_refused() -> None:
    series = pd.DataFrame(draw_series(2, N), columns=LABELS)
    data = series.to_csv(sep="\t", index=False).encode()
    assert "2 volumes" in refusal("sub-1_timeseries.tsv", data)
    short = pd.DataFrame(draw_series(20, N), columns=LABELS).to_csv(sep="\t", index=False)
    connectome = read_uploaded_connectome("sub-1_timeseries.tsv", short.encode())
    assert ConnectomeQuality().refusal(connectome) == "fewer than 150 volumes were retained"


def conn(matrix: FloatArray) -> bytes:
    z = np.arctanh(matrix - np.eye(N))
    np.fill_diagonal(z, np.nan)
    buffer = io.BytesIO()
    names = np.array([LABELS], dtype=object)
    scipy.io.savemat(buffer, {"Z": z, "names": names}, do_compression=True)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("scan.tsv", tsv(MATRIX)),
        ("scan.npz", npz(MATRIX)),
        ("scan.mat", conn(MATRIX)),
        ("scan.tsv.gz", gzip.compress(tsv(MATRIX))),
    ],
)
def test_a_truncated_file_is_refused_wherever_it_ends(name: str, data: bytes) -> None:
    read_uploaded_connectome(name, data)
    # The last number of a text is the 1 on the diagonal, to which fewer digits come near enough.
    for end in np.linspace(0, len(data) - 24, 60).astype(int):
        refusal(name, data[:end])


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = gzip.compress(b"0" * 30_000_000)
    assert len(bomb) < 100_000
    assert "larger than 20 MB" in refusal("scan.tsv.gz", bomb)
    # Without the ending, and in two parts of which neither is too large.
    assert "larger than 20 MB" in refusal("scan.tsv", gzip.compress(b"0" * 15_000_000) * 2)


def test_an_upload_is_bounded_and_opens_no_file(tmp_path: Path) -> None:
    path = write_relmat(tmp_path / "scan_relmat.tsv", MATRIX, LABELS)
    path.with_suffix(".json").write_text('{"mean_fd": 0.2}')
    assert read_connectome(path).mean_framewise_displacement_mm == 0.2
    uploaded = read_uploaded_connectome(str(path), path.read_bytes())
    assert uploaded.mean_framewise_displacement_mm is None
    np.testing.assert_array_equal(uploaded.upper_triangle, read_connectome(path).upper_triangle)
    assert "larger than 20 MB" in refusal("scan.tsv", bytes(20_000_001))
    message = refusal("scan.npy", b"")
    assert "cannot be sent" in message
    with pytest.raises(DataError, match=r"^passwd: ") as caught:
        read_uploaded_connectome("../../etc/passwd", b"x")
    assert ".." not in str(caught.value)


def test_the_file_itself_may_not_lead_out_of_the_data_folder(tmp_path: Path) -> None:
    outside = write_relmat(tmp_path / "secret_relmat.tsv", MATRIX, LABELS)
    root = tmp_path / "data"
    root.mkdir()
    link = root / "scan_relmat.tsv"
    link.symlink_to(outside)
    with pytest.raises(DataError, match="leads out of the data folder"):
        read_connectome(link, root=root)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Node\tA\tB\n" + b"\n" * 1_000_000 + b"A\t1\t0\n", "more than 100000 rows"),
        (b"0\t" * 1_000_000 + b"\n", "more than 5000 cells"),
        (b"Node\tA\tB\nA\t" + b"1\t" * 1_000_000 + b"\nB\t0\t1\n", "more than 5000 cells"),
        (b"A\tB\n1\t0\n" + b"0\t" * 1_000_000 + b"\n", "Row 3 has 1000001 cells instead of 2"),
    ],
)
def test_tables_of_absurd_shapes_are_refused_before_they_are_taken_apart(
    data: bytes, words: str
) -> None:
    assert words in refusal("scan.tsv", data)
