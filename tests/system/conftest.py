"""One small cohort, simulated, trained on and served, as a user would; and the real cohorts."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from fresh_process import QUICK_CONFIG, Service, Spine, served, tms_response
from tracked_runs import tiny_predictor

from data_schemas.patient import Patient
from features.readers import read_connectome
from training.cohort.read import read_cohort
from training.config import load_config
from training.dataset import build_table
from training.engine.engines import LocalEngine
from training.report.build import build_report
from training.run import make_run, write_run
from training.workshop import Workshop

ROOT: Final = Path(__file__).parents[2]
OCD: Final = ROOT / "examples" / "ocd-ctbs-2023"
BLUES: Final = ROOT / "examples" / "beat-the-blues"
_BESIDE: Final = ROOT.parent / "shared" / "data" / "ocd-ctbs-2023"
OCD_DATA: Final = Path(os.environ.get("TMS_RESPONSE_OCD_DATA", _BESIDE))


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


@pytest.fixture(scope="session")
def ocd_run(spine: Spine, quick_config: Path) -> Spine:
    """Train on the active arm of the OCD trial, where its data is at hand."""
    return _trained("ocd", spine, quick_config, OCD, "--data", _ocd_data())


@pytest.fixture(scope="session")
def pooled_run(spine: Spine, quick_config: Path) -> Spine:
    """Train on both arms of the OCD trial."""
    return _trained("pooled", spine, quick_config, OCD / "pooled.toml", "--data", _ocd_data())


@pytest.fixture(scope="session")
def blues_run(tmp_path_factory: pytest.TempPathFactory, quick_config: Path) -> Spine:
    """Train on Beat the Blues, where its table was fetched; untracked, and in this process."""
    if not (BLUES / "data" / "BtheB.csv").is_file():
        pytest.skip("Beat the Blues is not here; examples/beat-the-blues/fetch.py gets it")
    folder = tmp_path_factory.mktemp("blues")
    config, cohort = load_config(quick_config), read_cohort(BLUES)
    table = build_table(cohort, config)
    workshop = Workshop(config, LocalEngine(), None, lambda _stage, _done, _total: None)
    write_run(folder, cohort, table, make_run(cohort, table, None, workshop), config)
    build_report(folder)
    return Spine(folder, BLUES, folder, "")


def _ocd_data() -> Path:
    if not OCD_DATA.is_dir():
        pytest.skip("the OCD data is not here; TMS_RESPONSE_OCD_DATA can name its folder")
    return OCD_DATA


def _trained(name: str, spine: Spine, config: Path, cohort: Path, *more: object) -> Spine:
    options = (*more, "--config", config, "--out", name)
    said = tms_response("train", cohort, *options, cwd=spine.folder).stdout
    return Spine(spine.folder, cohort, spine.folder / name, said)
