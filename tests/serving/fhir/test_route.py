"""`POST /fhir/risk-assessment`: R4 in, R4 out, in percent, and never a value in a refusal."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.riskassessment import RiskAssessment
from fhir_bundles import (
    LOCAL,
    bundle,
    gad7,
    observation,
    person,
    phq9,
    quantity,
    questionnaire,
    usual,
)
from ledgers import KEYS, rows_of
from r4_elements import ISSUE_CODES, R4, broken_invariants, foreign_elements
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.prediction import Prediction
from serving.access.gate import KeyGate
from serving.access.keys import KeyRing
from serving.app import create_app
from serving.failures import add_error_handlers
from serving.fhir.resources import bundle_resources
from serving.fhir.route import FhirReader, add_fhir
from serving.fhir.settings import FhirSettings
from serving.front import Front
from serving.ledger.ledger import Ledger
from serving.predictor import ResponsePredictor
from serving.recording import Recorder
from serving.settings import RATE_VARIABLE

PATH = "/fhir/risk-assessment"
PLANTED = 7731
BASE = "https://tms-response.example/fhir/StructureDefinition"


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor) -> ASGIApp:
    return create_app(predictor)


def post(app: ASGIApp, *resources: dict[str, Any]) -> httpx.Response:
    headers = {"content-type": "application/fhir+json"}
    return ask(app, "POST", PATH, record=bundle(*resources), headers=headers)


def assessment(app: ASGIApp, *resources: dict[str, Any]) -> dict[str, Any]:
    response = post(app, *resources)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/fhir+json"
    content: dict[str, Any] = response.json()
    RiskAssessment.model_validate(content)
    assert foreign_elements(content) == []
    assert broken_invariants(content) == []
    return content


def outcome(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/fhir+json"
    content: dict[str, Any] = response.json()
    OperationOutcome.model_validate(content)
    assert foreign_elements(content) == []
    assert {issue["code"] for issue in content["issue"]} <= ISSUE_CODES
    assert {issue["severity"] for issue in content["issue"]} == {"error"}
    assert str(PLANTED) not in response.text
    return content


def extensions(content: dict[str, Any]) -> dict[str, Any]:
    return {
        each["url"].removeprefix(f"{BASE}/"): each for each in content["prediction"][0]["extension"]
    }


def test_the_answer_is_that_of_predict_in_percent(
    app: ASGIApp, predictor: ResponsePredictor
) -> None:
    content = assessment(app, *usual())
    fields = {
        "age_years", "sex", "polarity", "recurrent", "episode_duration_months", "failed_trials",
        "depression_instrument", "depression_total", "anxiety_instrument", "anxiety_total",
        "benzodiazepine", "ssri",
    }  # fmt: skip
    reader = FhirReader(predictor, FhirSettings())
    reading = reader.read(bundle_resources(bundle(*usual())), datetime.now(UTC))
    record = reading.patient.model_dump(mode="json", exclude_defaults=True)
    assert set(record) == fields
    direct = Prediction.model_validate(ask(app, "POST", "/predict", record=record).json())
    assert direct.response_probability is not None
    assert direct.interval is not None
    [given] = content["prediction"]
    assert given["probabilityDecimal"] == pytest.approx(100 * direct.response_probability, abs=1e-4)
    assert given["probabilityDecimal"] > 1
    interval = {
        each["url"]: each for each in extensions(content)["stability-interval"]["extension"]
    }
    assert interval["lower"]["valueDecimal"] == pytest.approx(100 * direct.interval.lower, abs=1e-4)
    assert interval["upper"]["valueDecimal"] == pytest.approx(100 * direct.interval.upper, abs=1e-4)
    assert extensions(content)["base-rate"]["valueDecimal"] == pytest.approx(
        100 * direct.base_rate, abs=1e-4
    )
    assert direct.contributions[0].label in given["rationale"]


def test_who_what_and_on_what_it_rests(app: ASGIApp, predictor: ResponsePredictor) -> None:
    content = assessment(app, *usual())
    assert content["status"] == "final"
    assert content["subject"] == {"reference": "Patient/simulated-1"}
    [coding] = content["method"]["coding"]
    assert (coding["code"], coding["version"]) == (
        predictor.identity.name, predictor.identity.version,
    )  # fmt: skip
    [device] = content["contained"]
    assert content["performer"] == {"reference": f"#{device['id']}"}
    assert device["resourceType"] == "Device"
    basis = {each["reference"] for each in content["basis"]}
    kinds = {"Observation", "Condition", "MedicationRequest"}
    sent = {f"{each['resourceType']}/{each['id']}" for each in usual()}
    assert basis == {reference for reference in sent if reference.split("/")[0] in kinds}
    notes = " ".join(each["text"] for each in content["note"])
    assert "not a medical device" in notes
    assert "withheld" in notes
    assert "Index date" in notes


def test_an_abstention_has_a_coded_reason_and_no_probability(app: ASGIApp) -> None:
    content = assessment(app, person(gender="unknown", birthDate="1980"), phq9(18))
    [given] = content["prediction"]
    assert "probabilityDecimal" not in given
    assert "stability-interval" not in extensions(content)
    [coding] = extensions(content)["abstention-reason"]["valueCodeableConcept"]["coding"]
    assert coding["code"] == "too_much_missing"


def test_what_was_not_used_is_named_with_its_reason(app: ASGIApp) -> None:
    resources = [
        *usual(),
        phq9(5, 90, "stale"),
        {**phq9(5, 1, "wrong"), "status": "entered-in-error"},
    ]
    notes = " ".join(each["text"] for each in assessment(app, *resources)["note"])
    assert "Observation/stale" in notes
    assert "28 days" in notes
    assert "Observation/wrong" in notes


def test_suicidal_ideation_is_shown_and_withholds_nothing(app: ASGIApp) -> None:
    answers = questionnaire([2] * 9)
    others = [each for each in usual() if each["id"] != "phq9"]
    content = assessment(app, *others, answers)
    assert "Suicidal ideation" in content["note"][0]["text"]
    assert "probabilityDecimal" in content["prediction"][0]


HAMILTON = observation("h", "hdrs-17-total", 1, LOCAL, valueInteger=24)
IN_GRAMS = observation("b", "39156-5", 1, valueQuantity=quantity(PLANTED, "g"))


@pytest.mark.parametrize(
    ("resources", "code"),
    [
        ([phq9(18)], "not_one_patient"),
        ([person(), phq9(PLANTED)], "invalid_patient"),
        ([person(), gad7(11)], "missing_required"),
        ([person(), questionnaire([1] * 7)], "incomplete_items"),
        (
            [person(), observation("h", "hdrs-17-total", 1, LOCAL, valueInteger=24)],
            "wrong_instrument",
        ),
        (
            [person(), observation("b", "39156-5", 1, valueQuantity=quantity(PLANTED, "g"))],
            "wrong_unit",
        ),
        ([person(), {**phq9(1), "extra": PLANTED}], "invalid_fhir"),
        ([person(), {**phq9(PLANTED), "dataAbsentReason": {"text": "error"}}], "invalid_fhir"),
    ],
)
def test_refusals_are_coded_and_placed(
    app: ASGIApp, resources: list[dict[str, Any]], code: str
) -> None:
    content = outcome(post(app, *resources), 422)
    assert {issue["details"]["coding"][0]["code"] for issue in content["issue"]} == {code}
    assert all(issue["diagnostics"] for issue in content["issue"])
    if code in {"invalid_patient", "wrong_unit", "invalid_fhir"}:
        assert content["issue"][0]["expression"][0].startswith("Bundle.entry[1].resource")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/fhir+json", 400),
        (b"{", "application/json", 400),
        (b'{"a":1,"a":2}', "application/json", 400),
        (b"<Bundle/>", "application/fhir+xml", 415),
        (b"[]", "application/fhir+json; charset=utf-8", 422),
    ],
)
def test_bad_bodies_are_outcomes_too(app: ASGIApp, body: bytes, kind: str, status: int) -> None:
    outcome(ask(app, "POST", PATH, content=body, headers={"content-type": kind}), status)


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [("GET", PATH, 405, "not-supported"), ("GET", "/fhir/Patient/1", 404, "not-found")],
)
def test_what_is_not_there_is_an_outcome_too(
    app: ASGIApp, prefix: str, method: str, path: str, status: int, kind: str
) -> None:
    [issue] = outcome(ask(app, method, prefix + path), status)["issue"]
    assert issue["code"] == kind


def test_who_is_refused_before_the_route_gets_an_outcome_too(
    app: ASGIApp, predictor: ResponsePredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = Front(app, KeyGate(KeyRing(tmp_path / "keys.jsonl")))
    response = ask(front, "POST", "/v1" + PATH, record={})
    assert outcome(response, 401)["issue"][0]["code"] == "login"
    assert response.headers["www-authenticate"] == "Bearer"
    monkeypatch.setenv(RATE_VARIABLE, "1")
    limited = create_app(predictor)
    ask(limited, "GET", "/model")
    assert outcome(ask(limited, "POST", PATH, record={}), 429)["issue"][0]["code"] == "throttled"


def test_our_own_fault_is_an_outcome_without_what_was_sent() -> None:
    app = FastAPI()
    add_error_handlers(app)

    @app.post(PATH)
    def fail() -> None:
        raise ValueError("61.8034")

    response = ask(app, "POST", PATH, record={})
    assert outcome(response, 500)["issue"][0]["code"] == "exception"
    assert "61.8034" not in response.text


def test_our_own_addresses_may_be_set(predictor: ResponsePredictor) -> None:
    app = FastAPI()
    reader = FhirReader(predictor, FhirSettings(base="https://clinic.example/terms"))
    add_fhir(app, reader, Recorder(None))
    text = orjson.dumps(assessment(app, *usual()[:3])).decode()
    assert "https://clinic.example/terms/CodeSystem/model" in text
    assert "tms-response.example" not in text


def test_each_answer_is_in_the_ledger(predictor: ResponsePredictor, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger(url, KEYS, tmp_path / "outbox.db")
    content = assessment(create_app(predictor, ledger), *usual())
    ledger.close()
    [row] = rows_of(url)
    assert row["route"] == PATH
    [given] = content["prediction"]
    assert given["probabilityDecimal"] == pytest.approx(100 * row["probability"], abs=1e-4)


def test_a_base_rate_model_answers_in_percent(
    altered: Callable[..., ResponsePredictor], predictor: ResponsePredictor
) -> None:
    constant = altered(calibration=predictor.document.calibration.model_copy(update={"slope": 0.0}))
    [given] = assessment(create_app(constant), *usual())["prediction"]
    chance = given["probabilityDecimal"] / 100
    assert math.log(chance / (1 - chance)) == pytest.approx(constant.baseline_log_odds, abs=1e-4)
    assert given["rationale"] == "No input moved the probability."


def test_the_checks_of_invariants_and_elements_can_fail(app: ASGIApp) -> None:
    content = assessment(app, *usual())
    content["prediction"][0]["probabilityDecimal"] = 147.0
    assert broken_invariants(content) == ["ras-2"]
    RiskAssessment.model_validate(content)
    content["prediction"][0]["probabilityRange"] = {"low": {"value": 40, "unit": "percent"}}
    assert "ras-1" in broken_invariants(content)
    content["prediction"][0]["certainty"] = "high"
    content["note"].append({"text": ""})
    assert foreign_elements(content) == [
        "RiskAssessment.prediction.certainty", "Annotation.text is empty",
    ]  # fmt: skip
    assert set(R4) >= {"RiskAssessment", "OperationOutcome", "Device", "Bundle"}
