"""The project's own promises: locks that hold, names that are ours, files short enough to read."""

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from data_schemas.cohort import parse_cohort_spec
from data_schemas.prediction import Prediction

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = ("data_schemas", "features", "serving", "training")
LOCKS = ("requirements-serving.lock", "requirements.lock")
LONGEST_FILE = 400
WRITTEN_BY_HAND = {".py", ".toml", ".md", ".j2", ".html", ".css", ".js", ".yaml", ".mplstyle", ""}


def pins(lock: str) -> dict[str, str]:
    """Return package -> version of a lock file."""
    found = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def named(extras: bool) -> list[Requirement]:
    """Return the requirements that pyproject.toml names, without those on itself."""
    lines = list(PROJECT["project"]["dependencies"])
    if extras:
        for group in PROJECT["project"]["optional-dependencies"].values():
            lines += group
        lines += PROJECT["dependency-groups"]["dev"]
        lines += PROJECT["build-system"]["requires"]
    requirements = [Requirement(line) for line in lines]
    return [each for each in requirements if each.name != PROJECT["project"]["name"]]


@pytest.mark.parametrize(("lock", "extras"), [(LOCKS[0], False), (LOCKS[1], True)])
def test_a_lock_pins_all_that_pyproject_names(lock: str, extras: bool) -> None:
    pinned = pins(lock)
    stale = [
        str(each)
        for each in named(extras)
        if pinned.get(canonicalize_name(each.name), "none") not in each.specifier
    ]
    assert stale == [], f"run `make lock`: {lock} does not fit {stale}"


def test_the_serving_lock_is_a_part_of_the_full_one() -> None:
    full = pins(LOCKS[1])
    assert {name: full.get(name) for name in pins(LOCKS[0])} == pins(LOCKS[0])


@pytest.mark.parametrize("package", ["shap", "numba", "matplotlib", "mlflow", "typer"])
def test_the_serving_lock_is_slim(package: str) -> None:
    assert package not in pins(LOCKS[0])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    unhashed = re.findall(
        r"^[\w.-]+==\S+(?! \\\n +--hash=sha256:[0-9a-f]{64})$", text, re.MULTILINE
    )
    assert unhashed == []
    assert not re.search(r"://|--(extra-)?index-url|--find-links|file:|@ ", text)
    assert not re.search(r"(?<![\w.-])/\w", text), "a path"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_our_packages(package: str) -> None:
    # An editable installation of ours is not listed; another project's package would be.
    assert set(packages_distributions().get(package, [])) <= {"tms-response"}
    assert Path(str(import_module(package).__file__)).is_relative_to(ROOT)


def test_the_wheel_holds_our_packages_and_nothing_else() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["only-include"]
    assert sorted(included) == sorted([*PACKAGES, "tms_response.py"])


def test_no_file_is_too_long_to_read() -> None:
    files = project_files()
    assert ROOT / "tms_response.py" in files
    assert Path(__file__) in files
    too_long = [
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix in WRITTEN_BY_HAND
        and path.name != "LICENSE"
        and len(path.read_text("utf-8").splitlines()) > LONGEST_FILE
    ]
    assert too_long == []


def project_files() -> list[Path]:
    """Return the files of the project, without what is made, downloaded or cached."""
    folders = [*PACKAGES, "tests", "benchmarks", "docs", "examples", ".ci"]
    found = [*ROOT.iterdir(), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    made = {"__pycache__", "json", "data"}
    return [
        path
        for path in found
        if path.is_file()
        and not made & set(path.relative_to(ROOT).parts)
        and not path.name.startswith("mlflow.db")
    ]


def test_the_readme_shows_a_cohort_toml_that_is_valid() -> None:
    [spec] = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert parse_cohort_spec(spec).outcome.instrument == "HDRS-17"


def test_the_readme_shows_the_answer_of_the_service() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    [answer] = re.findall(r"<!-- answer:start -->\n```json\n(.*?)```", text, re.DOTALL)
    shown = Prediction.model_validate_json(answer)
    assert shown.response_probability is not None
    assert "simulated_training_data" in {notice.code for notice in shown.notices}


def test_make_alone_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    declared = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert declared is not None
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"make (\w+) +\S", shown) == declared.group(1).split()


def test_serving_needs_nothing_of_training_or_of_its_libraries() -> None:
    code = (
        "import sys, serving.predictor\n"
        "heavy = {'training', 'mlflow', 'shap', 'matplotlib', 'typer', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
