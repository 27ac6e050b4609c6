"""Which program computes: its sources and the libraries that shape its numbers."""

import hashlib
import platform
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final

SHAPING_LIBRARIES: Final = ("lightgbm", "numpy", "scikit-learn", "scipy", "tms-response")
_PACKAGES: Final = ("data_schemas", "features", "serving", "training")
# These read results and shape none: a run may go on after a report was mended.
_READERS: Final = ("training/report/", "training/tracking/")


@cache
def program_digest() -> str:
    """Return a SHA-256 of our source files, the libraries, Python's version and the processor.

    Where it differs, numbers may differ in their last digits; so results are neither shared between
    workers nor taken from an interrupted run.
    """
    digest = hashlib.sha256(f"{platform.python_version()} {platform.machine()}".encode())
    for name in SHAPING_LIBRARIES:
        digest.update(f"{name} {version(name)}\n".encode())
    for name in _PACKAGES:
        folder = Path(str(import_module(name).__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            source = f"{name}/{path.relative_to(folder).as_posix()}"
            if not source.startswith(_READERS):
                digest.update(f"{source}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
