"""No parameter is ignored: what a path does not have is refused by name, on every path."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from ledgers import KEYS
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody, ErrorField
from serving.app import create_app, create_routes
from serving.ledger.ledger import Ledger
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("query")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", KEYS, folder / "outbox.db")
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor, ledger: Ledger) -> ASGIApp:
    return create_app(predictor, ledger)


@pytest.fixture
def record(complete_patient: Patient) -> dict[str, Any]:
    return complete_patient.model_dump(mode="json", exclude_defaults=True)


def refused_fields(app: ASGIApp, method: str, address: str, record: object) -> list[ErrorField]:
    response = ask(app, method, address, record=record)
    error = ErrorBody.model_validate_json(response.content).error
    assert (response.status_code, error.code) == (422, "invalid_parameter")
    return list(error.fields)


@pytest.mark.parametrize("path", ["/predict", "/v1/predict", "/predict_batch"])
def test_a_misspelt_parameter_is_refused_with_what_was_meant(
    app: ASGIApp, record: dict[str, Any], path: str
) -> None:
    body = [record] if "batch" in path else record
    [field] = refused_fields(app, "POST", f"{path}?explian=false", body)
    assert (field.field, field.allowed) == ("explian", "explain")
    assert field.problem == "is no parameter of this path. Did you mean 'explain'?"


def test_a_parameter_is_sent_once(app: ASGIApp, record: dict[str, Any]) -> None:
    address = "/predict?explain=false&explain=true"
    [field] = refused_fields(app, "POST", address, record)
    assert (field.field, field.problem) == ("explain", "stands more than once")


def test_no_route_ignores_a_parameter(
    app: ASGIApp, predictor: ResponsePredictor, ledger: Ledger, record: dict[str, Any]
) -> None:
    """Those of FHIR say it in FHIR's own way."""
    routes = [r for r in create_routes(predictor, ledger).routes if isinstance(r, APIRoute)]
    assert {"/metrics", "/docs.json", "/", "/outcomes"} <= {route.path for route in routes}
    # Routes of a router may stand wrapped among them; these are asked by name.
    paths = {(method, route.path) for route in routes for method in route.methods or ()}
    paths |= {("GET", "/cds-services"), ("POST", "/cds-services/x/feedback")}
    for method, path in paths:
        [field] = refused_fields(app, method, f"{path}?of_nothing=61.8034", record)
        assert field.field == "of_nothing"
        assert field.problem == "is no parameter of this path."
    response = ask(app, "POST", "/fhir/risk-assessment?of_nothing=61.8034", record=record)
    assert response.status_code == 422
    assert response.json()["issue"][0]["diagnostics"].startswith("of_nothing is no parameter")


def test_nothing_of_its_value_is_answered_and_a_long_query_is_soon_refused(
    app: ASGIApp, record: dict[str, Any]
) -> None:
    query = "&".join(f"patient{number}=61.8034" for number in range(2_000))
    response = ask(app, "POST", f"/predict?{query}", record=record)
    assert "61.8034" not in response.text
    assert len(response.json()["error"]["fields"]) == 50


def test_an_empty_query_is_none(app: ASGIApp, record: dict[str, Any]) -> None:
    assert ask(app, "POST", "/predict?", record=record).status_code == 200
    assert ask(app, "GET", "/model?&").status_code == 200
