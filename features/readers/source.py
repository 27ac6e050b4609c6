"""A file as bytes, and the files beside it that may be read with it; everything bounded."""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Never, Self

from data_schemas.errors import DataError, FieldProblem

# A matrix of the largest atlas written with 20 digits takes 30 MB.
MAXIMUM_FILE_BYTES = 40_000_000
MAXIMUM_SIDECAR_BYTES = 1_000_000

_LEADS_OUT = "This is a link that leads out of the data folder; copy the file."
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib: the largest window, with a gzip header


def refuse(where: str, what: str, *problems: FieldProblem) -> Never:
    """Raise a DataError about a file.

    Parameters
    ----------
    where : str
        The file, as the user knows it.
    what : str
        A sentence without the patient's values.
    *problems : FieldProblem
        The rows and columns behind it.
    """
    raise DataError(f"{where}: {what}", problems) from None


@dataclass(frozen=True)
class Source:
    """A file that has been read.

    Attributes
    ----------
    where : str
        The file as messages name it.
    name : str
        Its name without folders.
    data : bytes
        Its content.
    folder : Path or None
        Where companions are looked for; None for an upload, which has none.
    root : Path or None
        Resolved folder out of which no companion may lead.
    """

    where: str
    name: str
    data: bytes
    folder: Path | None = None
    root: Path | None = None

    @property
    def stem(self) -> str:
        """Its name without the ending."""
        return PurePath(self.name).stem

    @classmethod
    def without_content(cls, path: Path, root: Path | None = None) -> Self:
        """Stand for a file that a library reads; companions must stay in `root` or its folder."""
        inside = (path.parent if root is None else root).resolve()
        if root is not None and not path.resolve().is_relative_to(inside):
            refuse(str(path), _LEADS_OUT)
        name = path.name.removesuffix(".gz")
        return cls(str(path), name, b"", path.parent, inside)

    @classmethod
    def from_path(cls, path: Path, limit: int, root: Path | None = None) -> Self:
        """Read a file of at most `limit` bytes; companions must stay in `root` or its folder.

        Raises
        ------
        DataError
            When it is absent, a folder, too large or cannot be read.
        """
        empty = cls.without_content(path, root)
        return replace(empty, name=path.name, data=_read(path, limit))

    def renamed(self, name: str) -> Self:
        """Return the file under another name, by which its format and companions are found."""
        return replace(self, name=name)

    def decompressed(self, limit: int) -> Self:
        """Return the file without its gzip compression, if its name or content tells of one.

        Parameters
        ----------
        limit : int
            The largest content; no more than that is ever unpacked.

        Raises
        ------
        DataError
            When it is larger, damaged or cut short.
        """
        if not self.data.startswith(_GZIP_MAGIC):
            if self.name.lower().endswith(".gz"):
                refuse(self.where, "The file is not compressed with gzip, as its name says.")
            return self
        content, rest = b"", self.data
        while rest:
            member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                content += member.decompress(rest, limit + 1 - len(content))
            except zlib.error:
                refuse(self.where, "The compressed file is damaged.")
            if len(content) > limit:
                refuse(self.where, f"Unpacked, the file is larger than {limit // 1_000_000} MB.")
            if not member.eof:
                refuse(self.where, "The compressed file is cut short.")
            rest = member.unused_data
        name = self.name[:-3] if self.name.lower().endswith(".gz") else self.name
        return replace(self, name=name, data=content)

    def companion(
        self, name: str, limit: int = MAXIMUM_SIDECAR_BYTES, *, upwards: bool = False
    ) -> "Source | None":
        """Return a file of this name beside this one, or None where there is none.

        Parameters
        ----------
        name : str
            Its last part is used.
        limit : int
            The largest file to read, in bytes.
        upwards : bool
            Look also in the folders above, up to the root.

        Raises
        ------
        DataError
            When it is too large, cannot be read, or is a link that leads out of the root.
        """
        path = self.companion_path(name, upwards=upwards)
        if path is None:
            return None
        return Source(str(path), path.name, _read(path, limit), path.parent, self.root)

    def companion_path(self, name: str, *, upwards: bool = False) -> Path | None:
        """Return where a companion lies, as `companion` finds and refuses it."""
        if self.folder is None or self.root is None:
            return None
        folder = self.folder
        while not (path := folder / PurePath(name).name).exists():
            inside = folder.resolve()
            if not upwards or inside == self.root or not inside.is_relative_to(self.root):
                return None
            folder = folder.parent
        if not path.resolve().is_relative_to(self.root):
            refuse(str(path), _LEADS_OUT)
        return path


def _read(path: Path, limit: int) -> bytes:
    if path.is_dir():
        refuse(str(path), "This is a folder; a file is expected.")
    if not path.is_file():
        refuse(str(path), "There is no such file.")
    try:
        with path.open("rb") as file:
            # One byte more than the limit or the size tells whether it is larger, and no buffer
            # of the limit's size is made for a small file.
            data = file.read(min(limit, path.stat().st_size) + 1)
    except OSError:
        refuse(str(path), "The file cannot be read; check its permissions.")
    if len(data) > limit:
        refuse(str(path), f"The file is larger than {limit // 1_000_000} MB.")
    return data
