"""`/docs.json` is complete: every reference resolves, and its examples are answered."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from ehr_sandbox import EhrSandbox
from fhir_bundles import usual
from jsonschema_rs import Draft202012Validator
from ledgers import KEYS
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.patient import Patient
from serving.app import create_app
from serving.ledger.ledger import Ledger
from serving.openapi_examples import example_patient
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor) -> ASGIApp:
    return create_app(predictor)


@pytest.fixture(scope="module")
def document(app: ASGIApp) -> dict[str, Any]:
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


@pytest.mark.parametrize(
    ("path", "method", "scopes"),
    [
        ("/predict", "post", ["predict"]), ("/v1/predict", "post", ["predict"]),
        ("/fhir/risk-assessment", "post", ["predict"]), ("/model", "get", []),
        ("/cds-services/{service_id}", "post", ["predict"]),
    ],
)  # fmt: skip
def test_every_route_says_whom_it_answers(
    document: dict[str, Any], path: str, method: str, scopes: list[str]
) -> None:
    operation = document["paths"][path][method]
    assert operation["security"] == [{"bearer": scopes}]
    assert {"401", "403", "429", "503"} <= set(operation["responses"])
    assert ("408" in operation["responses"]) == (method == "post")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_an_open_route_asks_for_no_key(document: dict[str, Any]) -> None:
    operation = document["paths"]["/model/card"]["get"]
    assert operation["security"] == []
    assert "401" not in operation["responses"]


def test_every_field_of_a_patient_is_described(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["Patient"]["properties"]
    assert set(properties) == set(Patient.model_fields)
    assert all(each.get("description") for each in properties.values())


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_examples_are_answered(
    app: ASGIApp, document: dict[str, Any], prefix: str, path: str
) -> None:
    operation = document["paths"][prefix + path]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    several = content.get("examples", {"only": {"value": content.get("example")}})
    for example in several.values():
        response = ask(app, "POST", prefix + path, record=example["value"])
        assert response.status_code == 200
        answer = response.json()
        [first] = answer if isinstance(answer, list) else [answer]
        assert first["prediction_id"]
    assert {"200", "400", "408", "413", "415", "422", "429"} <= set(operation["responses"])


def test_an_example_is_given_a_probability(predictor: ResponsePredictor) -> None:
    example = Patient.model_validate(example_patient(predictor.document))
    assert not predictor.predict(example).abstained


def test_an_example_meets_what_the_model_requires(
    altered: Callable[..., ResponsePredictor],
) -> None:
    required = ("moca_total", "lithium", "education_years")
    demanding = altered(required_fields=required)
    record = example_patient(demanding.document)
    assert set(required) <= set(record)
    assert ask(create_app(demanding), "POST", "/predict", record=record).status_code == 200


def test_the_form_names_its_parts(document: dict[str, Any]) -> None:
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    parts = content["multipart/form-data"]["schema"]["properties"]
    assert set(parts) == {"patient", "connectome", "quality"}
    assert parts["connectome"]["format"] == "binary"


@pytest.fixture(scope="module")
def whole(
    predictor: ResponsePredictor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """With the routes that need a ledger."""
    folder = tmp_path_factory.mktemp("openapi")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", KEYS, folder / "outbox.db")
    yield ask(create_app(predictor, ledger), "GET", "/docs.json").json()
    ledger.close()


def properties(content: object, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of every schema, those within a route among them."""
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(content, dict):
        for field, declared in content.get("properties", {}).items():
            yield f"{where}.{field}", declared
        parts = content.items()
    elif isinstance(content, list):
        parts = enumerate(content)
    for name, part in parts:
        yield from properties(part, f"{where}/{name}")


def test_every_field_has_a_title_and_an_example_that_fits(whole: dict[str, Any]) -> None:
    checked = 0
    for where, declared in properties(whole):
        # Fields of which there is nothing to show but a file, one value, or another schema.
        if declared.get("format") == "binary" or {"const", "$ref"} & set(declared):
            continue
        assert declared.get("title") or declared.get("description"), where
        assert declared.get("examples"), where
        schema = {**declared, "components": whole["components"]}
        for example in declared["examples"]:
            Draft202012Validator(schema).validate(example)
            checked += 1
    assert checked > 150
    assert {"OutcomeReport", "OutcomeReceipt"} <= set(whole["components"]["schemas"])


def test_outcomes_are_shown_sent_and_answered(whole: dict[str, Any]) -> None:
    operation = whole["paths"]["/outcomes"]["post"]
    answers = operation["responses"]
    for body in (operation["requestBody"], answers["200"], answers["201"]):
        shown = body["content"]["application/json"]
        schema = {**shown["schema"], "components": whole["components"]}
        Draft202012Validator(schema).validate(shown["example"])


def test_answers_fit_their_schemas(app: ASGIApp, document: dict[str, Any]) -> None:
    record = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"][
        "examples"
    ]["clinical"]["value"]
    for name, response in (
        ("Prediction", ask(app, "POST", "/predict", record=record)),
        ("ErrorBody", ask(app, "POST", "/predict", record={"age_years": 430})),
        ("ModelCard", ask(app, "GET", "/model")),
    ):
        reference = {"$ref": f"#/components/schemas/{name}"}
        schema = {**reference, "components": document["components"]}
        Draft202012Validator(schema).validate(response.json())


def test_cds_hooks_and_fhir_say_what_they_take_and_answer(
    app: ASGIApp, document: dict[str, Any]
) -> None:
    ehr = EhrSandbox(app, usual())
    services = ehr.discover()
    [card] = ehr.call("tms-response").json()["cards"]
    body = ehr.body(services["tms-response"])
    for name, content in (
        ("ServiceList", {"services": list(services.values())}),
        ("CardList", {"cards": [card]}),
        ("HookCall", body),
        ("Received", ehr.report("tms-response", card["uuid"]).json()),
    ):
        reference = {"$ref": f"#/components/schemas/{name}"}
        schema = {**reference, "components": document["components"]}
        Draft202012Validator(schema).validate(content)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = [operation["responses"][each] for each in ("200", "201")
                       if each in operation["responses"]]  # fmt: skip
            for kind, content in (each for answer in answers for each in answer["content"].items()):
                assert content["schema"], (path, method, kind)
            if method == "post":
                assert all(
                    each["schema"] != {"type": "object"}
                    for each in operation["requestBody"]["content"].values()
                )


def test_every_route_has_an_alias_that_answers_the_same(
    app: ASGIApp, document: dict[str, Any]
) -> None:
    paths = set(document["paths"])
    plain = {path for path in paths if not path.startswith("/v1/")}
    assert plain == {
        "/predict", "/predict_batch", "/model", "/model/card", "/fhir/risk-assessment",
        "/cds-services", "/cds-services/{service_id}", "/cds-services/{service_id}/feedback",
    }  # fmt: skip
    assert paths - plain == {f"/v1{path}" for path in plain}
    operations = [
        operation["operationId"]
        for each in document["paths"].values()
        for operation in each.values()
    ]
    assert len(set(operations)) == len(operations)
    assert ask(app, "GET", "/v1/model").content == ask(app, "GET", "/model").content


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/v1/model", "/v2/model", "/v1model"])
def test_other_versions_do_not_exist(app: ASGIApp, path: str) -> None:
    response = ask(app, "GET", path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
