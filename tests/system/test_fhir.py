"""Standard codes end to end: a model of simulated PHQ-9 totals, a Bundle, a RiskAssessment."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir_bundles import bundle, person, questionnaire, resources_of
from fresh_process import Service, Spine, served, tms_response

from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from training.cohort.read import read_cohort

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def folder(spine: Spine, quick_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the same simulated patients, trained on their PHQ-9."""
    folder = tmp_path_factory.mktemp("phq9")
    shutil.copytree(spine.cohort, folder / "cohort", ignore=shutil.ignore_patterns("derivatives"))
    spec = folder / "cohort" / "cohort-phq9.toml"
    # Without the scans: a third of the time.
    spec.write_text(spec.read_text("utf-8").partition("[connectome]")[0], encoding="utf-8")
    tms_response("train", spec, "--config", quick_config, "--out", "run", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with served("run", folder) as running:
        yield running


@pytest.fixture(scope="module")
def everybody(folder: Path) -> list[Patient]:
    cohort = read_cohort(folder / "cohort" / "cohort-phq9.toml")
    hidden = {"site": None, "coil_site_mni_mm": None}
    return [member.patient.model_copy(update=hidden) for member in cohort.members]


def assessed(service: Service, resources: list[dict[str, Any]]) -> dict[str, Any]:
    answer = service.client.post("/fhir/risk-assessment", json=bundle(*resources))
    assert answer.status_code == 200, answer.text
    [prediction] = answer.json()["prediction"]
    return dict(prediction)


def test_a_bundle_is_answered_as_the_patient_it_describes(
    service: Service, everybody: list[Patient]
) -> None:
    seen = set()
    for patient in everybody[:60]:
        record = patient.model_dump_json(exclude_none=True)
        direct = Prediction.model_validate_json(
            service.client.post("/predict", content=record).content
        )
        given = assessed(service, resources_of(patient)).get("probabilityDecimal")
        seen.add(given)
        if direct.response_probability is None:
            assert given is None
        else:
            assert given == pytest.approx(100 * direct.response_probability, abs=1e-4)
    assert len(seen) > 20


def test_nine_answers_count_as_their_total(service: Service, everybody: list[Patient]) -> None:
    patient = next(
        each for each in everybody if each.depression_total == 18 and each.suicidal_ideation
    )
    with_total = resources_of(patient)
    with_answers = [each for each in with_total if each["id"] != "said-44261-6"]
    assert len(with_answers) == len(with_total) - 1
    both = assessed(service, [*with_answers, questionnaire([2] * 9, days=1)])
    assert both == assessed(service, with_total)


def test_no_value_of_a_bundle_is_logged(service: Service) -> None:
    planted = "1931-02-03"
    answer = service.client.post(
        "/fhir/risk-assessment", json=bundle(person(birthDate=planted, gender="Q7-planted"))
    )
    assert answer.status_code == 422 or "prediction" in answer.json()
    log = service.log.read_text("utf-8")
    assert planted not in log
    assert "Q7-planted" not in log
