"""`/docs.json` is complete: every reference resolves, and its examples are answered."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from served_models import ask

from data_schemas.patient import Patient
from serving.app import create_app
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor) -> FastAPI:
    return create_app(predictor)


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    content: dict[str, Any] = ask(app, "GET", "/docs.json").json()
    return content


def references(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(content, list):
        for value in content:
            yield from references(value)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    found = set(references(document))
    assert found <= known
    assert "#/components/schemas/Connectome" in found


def test_every_field_of_a_patient_is_described(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["Patient"]["properties"]
    assert set(properties) == set(Patient.model_fields)
    assert all(each.get("description") for each in properties.values())


@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_examples_are_answered(app: FastAPI, document: dict[str, Any], path: str) -> None:
    operation = document["paths"][path]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    answer = ask(app, "POST", path, record=example).json()
    [first] = answer if isinstance(answer, list) else [answer]
    assert first["prediction_id"]
    assert {"200", "400", "413", "415", "422"} <= set(operation["responses"])


def test_only_the_documented_routes_exist(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {
        "/predict", "/predict_batch", "/model", "/fhir/risk-assessment", "/cds-services",
        "/cds-services/{service_id}", "/cds-services/{service_id}/feedback",
    }  # fmt: skip
