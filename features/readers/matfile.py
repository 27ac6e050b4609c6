"""MATLAB files of version 5: numeric matrices and cells of text, and nothing else.

Read here rather than by a library because uploads come from anywhere: sizes that a header claims
are checked against the bytes that are there before anything is made of them, compressed variables
are unpacked up to a limit, and what is neither a matrix of numbers nor a cell of text is skipped.
Layout: "MAT-File Format", MathWorks, level 5.
"""

import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from features.readers.source import Source, refuse

MatArray = npt.NDArray[np.float64]
Variable = MatArray | list[str] | None

_HEADER_BYTES = 128
_HDF5_MAGIC = b"\x89HDF"
_COMPRESSED, _MATRIX = 15, 14
# Types of data elements and their layout; 16 and up are text in UTF-8, 16 and 32 bits.
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL_CLASS, _CHAR_CLASS = 1, 4
_NUMBER_CLASSES = range(6, 16)
_COMPLEX_FLAG = 0x08
_MAXIMUM_CELLS = 10_000


class _DamagedError(Exception):
    """The bytes are not laid out as the format says."""


@dataclass
class _Elements:
    """Walks through the data elements of some bytes, each a type and its content."""

    data: bytes
    order: Literal["<", ">"]
    position: int = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self.position < len(self.data):
            yield self.take()

    def take(self) -> tuple[int, bytes]:
        first, size = self._words()
        start = self.position + 8
        if first >> 16:
            # A small element: size and type share four bytes, and the content is the next four.
            first, size, start = first & 0xFFFF, first >> 16, self.position + 4
            end = self.position + 8
            if size > 4:
                raise _DamagedError
        else:
            end = start + size + (0 if first == _COMPRESSED else -size % 8)
        if start + size > len(self.data):
            raise _DamagedError
        self.position = end
        return first, self.data[start : start + size]

    def _words(self) -> tuple[int, int]:
        if self.position + 8 > len(self.data):
            raise _DamagedError
        words = np.frombuffer(self.data, f"{self.order}u4", 2, self.position)
        return int(words[0]), int(words[1])


def read_mat(source: Source, limit: int, names: Collection[str]) -> dict[str, Variable]:
    """Return the named variables of a MATLAB file.

    Parameters
    ----------
    source : Source
    limit : int
        The most bytes to unpack.
    names : collection of str
        The variables to read; others are skipped.

    Returns
    -------
    dict
        By name, where present: a matrix, the texts of a cell, or None for anything else.

    Raises
    ------
    DataError
        When it is of version 7.3 or 4, damaged or too large.
    """
    data = source.data
    if data[:4] == _HDF5_MAGIC or data.startswith(b"MATLAB 7.3"):
        refuse(
            source.where,
            "The MATLAB file is of version 7.3 (HDF5). Save it in MATLAB with the option '-v7'.",
        )
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEADER_BYTES])
    if order is None:
        refuse(source.where, "The file is no MATLAB file of version 5 to 7.2.")
    try:
        return dict(_variables(source.where, data, "<" if order == "<" else ">", limit, names))
    except (_DamagedError, zlib.error, UnicodeDecodeError, ValueError):
        refuse(source.where, "The MATLAB file is damaged or cut short.")


def _variables(
    where: str, data: bytes, order: Literal["<", ">"], limit: int, names: Collection[str]
) -> Iterator[tuple[str, Variable]]:
    left = limit
    for kind, packed in _Elements(data, order, _HEADER_BYTES):
        content = packed
        if kind == _COMPRESSED:
            content = _unpacked(where, packed, left, limit)
            left -= len(content)
            kind, content = _Elements(content, order).take()  # noqa: PLW2901
        if kind == _MATRIX and content:
            name, variable = _matrix(content, order, names)
            if name in names:
                yield name, variable


def _unpacked(where: str, packed: bytes, left: int, limit: int) -> bytes:
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(packed, left + 1)
    if len(content) > left:
        refuse(where, f"Unpacked, the file is larger than {limit // 1_000_000} MB.")
    return content


def _matrix(
    content: bytes, order: Literal["<", ">"], names: Collection[str] | None = None
) -> tuple[str, Variable]:
    """Return name and value of one array; a value is made for the named ones only."""
    elements = _Elements(content, order)
    _, flags = elements.take()
    _, sizes = elements.take()
    _, name_bytes = elements.take()
    if len(flags) < 4 or len(sizes) % 4:
        raise _DamagedError
    flag = int(np.frombuffer(flags, f"{order}u4", 1)[0])
    shape = tuple(int(size) for size in np.frombuffer(sizes, f"{order}i4"))
    name = name_bytes.decode("latin-1")
    if names is not None and name not in names:
        return name, None
    kind = flag & 0xFF
    if kind == _CELL_CLASS:
        return name, _texts(elements, shape, order)
    if kind == _CHAR_CLASS:
        return name, [_text(elements, order)]
    if kind in _NUMBER_CLASSES and not (flag >> 8) & _COMPLEX_FLAG:
        return name, _numbers(elements, shape, order)
    return name, None


def _numbers(elements: _Elements, shape: tuple[int, ...], order: str) -> MatArray:
    kind, content = elements.take()
    if kind not in _NUMBERS:
        raise _DamagedError
    dtype = np.dtype(f"{order}{_NUMBERS[kind]}")
    if min(shape, default=-1) < 0 or math.prod(shape) * dtype.itemsize != len(content):
        raise _DamagedError
    return np.frombuffer(content, dtype).reshape(shape, order="F").astype(np.float64)


def _texts(elements: _Elements, shape: tuple[int, ...], order: Literal["<", ">"]) -> Variable:
    """Return the texts of a cell, or None when it holds anything else."""
    if not 0 <= math.prod(shape) <= _MAXIMUM_CELLS:
        return None
    texts: list[str] = []
    for _ in range(math.prod(shape)):
        kind, content = elements.take()
        if kind != _MATRIX:
            raise _DamagedError
        inner = _Elements(content, order)
        _, flags = inner.take()
        if len(flags) < 4 or int(np.frombuffer(flags, f"{order}u4", 1)[0]) & 0xFF != _CHAR_CLASS:
            return None
        inner.take()
        inner.take()
        texts.append(_text(inner, order))
    return texts


def _text(elements: _Elements, order: str) -> str:
    kind, content = elements.take()
    if kind in _TEXTS:
        suffix = "" if kind == 16 else ("-le" if order == "<" else "-be")
        return content.decode(f"{_TEXTS[kind]}{suffix}")
    if kind in {1, 2}:
        return content.decode("latin-1")
    if kind == 4:
        return content.decode("utf-16-le" if order == "<" else "utf-16-be")
    raise _DamagedError
