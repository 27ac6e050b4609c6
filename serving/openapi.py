"""What `/docs.json` says beyond what FastAPI derives: request bodies, refusals, examples."""

from typing import Any, Final

import orjson
from fastapi import FastAPI, Response
from pydantic import BaseModel

from data_schemas.outcome_report import OutcomeReceipt, OutcomeReport
from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody
from serving.access.callers import SCOPES, route_of
from serving.cds_hooks.calls import HookCall
from serving.cds_hooks.feedback import FeedbackBody
from serving.course import landmark_of
from serving.course_requests import add_course_schemas, patient_schema
from serving.fhir.outcome import FHIR_JSON, speaks_fhir
from serving.openapi_examples import (
    EXAMPLE_CONNECTOME,
    EXAMPLE_SUMMARY,
    add_examples,
    example_course,
    example_patient,
)
from serving.predictor import ResponsePredictor
from serving.requests import MAXIMUM_BATCH
from serving.uploads import UploadedQuality
from serving.versions import versioned_paths

_SCHEMAS: Final = "#/components/schemas/{model}"
_REFUSALS: Final = {
    400: "The body is empty or not valid JSON, or no well-formed form.",
    401: "No valid key or token was sent.",
    403: "The key or token lacks the scope; or the service was started without access control and "
    "the request is not from its own machine.",
    404: "There is no such record.",
    408: "The body did not arrive in time.",
    409: "What was asked for cannot be told any more: another model answers now.",
    413: "The body is too large.",
    415: "The body is announced as something else than it may be, or as compressed.",
    422: "A field or parameter is unknown, out of range, or does not fit the model.",
    429: "The caller asks too often; Retry-After says how many seconds to wait.",
    503: "The answer took too long, or the ledger cannot be written: nothing is answered.",
}
_OF_GUARDED_ROUTES: Final = (401, 403, 429, 503)
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, or a token of an accepted issuer; not asked for where the service "
    "was started without access control. The roles named at each route are scopes.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of the refusals of a route, by HTTP status."""
    return {status: {"model": ErrorBody, "description": _REFUSALS[status]} for status in statuses}


def patient_body(predictor: ResponsePredictor) -> dict[str, Any]:
    """Return the request body of a route that takes one patient, alone or with a file."""
    patient = example_patient(predictor.document)
    examples = {
        "clinical": {"summary": "Clinical inputs alone", "value": patient},
        "connectome": {
            "summary": "With a connectome, whose labels here are far too few",
            "value": {**patient, "connectome": EXAMPLE_CONNECTOME.model_dump(mode="json")},
        },
        "connectome_summary": {
            "summary": "With a connectome that was summarised elsewhere",
            "value": {**patient, "connectome_summary": EXAMPLE_SUMMARY.model_dump(mode="json")},
        },
    }
    if predictor.landmarks:
        examples["course"] = {
            "summary": "In the course of treatment",
            "value": {**patient, "course": example_course(landmark_of(predictor.landmarks[0]))},
        }
    schema = patient_schema(predictor)
    content = {
        "application/json": {"schema": schema, "examples": examples},
        "multipart/form-data": _upload(schema),
    }
    return {"requestBody": {"required": True, "content": content}}


def _upload(patient: dict[str, str]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["patient", "connectome"],
        "additionalProperties": False,
        "properties": {
            "patient": patient,
            "connectome": {
                "type": "string",
                "format": "binary",
                "description": "The file of a connectome, such as XCP-D's *_relmat.tsv; at most "
                "20 MB.",
            },
            "quality": {"$ref": _SCHEMAS.format(model=UploadedQuality.__name__)},
        },
    }
    json_part = {"contentType": "application/json"}
    encoding = {
        "patient": json_part,
        "connectome": {"contentType": "application/octet-stream"},
        "quality": json_part,
    }
    return {"schema": schema, "encoding": encoding}


def batch_body(predictor: ResponsePredictor) -> dict[str, Any]:
    """Return the request body of a route that takes a list of patients."""
    patient = patient_schema(predictor)
    schema = {"type": "array", "items": patient, "minItems": 1, "maxItems": MAXIMUM_BATCH}
    example = [example_patient(predictor.document)]
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def complete_openapi(app: FastAPI, predictor: ResponsePredictor) -> None:
    """Complete the application's OpenAPI document, once all its routes are there, and serve it.

    Routes that read their bodies themselves are unknown to FastAPI, so their schemas are added
    here; then every field gets an example, and every path its alias under `/v1`.
    """
    document = app.openapi()
    schemas = document["components"]["schemas"]
    for model in (Patient, UploadedQuality, HookCall, FeedbackBody):
        _add_schema(schemas, model)
    if OutcomeReceipt.__name__ in schemas:  # outcomes are taken where a ledger is kept
        _add_schema(schemas, OutcomeReport)
    add_course_schemas(schemas, predictor)
    add_examples(schemas, predictor)
    _add_access(document)
    document["paths"] = versioned_paths(document["paths"])
    # FastAPI would write its 100 kB anew for everybody who asks, with or without a key.
    content = orjson.dumps(document)

    @app.get("/docs.json", include_in_schema=False)
    async def docs() -> Response:
        """Return the document."""
        return Response(content, media_type="application/json")


def _add_access(document: dict[str, Any]) -> None:
    """Say what holds for all routes: which scope each needs, and what is turned away."""
    document["components"]["securitySchemes"] = {"bearer": _BEARER}
    for path, operations in document["paths"].items():
        _, need = route_of(path)
        for method, operation in operations.items():
            operation["security"] = [{"bearer": [need] if need in SCOPES else []}]
            guarded = (*_OF_GUARDED_ROUTES, *((408,) if method == "post" else ()))
            if need == "open":
                operation["security"], guarded = [], ()
            kind, content = _refusal_content(path)
            for status in (422, *guarded):
                refused = {"description": _REFUSALS[status], "content": {kind: content}}
                operation["responses"].setdefault(str(status), refused)


def _refusal_content(path: str) -> tuple[str, dict[str, Any]]:
    if speaks_fhir(path):
        return FHIR_JSON, {"schema": {"type": "object", "title": "OperationOutcome"}}
    return "application/json", {"schema": {"$ref": _SCHEMAS.format(model=ErrorBody.__name__)}}


def _add_schema(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    schema = model.model_json_schema(ref_template=_SCHEMAS)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
