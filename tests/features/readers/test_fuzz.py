"""Damaged bytes of every format give a connectome or a DataError, and nothing else."""

import gzip
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scan_files import LABELS, draw_series

from data_schemas.connectome import Connectome
from data_schemas.errors import DataError
from features.readers import read_connectome, read_uploaded_connectome

SERIES = pd.DataFrame(draw_series(12), columns=list(LABELS))
MATRIX = SERIES.corr()
# NumPy remarks on headers that Python 2 might have written.
pytestmark = pytest.mark.filterwarnings("ignore:Reading .* header parsing")
any_bytes = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def conn(*, compressed: bool) -> bytes:
    z = np.arctanh(MATRIX.to_numpy() - np.eye(len(LABELS)))
    np.fill_diagonal(z, np.nan)
    content = {"Z": z, "names": np.array([LABELS], dtype=object), "other": {"a": 1}}
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content, do_compression=compressed)  # type: ignore[arg-type]
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, matrix=MATRIX.to_numpy(), labels=np.array(LABELS))
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, MATRIX.to_numpy())
    return buffer.getvalue()


def text(frame: pd.DataFrame, **options: Any) -> bytes:
    written: str = frame.to_csv(**options)
    return written.encode()


UPLOADS = {
    "relmat.tsv": text(MATRIX, sep="\t", index_label="Node"),
    "matrix.csv": text(MATRIX, index=False),
    "timeseries.tsv": text(SERIES, sep="\t", index=False),
    "timeseries.csv.gz": gzip.compress(text(SERIES)),
    "matrix.npz": npz(),
    "plain.mat": conn(compressed=False),
    "packed.mat": conn(compressed=True),
}
FILES = {
    "matrix.npy": npy(),
    "matrix.parquet": MATRIX.to_parquet(),
    "halfpipe_timeseries.tsv": text(SERIES, sep="\t", index=False, header=False),
}
PIECES = [b"\t", b"\n", b",", b'"', b"n/a", b"\x00", b"\xff\xff\xff\xff", b"e9", b"-"]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 30))
        content[start : start + length] = draw(st.binary(max_size=8) | st.sampled_from(PIECES))
    return bytes(content)


def outcome(read: Any) -> None:
    with suppress(DataError):
        assert isinstance(read(), Connectome)


@pytest.mark.parametrize("name", UPLOADS)
@any_bytes
@given(data=st.data())
def test_damaged_uploads(name: str, data: st.DataObject) -> None:
    content = data.draw(damaged(UPLOADS[name]))
    outcome(lambda: read_uploaded_connectome(name, content))


@pytest.mark.parametrize("name", FILES)
@any_bytes
@given(data=st.data())
def test_damaged_files(tmp_path: Path, name: str, data: st.DataObject) -> None:
    path = tmp_path / name
    path.write_bytes(data.draw(damaged(FILES[name])))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    outcome(lambda: read_connectome(path))


@pytest.mark.parametrize(
    ("beside", "content"),
    [
        ("labels.txt", "\n".join(LABELS).encode()),
        ("sub-1_outliers.tsv", b"framewise_displacement\n" + b"0\n" * 11 + b"1\n"),
        ("sub-1_motion.tsv", b"trans_x\tframewise_displacement\nn/a\tn/a\n0.1\t0.2\n"),
        ("sub-1_space-T_desc-linc_qc.tsv", b"mean_fd\tnum_retained_volumes\n0.1\t11\n"),
        ("sub-1_space-T_atlas-A_stat-coverage_bold.tsv", b"Node\tcoverage\nLH_Vis_1\t0.5\n"),
        ("sub-1_space-T_atlas-A_stat-mean_timeseries.json", b'{"mean_fd": 0.1, "Labels": ["a"]}'),
    ],
)
@any_bytes
@given(data=st.data())
def test_damaged_companions(
    tmp_path: Path, beside: str, content: bytes, data: st.DataObject
) -> None:
    path = tmp_path / "sub-1_space-T_atlas-A_stat-mean_timeseries.tsv"
    path.write_bytes(FILES["halfpipe_timeseries.tsv"])
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    (tmp_path / beside).write_bytes(data.draw(damaged(content)))
    outcome(lambda: read_connectome(path))


@pytest.mark.filterwarnings("ignore")
@settings(any_bytes, max_examples=15)
@given(data=st.data())
def test_damaged_images(tmp_path: Path, data: st.DataObject) -> None:
    image = nibabel.Nifti1Image(np.ones((2, 2, 2, 5), np.float32), np.eye(4))
    atlas = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    nibabel.save(atlas, tmp_path / "a_dseg.nii")
    (tmp_path / "a_dseg.tsv").write_text("index\tlabel\n1\tA\n2\tB\n")
    damage_atlas = data.draw(st.booleans())
    whole = atlas.to_bytes() if damage_atlas else image.to_bytes()
    path = tmp_path / "sub-1_bold.nii"
    path.write_bytes(image.to_bytes())
    target = tmp_path / "a_dseg.nii" if damage_atlas else path
    target.write_bytes(data.draw(damaged(whole)))
    outcome(lambda: read_connectome(path))
