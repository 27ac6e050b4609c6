"""The way in: which format a file is in, and its limits."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from data_schemas.connectome import Connectome
from features.readers.delimited import read_delimited
from features.readers.quality import with_quality
from features.readers.source import MAXIMUM_FILE_BYTES, Source, refuse

MAXIMUM_UPLOAD_BYTES = 20_000_000


def read_connectome(
    path: Path, *, root: Path | None = None, limit_bytes: int = MAXIMUM_FILE_BYTES
) -> Connectome:
    """Read one scan from a file of a cohort, and the quality from the files beside it.

    Parameters
    ----------
    path : Path
        In any of the formats of this package.
    root : Path, optional
        The data folder: no file beside it may be a link that leads out of it. Its own folder
        when not given.
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
    return _read(Source(last, last, data), limit_bytes)


def _read(packed: Source, limit_bytes: int) -> Connectome:
    source = packed.decompressed(limit_bytes)
    return with_quality(read_delimited(source), source)
