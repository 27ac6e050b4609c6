"""The way in: which format a file is in, and its limits."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from data_schemas.connectome import Connectome
from features.readers import nifti
from features.readers.arrays import read_npy, read_npz
from features.readers.conn import read_conn
from features.readers.delimited import read_delimited
from features.readers.parquet import read_parquet
from features.readers.quality import with_quality
from features.readers.source import MAXIMUM_FILE_BYTES, Source, refuse

MAXIMUM_UPLOAD_BYTES = 20_000_000

_TEXT_ENDINGS = (".tsv", ".csv", ".txt")
ENDINGS = (".tsv", ".csv", ".tsv.gz", ".csv.gz", ".npy", ".npz", ".mat", ".parquet", *nifti.ENDINGS)
_NEEDS_A_FOLDER = (".npy", ".parquet", *nifti.ENDINGS)


def read_connectome(
    path: Path, *, root: Path | None = None, limit_bytes: int = MAXIMUM_FILE_BYTES
) -> Connectome:
    """Read one scan from a file of a cohort, and the quality from the files beside it.

    Parameters
    ----------
    path : Path
        In any of the formats of this package.
    root : Path, optional
        The data folder: neither the file nor one beside it may be a link that leads out of it.
        When not given, files beside it may not lead out of its own folder.
    limit_bytes : int
        The largest file to read.

    Returns
    -------
    Connectome
        With the parcels in the order of the file.

    Raises
    ------
    DataError
        Naming the file, and the rows and columns that are wrong, never a value.
    """
    if path.name.lower().endswith(nifti.ENDINGS):
        image = Source.without_content(path, root)
        return with_quality(nifti.read_nifti(path, image), image)
    return _read(Source.from_path(path, limit_bytes, root), limit_bytes)


def read_uploaded_connectome(
    name: str, data: bytes, *, limit_bytes: int = MAXIMUM_UPLOAD_BYTES
) -> Connectome:
    """Read one scan from a single file that holds all that is needed.

    Parameters
    ----------
    name : str
        The file's name, as the sender gave it; only its last part is used, and no file is opened.
    data : bytes
        At most 20 MB, also after decompression.
    limit_bytes : int
        The largest content to read.

    Returns
    -------
    Connectome

    Raises
    ------
    DataError
        As `read_connectome`.
    """
    last = PureWindowsPath(PurePosixPath(name).name).name or "connectome"
    if len(data) > limit_bytes:
        refuse(last, f"The file is larger than {limit_bytes // 1_000_000} MB.")
    if last.lower().endswith(_NEEDS_A_FOLDER):
        refuse(
            last, "Files of this kind cannot be sent; send a matrix as .tsv, .csv, .npz or .mat."
        )
    return _read(Source(last, last, data), limit_bytes)


def _read(packed: Source, limit_bytes: int) -> Connectome:
    source = packed.decompressed(limit_bytes)
    ending = PurePosixPath(source.name).suffix.lower()
    if ending == ".npy":
        connectome = read_npy(source)
    elif ending == ".npz":
        connectome = read_npz(source, limit_bytes)
    elif ending == ".mat":
        connectome = read_conn(source, limit_bytes)
    elif ending == ".parquet":
        connectome = read_parquet(source, limit_bytes)
    elif ending in _TEXT_ENDINGS:
        connectome = read_delimited(source)
    else:
        refuse(source.where, f"The name ends in none of {', '.join(ENDINGS)}.")
    return with_quality(connectome, source)
