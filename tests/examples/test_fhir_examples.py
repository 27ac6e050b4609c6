"""The FHIR examples are valid R4, are read, and agree with what the service says today."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fhir.resources.R4B import get_fhir_model_class
from r4_elements import broken_invariants, foreign_elements
from served_models import SITES, fit_predictor, random_patient

from serving.fhir.codes import code_table
from serving.fhir.outcome import operation_outcome
from serving.fhir.reading import Reading, read_patient
from serving.fhir.resources import bundle_resources
from serving.fhir.route import FhirReader
from serving.fhir.settings import FhirSettings
from serving.fhir.writing import risk_assessment
from serving.model_document import LandmarkDocument
from serving.requests import RequestError

FOLDER = Path(__file__).parents[2] / "examples" / "fhir"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
NOW = datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
SETTINGS = FhirSettings()


@pytest.fixture(scope="module")
def reader() -> FhirReader:
    rng = np.random.default_rng(11)
    patients = [random_patient(rng, SITES[number % 2]) for number in range(120)]
    return FhirReader(fit_predictor(patients), SETTINGS)


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return content


def read(reader: FhirReader, name: str) -> Reading:
    return reader.read(bundle_resources(example(name)), NOW)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_survives_a_round_trip(name: str) -> None:
    content = example(name)
    model = get_fhir_model_class(content["resourceType"])
    again = json.loads(model.model_validate(content).model_dump_json())
    assert again == content
    if content["resourceType"] in {"RiskAssessment", "OperationOutcome"}:
        assert foreign_elements(content) == []
        assert broken_invariants(content) == []


def test_the_readme_names_every_bundle_and_answer() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    unnamed = [name for name in NAMES if name[0].islower() and f"`{name}.json`" not in text]
    assert unnamed == []


def test_the_readme_says_which_model_answers_which_bundle(reader: FhirReader) -> None:
    """The model here is one of the PHQ-9."""
    rows = [row.split("|") for row in (FOLDER / "README.md").read_text("utf-8").splitlines()]
    named = {
        row[1].split("`")[1].removesuffix(".json"): row[2].strip()
        for row in rows
        if len(row) == 5 and "`bundle-" in row[1]
    }
    assert named.keys() == {name for name in NAMES if name.startswith("bundle-")}
    for name, model in named.items():
        if model != "any":
            reading = read(reader, name)
            assert reading.patient.depression_instrument == model
            with contextlib.nullcontext() if model == "PHQ-9" else pytest.raises(RequestError):
                reader.predict(reading)


def test_total_and_answers_describe_the_same_person(reader: FhirReader) -> None:
    total, answers = read(reader, "bundle-phq9-total"), read(reader, "bundle-phq9-answers")
    assert total.patient.depression_total == answers.patient.depression_total == 18
    hidden = {"suicidal_ideation": None}
    assert total.patient.model_copy(update=hidden) == answers.patient.model_copy(update=hidden)
    assert answers.patient.suicidal_ideation is True
    assert "Observation/phq9-earlier" not in total.basis
    assert str(total.index.day) == "2026-03-16"


def test_a_local_code_is_read(reader: FhirReader) -> None:
    patient = read(reader, "bundle-hdrs17-local-code").patient
    assert (patient.depression_instrument, patient.depression_total) == ("HDRS-17", 22)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("bundle-phq9-total", "risk-assessment"),
        ("bundle-too-little-known", "risk-assessment-abstained"),
    ],
)
def test_the_answers_shown_have_todays_form(reader: FhirReader, sent: str, shown: str) -> None:
    reading = read(reader, sent)
    today = risk_assessment(reader.predict(reading).prediction, reading, SETTINGS, NOW)
    then = example(shown)
    assert set(keys(today)) == set(keys(then))
    for same in ("basis", "subject", "status", "occurrenceDateTime"):
        assert today.get(same) == then.get(same)


def keys(content: object, path: str = "") -> Iterator[str]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield f"{path}.{name}"
            yield from keys(value, f"{path}.{name}")
    elif isinstance(content, list):
        for value in content:
            yield from keys(value, path)


def test_the_patient_in_mid_course_is_asked_about_with_the_scores(reader: FhirReader) -> None:
    resources = bundle_resources(example("bundle-mid-course"))
    later = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
    landmark = LandmarkDocument(week=1, instrument="HDRS-17", sessions_a_week=5)
    reading = read_patient(
        resources, reader.document, reader.codes, SETTINGS, now=later, landmark=landmark
    )
    assert reading.course is not None
    assert [(visit.day, visit.score) for visit in reading.course.visits] == [(7, 18), (15, 13)]
    before = read(reader, "bundle-hdrs17-local-code").patient
    assert reading.patient == before
    unread = {"Observation/hdrs-week-1", "Observation/hdrs-week-2"}
    without = reader.read(resources, later)
    assert without.course is None
    assert {each.reference for each in without.unused} == unread


def test_the_refusal_shown_is_todays(reader: FhirReader) -> None:
    with pytest.raises(RequestError) as caught:
        read(reader, "bundle-wrong-unit")
    assert operation_outcome(caught.value, SETTINGS) == example("operation-outcome")


def test_the_code_system_holds_every_local_code() -> None:
    concepts = {each["code"] for each in example("CodeSystem-measure")["concept"]}
    table = code_table()
    values = {value for row in table.measures for value in row.values}
    assert concepts == set(table.local_codes()) | values
    assert example("CodeSystem-measure")["url"] == SETTINGS.code_system("measure")


@pytest.mark.parametrize("name", ["stability-interval", "base-rate", "abstention-reason"])
def test_every_extension_is_defined(name: str) -> None:
    definition = example(f"StructureDefinition-{name}")
    assert definition["url"] == SETTINGS.extension(name)
    assert definition["fhirVersion"] == "4.0.1"
    used = [
        each["url"]
        for shown in ("risk-assessment", "risk-assessment-abstained")
        for each in example(shown)["prediction"][0]["extension"]
    ]
    assert definition["url"] in used
