"""What `/docs.json` says beyond what FastAPI derives: request bodies, refusals, examples."""

from typing import Any

from fastapi import FastAPI

from data_schemas.instruments import get_instrument
from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody
from serving.model_document import ModelDocument
from serving.requests import MAXIMUM_BATCH

_PATIENT = {"$ref": "#/components/schemas/Patient"}
_REFUSALS = {
    400: "The body is empty or not valid JSON.",
    404: "There is no such record.",
    413: "The body is too large.",
    415: "The body is announced as something else than application/json, or as compressed.",
    422: "A field is unknown, out of range, or does not fit the model.",
    503: "The ledger cannot be written, so that nothing is answered.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of the refusals of a route, by HTTP status."""
    return {status: {"model": ErrorBody, "description": _REFUSALS[status]} for status in statuses}


def patient_body(document: ModelDocument) -> dict[str, Any]:
    """Return the request body of a route that takes one patient."""
    return _body(_PATIENT, example_patient(document))


def batch_body(document: ModelDocument) -> dict[str, Any]:
    """Return the request body of a route that takes a list of patients."""
    schema = {"type": "array", "items": _PATIENT, "minItems": 1, "maxItems": MAXIMUM_BATCH}
    return _body(schema, [example_patient(document)])


def _body(schema: dict[str, Any], example: object) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def example_patient(document: ModelDocument) -> dict[str, Any]:
    """Return a made-up patient whom the model accepts, as JSON content."""
    depression = document.depression_instrument or document.outcome.instrument
    anxiety = document.anxiety_instrument or "GAD-7"
    example = Patient(
        age_years=45,
        sex="female",
        episode_duration_months=14,
        failed_trials=3,
        depression_instrument=depression,
        depression_total=_two_thirds_of_range(depression),
        anxiety_instrument=anxiety,
        anxiety_total=_two_thirds_of_range(anxiety),
        benzodiazepine=False,
        target="left_dlpfc",
        protocol="itbs",
        sessions_planned=30,
    )
    return example.model_dump(mode="json", exclude_defaults=True)


def _two_thirds_of_range(instrument: str) -> int:
    scale = get_instrument(instrument)
    return scale.minimum + 2 * (scale.maximum - scale.minimum) // 3


def describe_patients(app: FastAPI) -> None:
    """Add the schema of Patient to the application's OpenAPI document.

    The routes read their bodies themselves, so that FastAPI does not know of it.
    """
    patient = Patient.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = app.openapi()["components"]["schemas"]
    schemas.update(patient.pop("$defs", {}))
    schemas["Patient"] = patient
