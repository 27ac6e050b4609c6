from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Four patients in one CSV file, outcomes in wide form."""
    return Study(tmp_path / "cohort")


@pytest.fixture
def new_study(tmp_path: Path) -> Callable[[], Study]:
    """Return a maker of further studies, each in a folder of its own."""
    count = iter(range(1000))
    return lambda: Study(tmp_path / f"cohort{next(count)}")
