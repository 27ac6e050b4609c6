"""Where the model of the moment lies, in a form that can be changed while the service runs.

The source is a folder, a symbolic link to one, or a small file that holds the path of one.
"""

from pathlib import Path

from data_schemas.errors import ModelError
from serving.predictor import DOCUMENT_FILE
from serving.registry import find_artefact

_LONGEST_PATH = 4096


def pointed_folder(source: Path) -> Path:
    """Return the folder of the model that a source names now.

    Raises
    ------
    ModelError
        When there is none.
    """
    if not source.is_file():
        if not source.is_dir():
            raise ModelError(f"There is no model folder {source}; train a model or name another.")
        return find_artefact(source, str(source))
    try:
        named = source.read_bytes()[:_LONGEST_PATH].decode("utf-8").strip()
        folder = source.parent / named
        found = bool(named) and folder.is_dir()
    except (OSError, ValueError):
        found = False
    if not found:
        raise ModelError(f"{source} does not hold the path of a model folder.")
    return find_artefact(folder, named)


def stamp_of(source: Path) -> tuple[Path, object]:
    """Return the folder that a source names now, and a value that changes with the model.

    Raises
    ------
    ModelError
        When there is none.
    """
    folder = pointed_folder(source)
    try:
        document = (folder / DOCUMENT_FILE).stat()
    except OSError:
        raise ModelError(f"{folder / DOCUMENT_FILE} cannot be read.") from None
    return folder, (str(folder), document.st_mtime_ns, document.st_size, document.st_ino)


def point_to(pointer: Path, folder: Path) -> None:
    """Let a pointer file name another folder, at once for whoever reads it."""
    written = pointer.with_suffix(".new")
    written.write_text(f"{folder}\n", encoding="utf-8")
    written.replace(pointer)
