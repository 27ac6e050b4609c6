"""FHIR resources of one simulated person, for the tests of FHIR and CDS Hooks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from data_schemas.patient import Patient
from serving.fhir.codes import Measure, Total, code_table

Content = dict[str, Any]

LOCAL = "https://tms-response.example/fhir/CodeSystem/measure"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
CPT, ATC = "http://www.ama-assn.org/go/cpt", "http://www.whocc.no/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
PERSON = {"reference": "Patient/simulated-1"}
ITEMS = code_table().totals[0].items
ANSWERS = list(code_table().totals[0].answers)


def concept(system: str, code: str) -> Content:
    return {"coding": [{"system": system, "code": code}]}


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")


def person(**changes: Any) -> Content:
    return {
        "resourceType": "Patient",
        "id": "simulated-1",
        "gender": "female",
        "birthDate": "1980-05-17",
        **changes,
    }


def observation(
    identifier: str, code: str, days: float = 3, system: str = LOINC, **value: Any
) -> Content:
    content = {
        "resourceType": "Observation",
        "id": identifier,
        "status": "final",
        "code": concept(system, code),
        "subject": PERSON,
        "effectiveDateTime": days_ago(days),
        **value,
    }
    return {name: each for name, each in content.items() if each is not None}


def quantity(value: float, unit: str) -> Content:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def phq9(total: int, days: float = 3, identifier: str = "phq9") -> Content:
    return observation(identifier, "44261-6", days, valueQuantity=quantity(total, "{score}"))


def gad7(total: int, days: float = 3) -> Content:
    return observation("gad7", "70274-6", days, valueInteger=total)


def questionnaire(scores: list[int], days: float = 3, **changes: Any) -> Content:
    items = [
        {
            "linkId": f"/{code}",
            "answer": [{"valueCoding": {"system": LOINC, "code": ANSWERS[score]}}],
        }
        for code, score in zip(ITEMS, scores, strict=False)
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "answers",
        "status": "completed",
        "subject": PERSON,
        "authored": days_ago(days),
        "item": items,
        **changes,
    }


def condition(code: str, identifier: str = "depression", **changes: Any) -> Content:
    return {
        "resourceType": "Condition",
        "id": identifier,
        "clinicalStatus": concept(CLINICAL, "active"),
        "verificationStatus": concept(VERIFIED, "confirmed"),
        "code": concept(ICD, code),
        "subject": PERSON,
        "recordedDate": days_ago(200),
        **changes,
    }


def medication(code: str, identifier: str = "drug", system: str = ATC, **changes: Any) -> Content:
    return {
        "resourceType": "MedicationRequest",
        "id": identifier,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept(system, code),
        "subject": PERSON,
        "authoredOn": days_ago(60),
        **changes,
    }


def session(days: float, code: str = "90867", identifier: str = "session") -> Content:
    return {
        "resourceType": "Procedure",
        "id": identifier,
        "status": "completed",
        "code": concept(CPT, code),
        "subject": PERSON,
        "performedDateTime": days_ago(days),
    }


def order(identifier: str = "order", code: str = "90867", **changes: Any) -> Content:
    return {
        "resourceType": "ServiceRequest",
        "id": identifier,
        "status": "draft",
        "intent": "order",
        "code": concept(CPT, code),
        "subject": PERSON,
        **changes,
    }


def bundle(*resources: Content) -> Content:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in resources],
    }


def usual() -> list[Content]:
    """A person of whom most is known."""
    return [
        person(),
        phq9(18),
        gad7(11),
        condition("F33.1"),
        medication("N06AB06"),
        observation("duration", "episode-duration", 10, LOCAL, valueQuantity=quantity(14, "mo")),
        observation("trials", "failed-trials", 200, LOCAL, valueQuantity=quantity(3, "{trials}")),
        observation("bzd", "takes-benzodiazepine", 5, LOCAL, valueBoolean=False),
    ]


# What a Patient holds and no resource says.
NOT_IN_FHIR = {
    "depression_items", "coil_site_mni_mm", "site", "connectome", "connectome_summary", "extra",
}  # fmt: skip


def resources_of(patient: Patient) -> list[Content]:
    """Return the resources that say all of a Patient that FHIR can say."""
    born = {} if patient.age_years is None else {"birthDate": _birthday(patient.age_years)}
    known = {"resourceType": "Patient", "id": "simulated-1", **born}
    if patient.sex is not None:
        known["gender"] = patient.sex
    table = code_table()
    totals = [
        _said(row, getattr(patient, f"{row.domain}_total"))
        for row in table.totals
        if row.instrument == getattr(patient, f"{row.domain}_instrument")
    ]
    measures = [_said(row, getattr(patient, row.field)) for row in table.measures]
    return [known, *(each for each in (*totals, *measures) if each is not None)]


def _birthday(age_years: float) -> str:
    today = datetime.now(UTC).date()
    # The first of a month, so that it exists in every year.
    return today.replace(year=today.year - int(age_years), day=1).isoformat()


def _said(row: Total | Measure, value: Any) -> Content | None:
    if value is None:
        return None
    kind = row.kind if isinstance(row, Measure) else "score"
    if kind == "yes_no":
        said = {"valueBoolean": value}
    elif kind == "choice":
        said = {"valueCodeableConcept": concept(LOCAL, value)}
    else:
        unit = next(iter(row.units)) if isinstance(row, Measure) else "{score}"
        said = {"valueQuantity": quantity(value, unit)}
    code = row.loinc or row.local or ""
    return observation(f"said-{code}", code, 1, LOINC if row.loinc else LOCAL, **said)
