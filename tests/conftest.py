"""What holds for every test."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings
from planted_values import LogWatcher, logs_with_planted

# A busy machine is not a defect.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def nothing_is_kept_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Services that tests start keep their ledger and keys in a temporary folder."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_planted_value_is_logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hold every log of the whole suite, of this process and of all servers, to hold none."""
    watcher = LogWatcher()
    logging.root.addHandler(watcher)
    yield
    logging.root.removeHandler(watcher)
    assert watcher.found == []
    assert logs_with_planted(tmp_path_factory.getbasetemp()) == []
