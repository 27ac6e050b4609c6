"""A file as bytes, and the files beside it that may be read with it; everything bounded."""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Never, Self

from data_schemas.errors import DataError, FieldProblem

# A matrix of the largest atlas written with 20 digits takes 30 MB.
MAXIMUM_FILE_BYTES = 40_000_000
MAXIMUM_SIDECAR_BYTES = 1_000_000


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

    @classmethod
    def from_path(cls, path: Path, limit: int, root: Path | None = None) -> Self:
        """Read a file of at most `limit` bytes; companions must stay in `root` or its folder.

        Raises
        ------
        DataError
            When it is absent, a folder, too large or cannot be read.
        """
        folder = path.parent
        inside = (folder if root is None else root).resolve()
        return cls(str(path), path.name, _read(path, limit), folder, inside)

    def companion(self, name: str, limit: int = MAXIMUM_SIDECAR_BYTES) -> "Source | None":
        """Return a file of this name beside this one, or None where there is none.

        Raises
        ------
        DataError
            When it is too large, cannot be read, or is a link that leads out of the folder.
        """
        if self.folder is None or self.root is None:
            return None
        path = self.folder / PurePath(name).name
        if not path.exists():
            return None
        if not path.resolve().is_relative_to(self.root):
            refuse(str(path), "This is a link that leads out of the data folder; copy the file.")
        return Source(str(path), path.name, _read(path, limit), self.folder, self.root)


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
