"""What diagnoses and medication say of a person, by exact codes, and when they say nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fhir_bundles import (
    ATC,
    LOCAL,
    RXNORM,
    concept,
    condition,
    days_ago,
    medication,
    observation,
    person,
)
from fhir_reading import read, reasons, refusal

from serving.fhir.route import FhirReader


@pytest.mark.parametrize(
    ("code", "field", "value"),
    [("F32.2", "psychotic_features", False), ("F33.3", "psychotic_features", True),
     ("F32.1", "recurrent", False), ("F33.41", "recurrent", True)],
)  # fmt: skip
def test_diagnoses(reader: FhirReader, code: str, field: str, value: bool) -> None:
    assert getattr(read(reader, person(), condition(code)).patient, field) is value


@pytest.mark.parametrize("code", ["F33", "F33.99", "F32.A", "F3"])
def test_codes_are_not_matched_by_their_beginning(reader: FhirReader, code: str) -> None:
    assert read(reader, person(), condition(code)).patient.polarity is None


@pytest.mark.parametrize(
    "changes",
    [
        {"clinicalStatus": concept("c", "resolved")},
        {"clinicalStatus": concept("c", "remission")},
        {"verificationStatus": concept("v", "refuted")},
        {"verificationStatus": concept("v", "entered-in-error")},
        {"verificationStatus": concept("v", "provisional")},
    ],
)
def test_only_active_confirmed_diagnoses_count(reader: FhirReader, changes: dict[str, Any]) -> None:
    reading = read(reader, person(), condition("F33.1", **changes))
    assert reading.patient.polarity is None
    assert reasons(reading) == {"Condition/depression": "not an active, confirmed diagnosis"}


def test_diagnoses_that_disagree_leave_a_field_unknown(reader: FhirReader) -> None:
    reading = read(reader, person(), condition("F32.1", "one"), condition("F33.1", "two"))
    assert reading.patient.polarity == "unipolar"
    assert reading.patient.recurrent is None
    assert "disagree on recurrent" in reasons(reading)["Condition/one"]


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("N05BA06", {"benzodiazepine"}), ("N05CD08", {"benzodiazepine"}),
        ("N05AN01", {"lithium"}), ("N05AH04", {"antipsychotic"}), ("N06AX12", {"bupropion"}),
        ("N06AX21", {"snri"}), ("N06AX11", set()), ("N05AN", {"lithium"}), ("N05BA0", set()),
        ("N05BAXXXX", set()), ("N03AE01", {"benzodiazepine"}), ("N03AX09", {"anticonvulsant"}),
    ],
)  # fmt: skip
def test_medication_by_class(reader: FhirReader, code: str, fields: set[str]) -> None:
    patient = read(reader, person(), medication(code)).patient
    taken = {name for name, value in patient if value is True}
    assert taken == fields


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("6448", {"lithium"}), ("2598", {"benzodiazepine"}), ("51272", {"antipsychotic"}),
        ("28439", {"anticonvulsant"}), ("6901", {"stimulant"}), ("42347", {"bupropion"}),
        ("36437", {"ssri"}), ("39786", {"snri"}), ("704", {"tricyclic"}),
        # A salt, a tablet, mirtazapine; codes of another system's digits.
        ("42351", set()), ("312938", set()), ("15996", set()), ("N06AB06", set()), ("70", set()),
    ],
)  # fmt: skip
def test_medication_by_ingredient(reader: FhirReader, code: str, fields: set[str]) -> None:
    patient = read(reader, person(), medication(code, system=RXNORM)).patient
    assert {name for name, value in patient if value is True} == fields


def test_one_medication_may_be_coded_twice(reader: FhirReader) -> None:
    both = {"coding": [*concept(RXNORM, "36437")["coding"], *concept(ATC, "N06AB06")["coding"]]}
    reading = read(reader, person(), medication("", medicationCodeableConcept=both))
    assert reading.patient.ssri is True


@pytest.mark.parametrize(
    "changes",
    [{"status": "stopped"}, {"status": "entered-in-error"}, {"doNotPerform": True},
     {"authoredOn": "2999-01-01"}],
)  # fmt: skip
def test_only_active_medication_counts(reader: FhirReader, changes: dict[str, Any]) -> None:
    assert read(reader, person(), medication("N06AB06", **changes)).patient.ssri is None


def test_a_statement_may_refer_to_a_medication(reader: FhirReader) -> None:
    drug = {
        "resourceType": "Medication",
        "id": "m",
        "code": concept("http://www.whocc.no/atc", "N06AB06"),
    }
    statement = {
        "resourceType": "MedicationStatement", "id": "s", "status": "active",
        "subject": {"reference": "Patient/simulated-1"},
        "medicationReference": {"reference": "Medication/m"},
        "effectivePeriod": {"start": days_ago(40)},
    }  # fmt: skip
    assert read(reader, person(), drug, statement).patient.ssri is True
    ended = {**statement, "effectivePeriod": {"start": days_ago(40), "end": days_ago(4)}}
    assert read(reader, person(), drug, ended).patient.ssri is None
    inside = {
        **statement,
        "contained": [{**drug, "id": "in"}],
        "medicationReference": {"reference": "#in"},
    }
    assert read(reader, person(), inside).patient.ssri is True


def test_a_prescription_against_a_denial_is_refused(reader: FhirReader) -> None:
    denial = observation("bzd", "takes-benzodiazepine", 0, LOCAL, valueBoolean=False)
    denial["effectiveDateTime"] = datetime.now(UTC).date().isoformat()
    assert refusal(reader, person(), denial, medication("N05BA06")).code == "conflict"
