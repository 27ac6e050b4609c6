import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_schemas.connectome import MAXIMUM_PARCELS
from data_schemas.errors import DataError
from features.readers import read_connectome
from features.readers.quality import GLOBAL_SIGNAL_REGRESSED

LABELS = ("LH_Vis_1", "LH_Limbic_OFC_4", "RH_Default_PFCdPFCm_10", "LH-Pu")
VALUE = "0.76543"
XCPD_NAMES = (
    "sub-01_task-rest_space-fsLR_atlas-4S456Parcels_den-91k_stat-pearsoncorrelation_relmat.tsv",
    "sub-01_ses-pre_space-MNI152NLin6Asym_seg-4S456Parcels_stat-pearsoncorrelation_relmat.tsv",
)
any_name = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def correlations(n_parcels: int = len(LABELS), seed: int = 0) -> npt.NDArray[np.float64]:
    series = np.random.default_rng(seed).normal(size=(50, n_parcels))
    return np.asarray(np.corrcoef(series, rowvar=False))


def rows_of(matrix: npt.NDArray[np.float64], labels: Sequence[str] = LABELS) -> list[list[str]]:
    """Return the cells of a relmat, header and labels included."""
    cells = [[repr(float(r)) if not math.isnan(r) else "n/a" for r in row] for row in matrix]
    return [["Node", *labels], *([label, *row] for label, row in zip(labels, cells, strict=True))]


def write(folder: Path, rows: Sequence[Sequence[str]]) -> Path:
    path = folder / XCPD_NAMES[0]
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def message_of(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_connectome(path)
    message = str(caught.value)
    assert VALUE not in message
    return message


@pytest.mark.parametrize("name", XCPD_NAMES)
def test_a_matrix_written_as_xcp_d_writes_it_is_read_exactly(tmp_path: Path, name: str) -> None:
    # XCP-D, interfaces/connectivity.py: pandas' corr() and to_csv() with these arguments.
    series = np.random.default_rng(1).normal(size=(50, len(LABELS)))
    series[:, 1] = np.nan
    frame = pd.DataFrame(series, columns=list(LABELS)).corr()
    path = tmp_path / name
    frame.to_csv(path, sep="\t", na_rep="n/a", index_label="Node")
    connectome = read_connectome(path)
    assert connectome.labels == LABELS
    upper = np.triu_indices(len(LABELS), k=1)
    np.testing.assert_array_equal(connectome.upper_triangle, frame.to_numpy()[upper])
    assert connectome.n_volumes is None
    assert connectome.global_signal_regressed is None


@any_name
@given(
    values=st.lists(st.floats(-1, 1) | st.just(math.nan), min_size=6, max_size=6),
    form=st.sampled_from(["{!r}", "{:.17g}", "{:.3f}", "{:.6e}", "{:+.9f}", " {:.4f} "]),
    missing=st.sampled_from(["n/a", "NaN", "nan", "NA", ""]),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_every_way_of_writing_a_number_is_read_as_python_reads_it(
    tmp_path: Path, values: list[float], form: str, missing: str, ends: str
) -> None:
    texts = [missing if math.isnan(value) else form.format(value) for value in values]
    cells = np.full((4, 4), "1", dtype=object)
    cells[np.triu_indices(4, k=1)] = texts
    cells = np.where(np.tri(4, dtype=bool), cells.T, cells)
    rows = [["Node", *LABELS], *([label, *row] for label, row in zip(LABELS, cells, strict=True))]
    path = tmp_path / "relmat.tsv"
    path.write_bytes("".join("\t".join(row) + ends for row in rows).encode())
    expected = [math.nan if text == missing else float(text) for text in texts]
    np.testing.assert_array_equal(read_connectome(path).upper_triangle, expected)


def test_a_byte_order_mark_and_blank_lines_at_the_end_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path, rows_of(correlations()))
    plain = read_connectome(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
    np.testing.assert_array_equal(read_connectome(path).upper_triangle, plain.upper_triangle)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\x1f\x8b\x08\x00rest", "cut short"),
        (b"Node\tA\tB\x00\n", "not text"),
        (b"Node\tLH_\xff\tB\n", "not text in UTF-8"),
        (b"Node,A,B\nA,1,0\nB,0,1\n", "separated by tabs"),
        (b"Node\nA\n", "Between 2 and"),
        (b"Node\tA\nA\t1\n", "Between 2 and"),
        (b"Node\tA\tA\nA\t1\t0\nA\t0\t1\n", "column 3 is repeated"),
        (b"Node\tA\t\nA\t1\t0\n\t0\t1\n", "column 3 is empty"),
        (b"Node\tA\tB\nA\t1\t0\n", "2 columns and 1 rows; the file is cut short"),
        (b"Node\tA\tB\nA\t1\t0\nB\t0\t1\nC\t0\t1\n", "2 columns and 3 rows."),
        (b"Node\tA\tB\nA\t1\t0\nB\t0\n", "Row 3 has 1 cells instead of 2"),
        (b"Node\tA\tB\nA\t1\t0\t0\nB\t0\t1\n", "Row 2 has 3 cells instead of 2"),
        (b"Node\tA\tB\nA\t1\t0,1\nB\t0,1\t1\n", "row 2, column 3 (B): is not a number"),
        (b"Node\tA\tB\nA\t1\t0\nB\t0,1\n", "Row 3 has 1 cells instead of 2"),
        (b"Node\tA\tB\nB\t0\t1\nA\t1\t0\n", "Row 2 should be that of A"),
        (b"Node\tA\tB\nA\t1\t0\n\nB\t0\t1\n", "2 columns and 3 rows"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "sub-01_relmat.tsv"
    path.write_bytes(content)
    message = message_of(path)
    assert words in message
    assert str(path) in message


@pytest.mark.parametrize(
    "cell",
    [f"{VALUE}x", "true", "null", f'"{VALUE}', f"[{VALUE}]", "0x1", "1_0", "inf", "1e400", "--"],
)
def test_a_cell_that_is_no_number_is_named_by_row_and_column(tmp_path: Path, cell: str) -> None:
    rows = rows_of(correlations())
    rows[2][4] = rows[4][2] = cell
    message = message_of(write(tmp_path, rows))
    assert "row 3, column 5 (LH-Pu): is not a number" in message
    assert "row 5, column 3 (LH_Limbic_OFC_4): is not a number" in message


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (1, 3, VALUE, "not symmetric, first at LH_Vis_1 with RH_Default_PFCdPFCm_10"),
        (1, 3, "n/a", "not symmetric, first at LH_Vis_1 with RH_Default_PFCdPFCm_10"),
        (2, 2, VALUE, "diagonal that is not 1"),
        (2, 2, "0", "diagonal that is not 1"),
    ],
)
def test_what_is_no_correlation_matrix_is_refused(
    tmp_path: Path, row: int, column: int, value: str, words: str
) -> None:
    rows = rows_of(correlations())
    rows[row][column] = value
    path = write(tmp_path, rows)
    message = message_of(path)
    assert words in message
    assert str(path) in message


@pytest.mark.parametrize("value", ["1.76543", "-1e300"])
def test_correlations_beyond_one_are_refused(tmp_path: Path, value: str) -> None:
    rows = rows_of(correlations())
    rows[1][4] = rows[4][1] = value
    message = message_of(write(tmp_path, rows))
    assert "outside -1 to 1, first at LH_Vis_1 with LH-Pu" in message
    assert value not in message


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in message_of(tmp_path / "absent_relmat.tsv")
    assert "folder" in message_of(tmp_path)


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, rows_of(correlations()))

    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", denied)
    assert "permissions" in message_of(path)


