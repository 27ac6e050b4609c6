"""NumPy arrays: `.npy` with labels beside it, `.npz` with an array `labels` inside.

Never unpickled, and never larger in memory than the limit: headers are read first and must agree
with the bytes that follow. A file with `timeseries` in its name (or an array of that name in an
archive) holds one row a volume; any other holds a matrix of Pearson correlations.
"""

import io
import math
import struct
import tokenize
import zipfile
import zlib

import numpy as np
import numpy.typing as npt

from data_schemas.connectome import MAXIMUM_PARCELS, Connectome
from features.readers.delimited import connectome_of
from features.readers.labels import labels_beside
from features.readers.matrices import MAXIMUM_VOLUMES, check_labels
from features.readers.source import Source, refuse
from features.readers.tables import FloatArray

_LABELS = "labels"
_MAXIMUM_MEMBERS = 20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    OSError, ValueError,
)  # fmt: skip


def read_npy(source: Source) -> Connectome:
    """Read one array; the labels lie beside it (see `features.readers.labels`).

    Raises
    ------
    DataError
        When it is no two-dimensional array of numbers, or no labels are found.
    """
    table = _numbers(source.where, _array(source.where, source.data))
    return connectome_of(source, labels_beside(source, table.shape[1]), table)


def read_npz(source: Source, limit: int) -> Connectome:
    """Read an archive of one array of numbers and one of labels, as `numpy.savez` writes it.

    Parameters
    ----------
    source : Source
    limit : int
        The most bytes to unpack.

    Raises
    ------
    DataError
        When it is damaged, too large, or holds something else.
    """
    members = _members(source, limit)
    labels = members.pop(_LABELS, None)
    if len(members) != 1:
        refuse(source.where, "An archive must hold one array of numbers and one named 'labels'.")
    ((name, array),) = members.items()
    table = _numbers(source.where, array)
    if labels is None:
        names = labels_beside(source, table.shape[1])
    elif labels.ndim != 1 or labels.dtype.kind != "U" or len(labels) != table.shape[1]:
        refuse(source.where, "'labels' must be a list of text, one label a column of the array.")
    else:
        names = [str(label) for label in labels]
    check_labels(source.where, names)
    named = source if "timeseries" not in name.lower() else source.renamed(f"{name}.npz")
    return connectome_of(named, names, table)


def _members(source: Source, limit: int) -> dict[str, npt.NDArray[np.generic]]:
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    left = limit
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            names = archive.namelist()
            if len(names) > _MAXIMUM_MEMBERS:
                refuse(source.where, "The archive holds too many arrays.")
            for name in names:
                if archive.getinfo(name).compress_type not in _COMPRESSIONS:
                    raise zipfile.BadZipFile
                with archive.open(name) as member:
                    data = member.read(left + 1)
                left -= len(data)
                if left < 0:
                    refuse(
                        source.where,
                        f"Unpacked, the file is larger than {limit // 1_000_000} MB.",
                    )
                arrays[name.removesuffix(".npy")] = _array(source.where, data)
    except _DAMAGES:
        refuse(source.where, "The archive is damaged or encrypted.")
    return arrays


def _array(where: str, data: bytes) -> npt.NDArray[np.generic]:
    """Return the array of an `.npy` file, whose header must agree with its size."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        refuse(where, "The file is no NumPy array, or is damaged.")
    if dtype.kind not in "fiuU" or dtype.itemsize == 0:
        refuse(where, "The array must hold numbers (labels: text); objects are never unpickled.")
    content = data[stream.tell() :]
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(content):
        refuse(where, "The array does not have the size that its header tells; it is cut short.")
    array = np.frombuffer(content, dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _numbers(where: str, array: npt.NDArray[np.generic]) -> FloatArray:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        refuse(where, "A table of two dimensions that holds numbers is expected.")
    if array.shape[0] > MAXIMUM_VOLUMES or array.shape[1] > MAXIMUM_PARCELS:
        refuse(
            where, f"The array is larger than {MAXIMUM_VOLUMES} rows or {MAXIMUM_PARCELS} parcels."
        )
    numbers = array.astype(np.float64)
    if np.isinf(numbers).any():
        row, column = (int(index) for index in np.argwhere(np.isinf(numbers))[0])
        refuse(where, f"Row {row + 1}, column {column + 1} is infinite.")
    return numbers
