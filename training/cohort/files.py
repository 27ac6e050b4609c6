"""Finding the spec and the files it names, and refusing paths that lead out of the data folder."""

from pathlib import Path

from data_schemas.cohort import CohortSpec, parse_cohort_spec
from data_schemas.errors import ConfigurationError, DataError, did_you_mean

SPEC_NAME = "cohort.toml"


def find_spec(path: Path) -> Path:
    """Return the spec file of a cohort, given as a folder or as the spec itself.

    Raises
    ------
    DataError
        When the path is not there.
    ConfigurationError
        When a folder holds no `cohort.toml`.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"There is no folder or file '{path}'. Give a cohort folder or its spec.")
    spec = path / SPEC_NAME
    if not spec.is_file():
        others = sorted(found.name for found in path.glob("*.toml"))
        hint = f" It holds {', '.join(others)}: name the one to use." if others else ""
        raise ConfigurationError(f"The folder '{path}' holds no {SPEC_NAME}.{hint}")
    return spec


def load_spec(path: Path) -> tuple[CohortSpec, bytes]:
    """Read the spec of a cohort.

    Returns
    -------
    spec : CohortSpec
    content : bytes
        The file as it is, for the fingerprint.

    Raises
    ------
    ConfigurationError
        When it is not text, not TOML, or not in the grammar.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path.name} is not a text file in UTF-8.") from None
    if not text.strip():
        raise ConfigurationError(f"{path.name} is empty.")
    return parse_cohort_spec(text, path.name), content


def data_folder(spec_path: Path, data: Path | None) -> Path:
    """Return the folder with the tables: `data`, or the one in which the spec lies.

    Raises
    ------
    DataError
        When it is not there.
    """
    folder = spec_path.parent if data is None else data
    if not folder.is_dir():
        kind = "a file, not a folder" if folder.exists() else "not there"
        raise DataError(f"The data folder '{folder}' is {kind}.")
    return folder.resolve()


def inside(folder: Path, name: str) -> Path:
    """Return the file of that name in the data folder.

    Raises
    ------
    DataError
        When it is not there, is a folder, or is a symbolic link to somewhere else.
    """
    path = folder / name
    if not path.exists():
        beside = [found.name for found in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(
            f"There is no file '{name}' in the data folder '{folder}'."
            f"{did_you_mean(path.name, beside)} If the data lies elsewhere, give its folder "
            "with --data."
        )
    if not leads_inside(folder, path):
        raise DataError(f"'{name}' is a link that leads out of the data folder; copy the file.")
    if not path.is_file():
        raise DataError(f"'{name}' is not a file.")
    return path


def leads_inside(folder: Path, path: Path) -> bool:
    """Tell whether a path, links followed, stays inside the (resolved) data folder."""
    return path.resolve().is_relative_to(folder)