def test_size_is_bounded(tmp_path: Path) -> None:
    path = write(tmp_path, rows_of(correlations()))
    size = path.stat().st_size
    read_connectome(path, limit_bytes=size)
    with pytest.raises(DataError, match="larger than"):
        read_connectome(path, limit_bytes=size - 1)
    wide = tmp_path / "wide_relmat.tsv"
    wide.write_text("\t".join(["Node", *(f"P{n}" for n in range(MAXIMUM_PARCELS + 1))]))
    assert f"and {MAXIMUM_PARCELS} parcels" in message_of(wide)


def test_the_sidecar_tells_the_quality(tmp_path: Path) -> None:
    path = write(tmp_path, rows_of(correlations()))
    content = {"num_retained_volumes": 240, "mean_fd": 0.18, "NuisanceParameters": "36P"}
    path.with_suffix(".json").write_text(json.dumps(content))
    connectome = read_connectome(path)
    assert connectome.n_volumes == 240
    assert connectome.mean_framewise_displacement_mm == 0.18
    assert connectome.global_signal_regressed is True


@pytest.mark.parametrize(
    ("content", "regressed"),
    [
        *(({"NuisanceParameters": name}, done) for name, done in GLOBAL_SIGNAL_REGRESSED.items()),
        ({"NuisanceParameters": "our own"}, None),
        ({"NuisanceParameters": ["gsr_only"]}, None),
        ({"NuisanceParameters": "our own", "GlobalSignalRegressed": False}, False),
        ({}, None),
    ],
)
def test_global_signal_regression_is_known_or_unknown(
    tmp_path: Path, content: dict[str, Any], regressed: bool | None
) -> None:
    path = write(tmp_path, rows_of(correlations()))
    path.with_suffix(".json").write_text(json.dumps(content))
    assert read_connectome(path).global_signal_regressed is regressed


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1, 2]", "not a JSON object"),
        ("{", "not a JSON object"),
        ('{"num_retained_volumes": -76543}', "num_retained_volumes: is out of range"),
        ('{"mean_fd": "0.76543 mm"}', "mean_fd: should be a number"),
    ],
)
def test_a_bad_sidecar_is_named(tmp_path: Path, content: str, words: str) -> None:
    path = write(tmp_path, rows_of(correlations()))
    sidecar = path.with_suffix(".json")
    sidecar.write_text(content)
    message = message_of(path)
    assert str(sidecar) in message
    assert words in message
    assert "76543" not in message


@any_name
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_but_never_crashes(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(write(tmp_path, rows_of(correlations())).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 30))
        content[start : start + length] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"\t", b"\n", b",", b"n/a", b"e", b"[", b"-"])
        )
    path = tmp_path / "damaged.tsv"
    path.write_bytes(content)
    refusal = None
    try:
        known = read_connectome(path).upper_triangle
    except DataError as error:
        refusal = str(error)
    assert str(path) in refusal if refusal else (np.abs(known[~np.isnan(known)]) <= 1).all()
