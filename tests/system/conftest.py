"""One small cohort, simulated, trained on and served, as a user would."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_process import QUICK_CONFIG, Service, Spine, served, tms_response
from tracked_runs import tiny_predictor

from data_schemas.patient import Patient
from features.readers import read_connectome
from training.cohort.read import read_cohort


@pytest.fixture(scope="session")
def quick_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with little work in it."""
    config = tmp_path_factory.mktemp("config") / "quick.toml"
    config.write_text(QUICK_CONFIG, encoding="utf-8")
    return config


@pytest.fixture(scope="session")
def spine(tmp_path_factory: pytest.TempPathFactory, quick_config: Path) -> Spine:
    """Simulate 200 patients at 4 sites, a quarter of them scanned; train, the course as well."""
    folder = tmp_path_factory.mktemp("spine")
    size = ("--patients", 200, "--sites", 4, "--scenario", "optimistic")
    tms_response("simulate", "cohort", *size, cwd=folder)
    trained = tms_response(
        "train", "cohort", "--course", "--config", quick_config, "--out", "run", cwd=folder
    )
    return Spine(folder, folder / "cohort", folder / "run", trained.stdout)


@pytest.fixture(scope="session")
def service(spine: Spine) -> Iterator[Service]:
    """The champion of that run, answering."""
    with served("models:/tms-response@champion", spine.folder) as running:
        yield running


@pytest.fixture(scope="session")
def everybody(spine: Spine) -> list[Patient]:
    """Every patient of the cohort, with the scan of those who have one."""
    return [
        member.patient.model_copy(update={"connectome": read_connectome(paths[0])})
        if (paths := member.connectome_files)
        else member.patient
        for member in read_cohort(spine.cohort).members
    ]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model."""
    folder = tmp_path_factory.mktemp("model")
    tiny_predictor().save(folder)
    return folder
