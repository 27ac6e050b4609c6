"""Results of extraction, found again by the content of the files they come from.

The folder is named by the environment variable `TMS_RESPONSE_CACHE`; without it nothing is cached,
since what is kept are numbers about patients, outside the folders of the cohort and the run. A
result's name is a SHA-256 of the program, the quality limits, the node table of the atlas, the
planned coil site and the files, and nothing in the folder names a patient, a file or a site. It may
be emptied at any time.
"""

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_schemas.connectome import ConnectomeQuality
from features.nodes import NodeTable
from training.engine.engines import Value
from training.engine.program import program_digest

CACHE_VARIABLE: Final = "TMS_RESPONSE_CACHE"
# What readers look into beside the file itself: tables and sidecars of the scan, and the labels of
# an atlas, which may also lie further up.
_COMPANIONS: Final = (".tsv", ".csv", ".json", ".txt", ".gz")
_OF_AN_ATLAS: Final = ("labels.", "dseg.", "nodes.tsv")
_FOLDERS_UP: Final = 8


def cache_folder() -> Path | None:
    """Return the folder that the environment names; None where it names none."""
    name = os.environ.get(CACHE_VARIABLE, "").strip()
    return Path(name).absolute() if name else None


def content_digest(
    paths: Sequence[Path],
    quality: ConnectomeQuality,
    nodes: NodeTable | None,
    coil_site_mni_mm: Sequence[float] | None,
) -> str:
    """Return the name of a patient's result: a SHA-256 of all that it depends on.

    The names of files do not enter, but their ends, from which readers tell formats apart.
    """
    table = nodes.model_dump_json() if nodes else ""
    settings = (program_digest(), quality.model_dump_json(), table, str(coil_site_mni_mm), "")
    digest = hashlib.sha256("\0".join(settings).encode())
    for path in (each for one in paths for each in (one, *_companions(one))):
        digest.update(f"{path.name.rpartition('_')[2]}\0".encode())
        try:
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError:
            # The reader says what is wrong with it.
            digest.update(b"unreadable")
    return digest.hexdigest()


def _companions(path: Path) -> list[Path]:
    """Return the small files that may describe a scan.

    Those of its own stem, in BIDS of its subject, and those of an atlas in its folder and above.
    """
    prefix = f"{path.name.split('_')[0]}_" if path.name.startswith("sub-") else path.stem
    found = []
    for folder in list(path.parents)[:_FOLDERS_UP]:
        for name in _names(folder):
            own = folder == path.parent and name.startswith(prefix) and name.endswith(_COMPANIONS)
            if name != path.name and (own or any(part in name for part in _OF_AN_ATLAS)):
                found.append(folder / name)
    return found


def _names(folder: Path) -> list[str]:
    try:
        return _listing(folder, folder.stat().st_mtime_ns)
    except OSError:
        return []


@lru_cache(maxsize=64)
def _listing(folder: Path, changed_ns: int) -> list[str]:  # noqa: ARG001  # a key of the cache
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_file())


def load_result(folder: Path | None, digest: str) -> dict[str, npt.NDArray[Any]] | None:
    """Return a kept result; None where there is none, or where it cannot be read."""
    if folder is None:
        return None
    try:
        with (
            _file(folder, digest).open("rb") as stream,
            np.load(stream, allow_pickle=False) as content,
        ):
            return dict(content)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def save_result(folder: Path | None, digest: str, result: Mapping[str, Value]) -> None:
    """Keep a result: wholly or, when the process dies meanwhile, not at all."""
    if folder is None:
        return
    path = _file(folder, digest)
    # For this user alone: these are numbers about patients.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **{name: np.asarray(v) for name, v in result.items()})
    unfinished.replace(path)


def _file(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / f"{digest}.npz"
