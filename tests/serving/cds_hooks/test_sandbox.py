"""A scripted EHR plays discovery, prefetch, call and feedback."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ehr_sandbox import EhrSandbox
from fastapi import Depends, FastAPI, Request, Response
from fhir_bundles import (
    LOCAL,
    bundle,
    gad7,
    observation,
    order,
    person,
    phq9,
    questionnaire,
    session,
    usual,
)
from ledgers import KEYS, rows_of
from served_models import ask

from data_schemas.prediction import ErrorBody, Prediction
from serving.app import create_app
from serving.cds_hooks.feedback import MemoryFeedbackStore
from serving.cds_hooks.route import add_cds_hooks
from serving.failures import add_error_handlers
from serving.fhir.route import FhirReader
from serving.fhir.settings import FhirSettings
from serving.ledger.database import Database
from serving.ledger.entries import Asked
from serving.ledger.ledger import Ledger
from serving.ledger.retention import delete_patient
from serving.ledger.tables import feedback
from serving.predictor import ResponsePredictor
from serving.recording import Answer, Recorder
from serving.requests import RequestError

PREDICTION, INPUTS, ORDER = "tms-response", "tms-response-inputs", "tms-response-order"
PLANTED = 7731


@pytest.fixture(scope="module")
def store() -> MemoryFeedbackStore:
    return MemoryFeedbackStore()


@pytest.fixture(scope="module")
def answered() -> list[Prediction]:
    return []


@pytest.fixture(scope="module")
def app(
    predictor: ResponsePredictor, store: MemoryFeedbackStore, answered: list[Prediction]
) -> FastAPI:
    class Noting(Recorder):
        async def recorded(
            self, request: Request, asked: Asked, body: bytes, answer: Answer
        ) -> Response:
            answered.extend(each.prediction for each in answer.predicted)
            return await super().recorded(request, asked, body, answer)

    app = FastAPI()
    add_error_handlers(app)
    add_cds_hooks(app, FhirReader(predictor, FhirSettings()), Noting(None), store)
    return app


@pytest.fixture
def ehr(app: FastAPI) -> EhrSandbox:
    return EhrSandbox(app, usual())


def empty_places(content: Any, path: str = "") -> list[str]:
    """Return where an optional attribute is there without a value."""
    if content in (None, "", [], {}):
        return [path]
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    if not isinstance(content, dict | list):
        return []
    return [place for key, value in pairs for place in empty_places(value, f"{path}/{key}")]


def refused(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert ErrorBody.model_validate_json(response.content).error.code == code
    assert str(PLANTED) not in response.text
    assert "planted-token" not in response.text


def test_discovery(ehr: EhrSandbox) -> None:
    services = ehr.discover()
    hooks = [each["hook"] for each in services.values()]
    assert {each["hook"] for each in services.values()} == {"patient-view", "order-select"}
    assert hooks.count("patient-view") == 2
    assert all(each["description"] and each["title"] for each in services.values())
    assert empty_places(list(services.values())) == []


@pytest.mark.parametrize("identifier", [PREDICTION, ORDER])
def test_a_card_says_what_a_reader_must_know(
    ehr: EhrSandbox, answered: list[Prediction], predictor: ResponsePredictor, identifier: str
) -> None:
    more = {"selections": ["ServiceRequest/order"], "draftOrders": drafts(order())}
    response = ehr.call(identifier, **(more if identifier == ORDER else {}))
    assert response.status_code == 200
    assert empty_places(response.json()) == []
    [card] = response.json()["cards"]
    prediction = answered[-1]
    assert card["uuid"] == prediction.prediction_id
    assert card["indicator"] == "info"
    assert len(card["summary"]) < 140
    assert card["source"] == {"label": "tms-response (research use only)"}
    assert prediction.response_probability is not None
    assert prediction.interval is not None
    assert f"{100 * prediction.response_probability:.0f} %" in card["summary"]
    detail = card["detail"]
    for wanted in (
        f"{100 * prediction.response_probability:.0f} %", f"{100 * prediction.base_rate:.0f} %",
        f"{100 * prediction.interval.lower:.0f} %", prediction.outcome.definition,
        prediction.contributions[0].label, "does not indicate withholding TMS",
        predictor.identity.version, "Observation/phq9", phq9(18)["effectiveDateTime"][:10],
        *(notice.message for notice in prediction.notices),
    ):  # fmt: skip
        assert wanted in detail, wanted


def test_two_services_on_one_hook_are_kept_apart(
    ehr: EhrSandbox, answered: list[Prediction]
) -> None:
    before = len(answered)
    [inputs] = ehr.call(INPUTS).json()["cards"]
    assert len(answered) == before, "nothing is predicted for a card of inputs"
    [prediction] = ehr.call(PREDICTION).json()["cards"]
    assert "clinical inputs are in the record" in inputs["summary"]
    assert "probability" not in inputs["summary"] + inputs["detail"].partition("Model")[0]
    assert "probability of response" in prediction["summary"]
    assert "Missing" in inputs["detail"]
    assert empty_places(inputs) == []


def drafts(*orders: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in orders],
    }


@pytest.mark.parametrize(
    ("selections", "orders"),
    [
        (["ServiceRequest/scan"], [order("scan", "70551")]),
        (["ServiceRequest/scan"], [order("scan", "70551"), order()]),
        (["MedicationRequest/order"], [order()]),
        (["ServiceRequest/order"], [order(status="revoked")]),
        ([], [order()]),
    ],
)
def test_other_orders_get_no_card(
    ehr: EhrSandbox, selections: list[str], orders: list[dict[str, Any]]
) -> None:
    response = ehr.call(ORDER, selections=selections, draftOrders=drafts(*orders))
    assert (response.status_code, response.json()) == (200, {"cards": []})


def test_an_abstention_is_a_card_without_a_probability(app: FastAPI) -> None:
    ehr = EhrSandbox(app, [person(gender="unknown", birthDate="1980"), phq9(18)])
    [card] = ehr.call(PREDICTION).json()["cards"]
    assert "declines" in card["summary"]
    assert "Estimated probability" not in card["detail"]


def test_suicidal_ideation_comes_first(app: FastAPI) -> None:
    others = [each for each in usual() if each["id"] != "phq9"]
    ehr = EhrSandbox(app, [*others, questionnaire([2] * 9)])
    [card] = ehr.call(PREDICTION).json()["cards"]
    assert card["detail"].startswith("**Suicidal ideation")


@pytest.mark.parametrize(
    "resources",
    [
        [person(), gad7(11)],
        [person(), phq9(18, 60)],
        [person(), phq9(18, 3), session(30)],
        [person(), observation("h", "hdrs-17-total", 1, LOCAL, valueInteger=24)],
    ],
)
def test_missing_data_are_412(app: FastAPI, resources: list[dict[str, Any]]) -> None:
    refused(EhrSandbox(app, resources).call(PREDICTION), 412, "data_missing")


@pytest.mark.parametrize(
    "prefetch", [None, {}, {"patient": None}, {"patient": {"resourceType": "OperationOutcome"}}]
)
def test_an_unsatisfied_prefetch_is_412(ehr: EhrSandbox, prefetch: Any) -> None:
    body = ehr.body(ehr.discover()[PREDICTION])
    body["prefetch"] = prefetch
    refused(ehr.post(PREDICTION, body), 412, "data_missing")


def test_null_and_failed_queries_are_no_data(ehr: EhrSandbox) -> None:
    body = ehr.body(ehr.discover()[PREDICTION])
    body["prefetch"]["conditions"] = None
    body["prefetch"]["sessions"] = {"resourceType": "OperationOutcome", "issue": []}
    del body["prefetch"]["orders"]
    assert ehr.post(PREDICTION, body).status_code == 200


def test_refusals(ehr: EhrSandbox) -> None:
    body = ehr.body(ehr.discover()[PREDICTION])
    refused(ehr.post("nobody", body), 404, "unknown_service")
    refused(ehr.post("nobody/feedback", body), 404, "unknown_service")
    refused(ehr.post(ORDER, body), 400, "wrong_hook")
    refused(ehr.post(PREDICTION, {**body, "hook": "order-select"}), 400, "wrong_hook")
    refused(ehr.post(PREDICTION, {**body, "hookInstance": "7731"}), 400, "invalid_call")
    refused(ehr.post(PREDICTION, {**body, "context": {"patientId": PLANTED}}), 400, "invalid_call")
    refused(ehr.post(PREDICTION, []), 400, "invalid_call")
    refused(ehr.post(ORDER, {**body, "hook": "order-select"}), 400, "invalid_call")
    other = copy.deepcopy(body)
    other["context"]["patientId"] = "somebody-else"
    refused(ehr.post(PREDICTION, other), 400, "other_patient")
    bad = copy.deepcopy(body)
    bad["prefetch"]["observations"]["entry"][0]["resource"]["valueQuantity"]["value"] = PLANTED
    refused(ehr.post(PREDICTION, bad), 422, "invalid_patient")


def test_feedback_is_kept_by_service(
    ehr: EhrSandbox, store: MemoryFeedbackStore, answered: list[Prediction]
) -> None:
    [card] = ehr.call(PREDICTION).json()["cards"]
    assert ehr.report(PREDICTION, card["uuid"]).status_code == 200
    service, kept = store.kept[-1]
    assert (service, kept.card, kept.outcome) == (
        PREDICTION, answered[-1].prediction_id, "overridden",
    )  # fmt: skip
    accepted = {"outcome": "accepted", "acceptedSuggestions": [{"id": "s"}], "overrideReason": None}
    assert ehr.report(INPUTS, "c", **accepted).status_code == 200
    assert store.kept[-1][0] == INPUTS


def test_feedback_lies_in_the_ledger(predictor: ResponsePredictor, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger(url, KEYS, tmp_path / "outbox.db")
    ehr = EhrSandbox(create_app(predictor, ledger), usual())
    [card] = ehr.call(PREDICTION).json()["cards"]
    assert ehr.report(PREDICTION, card["uuid"]).status_code == 200
    ledger.close()
    [predicted], [kept] = rows_of(url), rows_of(url, feedback)
    assert predicted["prediction_id"] == json.loads(kept["content"])["card"]
    assert kept["service"] == PREDICTION


def test_a_deleted_patient_takes_the_feedback_along(
    predictor: ResponsePredictor, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger(url, KEYS, tmp_path / "outbox.db")
    app = create_app(predictor, ledger)
    body = EhrSandbox(app, usual()).body(EhrSandbox(app, usual()).discover()[PREDICTION])
    for patient in ("one", "another"):
        headers = {"patient-id": patient}
        [card] = ask(
            app, "POST", f"/cds-services/{PREDICTION}", record=body, headers=headers
        ).json()["cards"]
        EhrSandbox(app, usual()).report(PREDICTION, card["uuid"])
    ledger.close()
    database = Database(url)
    delete_patient(database, [each.value for each in KEYS.every_pseudonym("one")])
    database.close()
    [predicted], [kept] = rows_of(url), rows_of(url, feedback)
    assert predicted["prediction_id"] == json.loads(kept["content"])["card"]


def test_a_key_of_one_service_does_not_answer_for_another(
    predictor: ResponsePredictor, tmp_path: Path
) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", KEYS, tmp_path / "outbox.db")
    app = create_app(predictor, ledger)
    body = EhrSandbox(app, usual()).body(EhrSandbox(app, usual()).discover()[PREDICTION])
    headers = {"idempotency-key": "once"}
    statuses = [
        ask(app, "POST", f"/cds-services/{service}", record=body, headers=headers).status_code
        for service in (PREDICTION, PREDICTION, INPUTS)
    ]
    ledger.close()
    assert statuses == [200, 200, 422]


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "ignored"},
        {"outcome": "accepted"},
        {"outcomeTimestamp": "2026-01-01T00:00:00"},
        {"outcomeTimestamp": "yesterday"},
        {"outcomeTimestamp": "0001-01-01T00:12:01+03:43"},
        {"outcomeTimestamp": 1767225600},
        {"overrideReason": {"userComment": PLANTED}},
        {"card": ""},
    ],
)
def test_bad_feedback_is_refused_and_not_kept(
    ehr: EhrSandbox, store: MemoryFeedbackStore, changes: dict[str, Any]
) -> None:
    before = list(store.kept)
    refused(ehr.report(PREDICTION, "c", **changes), 400, "invalid_feedback")
    assert list(store.kept) == before


@pytest.mark.parametrize("status", ["final", "cancelled"])
def test_markup_in_a_reference_stays_text(ehr: EhrSandbox, status: str) -> None:
    body = ehr.body(ehr.discover()[PREDICTION])
    for entry in body["prefetch"]["observations"]["entry"]:
        resource = entry["resource"]
        if resource["id"] == "trials":
            entry["resource"] = {**resource, "id": "<b>[x](http://y)|`", "status": status}
    response = ehr.post(PREDICTION, body)
    if response.status_code == 422:
        refused(response, 422, "invalid_fhir")
        return
    detail = response.json()["cards"][0]["detail"]
    assert not set("<>[]`") & set(detail.replace("](", ""))
    assert "](" not in detail


def test_a_dependency_guards_every_route(predictor: ResponsePredictor) -> None:
    def refuse() -> None:
        raise RequestError(401, "unauthorised", "No.")

    guarded = FastAPI()
    add_error_handlers(guarded)
    reader = FhirReader(predictor, FhirSettings())
    add_cds_hooks(guarded, reader, Recorder(None), MemoryFeedbackStore(), [Depends(refuse)])
    for method, path in (
        ("GET", "/cds-services"),
        ("POST", f"/cds-services/{PREDICTION}"),
        ("POST", f"/cds-services/{PREDICTION}/feedback"),
    ):
        assert ask(guarded, method, path, record={}).status_code == 401


def test_a_source_may_have_an_address(predictor: ResponsePredictor) -> None:
    app = FastAPI()
    add_error_handlers(app)
    settings = FhirSettings(source_url="https://clinic.example/tms")
    add_cds_hooks(app, FhirReader(predictor, settings), Recorder(None), MemoryFeedbackStore())
    [card] = EhrSandbox(app, usual()).call(PREDICTION).json()["cards"]
    assert card["source"]["url"] == "https://clinic.example/tms"


def test_the_whole_application_offers_them(predictor: ResponsePredictor) -> None:
    app = create_app(predictor)
    ehr = EhrSandbox(app, usual())
    [card] = ehr.call(PREDICTION).json()["cards"]
    [direct] = ask(app, "POST", "/fhir/risk-assessment", record=bundle(*usual())).json()[
        "prediction"
    ]
    assert f"**Estimated probability: {direct['probabilityDecimal']:.0f} %**" in card["detail"]
    assert ehr.report(PREDICTION, card["uuid"]).status_code == 200
