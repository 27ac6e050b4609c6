"""The routes: what they answer, and how they refuse."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody, Prediction
from serving.app import create_app
from serving.predictor import ResponsePredictor
from serving.requests import MAXIMUM_BODY_BYTES

PLANTED = 61.8034


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor) -> ASGIApp:
    return create_app(predictor)


@pytest.fixture(scope="module")
def record(complete_patient: Patient) -> dict[str, Any]:
    content: dict[str, Any] = complete_patient.model_dump(mode="json", exclude_defaults=True)
    return content


def error_of(response: httpx.Response, status: int) -> ErrorBody:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    return ErrorBody.model_validate_json(response.content)


def same_but_for_id(one: Prediction, other: Prediction) -> bool:
    return one.model_copy(update={"prediction_id": other.prediction_id}) == other


def test_http_and_python_give_the_same_answer(
    app: ASGIApp, predictor: ResponsePredictor, patients: list[Patient]
) -> None:
    for patient in patients[:25]:
        content = patient.model_dump(mode="json", exclude_defaults=True)
        response = ask(app, "POST", "/predict", record=content)
        assert response.status_code == 200
        answer = Prediction.model_validate_json(response.content)
        assert same_but_for_id(answer, predictor.predict(patient))


def test_the_short_way_and_fastapi_answer_the_same(app: ASGIApp, record: dict[str, Any]) -> None:
    """A query takes the longer way."""
    direct, versioned, longer = (
        ask(app, "POST", path, record=record)
        for path in ("/predict", "/v1/predict", "/predict?explain=true")
    )
    assert direct.headers == versioned.headers == longer.headers
    one, two, three = (
        Prediction.model_validate_json(each.content) for each in (direct, versioned, longer)
    )
    assert same_but_for_id(one, two)
    assert same_but_for_id(one, three)
    for content, headers in (
        (b"", {}),
        (b"[1, 2", {}),
        (b'{"age_years": 430}', {}),
        (b"{}", {"content-type": "text/plain"}),
        (b"{}", {"patient-id": ""}),
        (b"--x", {"content-type": "multipart/form-data; boundary=x"}),
    ):
        direct, longer = (
            ask(app, "POST", path, content, headers=headers)
            for path in ("/predict", "/predict?explain=true")
        )
        assert direct.status_code >= 400
        assert (direct.status_code, direct.content) == (longer.status_code, longer.content)
        assert direct.headers == longer.headers


def test_explanations_may_be_skipped(app: ASGIApp, record: dict[str, Any]) -> None:
    explained = ask(app, "POST", "/predict", record=record).json()
    bare = ask(app, "POST", "/predict?explain=false", record=record).json()
    assert explained["contributions"]
    assert bare["contributions"] == []
    assert bare["response_probability"] == explained["response_probability"]


def test_a_large_body_is_answered_in_a_thread_the_same(
    app: ASGIApp, record: dict[str, Any]
) -> None:
    padded = orjson.dumps(record) + b" " * 100_000
    answer = ask(app, "POST", "/predict", content=padded).json()
    plain = ask(app, "POST", "/predict", record=record).json()
    assert answer["response_probability"] == plain["response_probability"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"{", 400, "invalid_json"),
        (b"[]", 422, "invalid_patient"),
        (b'{"age_years": 40, "age_years": 41}', 400, "duplicate_field"),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_bad_bodies_have_one_shape(
    app: ASGIApp, path: str, content: bytes, status: int, code: str
) -> None:
    expected = "invalid_batch" if (path, content) == ("/predict_batch", b"[]") else code
    assert error_of(ask(app, "POST", path, content), status).error.code == expected


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"age_years": 430}, "invalid_patient", "age_years"),
        ({"depression_total": 30}, "invalid_patient", "depression_total"),
        ({"depression_instrument": "MADRS"}, "wrong_instrument", "depression_instrument"),
        ({"depression_total": None}, "missing_required", "depression_total"),
        ({"sessions_completed": 3}, "invalid_patient", "sessions_completed"),
        ({"extra": {"other": PLANTED}}, "invalid_extra", "extra.other"),
    ],
)
def test_bad_fields_are_refused_by_name(
    app: ASGIApp, record: dict[str, Any], changes: dict[str, Any], code: str, field: str
) -> None:
    response = ask(app, "POST", "/predict", record={**record, **changes})
    error = error_of(response, 422).error
    assert (error.code, error.fields[0].field) == (code, field)


@pytest.mark.parametrize(
    ("changes", "field", "allowed"),
    [
        ({"depression_total": 30}, "depression_total", "0 to 27"),
        ({"depression_total": -1}, "depression_total", "0 to 27"),
        ({"depression_items": [4] * 9, "depression_total": None}, "depression_items", ""),
        ({"anxiety_total": 22}, "anxiety_total", "0 to 21"),
        ({"anxiety_instrument": "GAD7"}, "anxiety_instrument", "GAD-7, HAM-A, HADS-A"),
        ({"anxiety_instrument": "PHQ-9"}, "anxiety_instrument", "GAD-7, HAM-A, HADS-A"),
        ({"moca_total": 31}, "moca_total", "0 to 30"),
        ({"extra": {"grip_kg": 101}}, "extra.grip_kg", "0 to 100 kg"),
    ],
)
def test_one_mistake_is_one_error_that_says_what_is_allowed(
    app: ASGIApp, record: dict[str, Any], changes: dict[str, Any], field: str, allowed: str
) -> None:
    response = ask(app, "POST", "/predict", record={**record, **changes})
    [problem] = error_of(response, 422).error.fields
    assert (problem.field, problem.allowed) == (field, allowed)


def test_an_unknown_instrument_is_told_the_known_ones(app: ASGIApp, record: dict[str, Any]) -> None:
    response = ask(app, "POST", "/predict", record={**record, "depression_instrument": "phq9"})
    [problem] = error_of(response, 422).error.fields
    assert "Did you mean 'PHQ-9'?" in problem.problem
    assert {"HDRS-17", "MADRS", "PHQ-9", "BDI-II"} <= set(problem.allowed.split(", "))
    assert "GAD-7" not in problem.allowed


@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
@pytest.mark.parametrize(
    ("headers", "code", "allowed"),
    [
        ({"content-type": "application/x-www-form-urlencoded"}, "unsupported_media_type",
         "application/json"),
        ({"content-type": "text/json; charset=utf-8"}, "unsupported_media_type",
         "application/json"),
        ({"content-type": "application/fhir+json"}, "unsupported_media_type", "application/json"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, "unsupported_encoding",
         "identity"),
    ],
)  # fmt: skip
def test_content_announced_as_something_else_is_refused(
    app: ASGIApp, record: dict[str, Any], path: str, headers: dict[str, str], code: str,
    allowed: str,
) -> None:  # fmt: skip
    error = error_of(ask(app, "POST", path, record=record, headers=headers), 415).error
    assert (error.code, error.fields[0].allowed) == (code, allowed)


def test_an_empty_body_is_empty_however_it_is_announced(app: ASGIApp) -> None:
    """As `curl -d ''` sends it."""
    headers = {"content-type": "application/x-www-form-urlencoded", "content-length": "0"}
    for path in ("/predict", "/predict_batch"):
        response = ask(app, "POST", path, b"", headers=headers)
        assert error_of(response, 400).error.code == "empty_body"


def test_the_refusal_of_a_form_says_what_to_add(app: ASGIApp) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    error = error_of(ask(app, "POST", "/predict", b"{}", headers=headers), 415).error
    assert "-H 'Content-Type: application/json'" in error.message


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "Application/JSON; charset=utf-8"},
        {"content-type": "application/json", "content-encoding": "Identity"},
    ],
)
def test_content_announced_as_json_or_not_at_all_is_read(
    app: ASGIApp, record: dict[str, Any], headers: dict[str, str]
) -> None:
    assert ask(app, "POST", "/predict", record=record, headers=headers).status_code == 200


def test_no_value_is_repeated_or_logged(
    app: ASGIApp,
    record: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(0)
    shown = ""
    for name in [*record, "unheard_of", "final_total"]:
        for value in (PLANTED, str(PLANTED), [PLANTED], {"x": PLANTED}):
            sent = {**record, name: value, "connectome": {"labels": [str(PLANTED)]}}
            response = ask(app, "POST", "/predict", record=sent)
            assert response.status_code == 422
            shown += response.text
    captured = capfd.readouterr()
    shown += caplog.text + captured.out + captured.err
    assert str(PLANTED) not in shown


def test_a_parameter_that_is_no_truth_value_is_refused(
    app: ASGIApp, record: dict[str, Any]
) -> None:
    response = ask(app, "POST", "/predict?explain=61.8034", record=record)
    error = error_of(response, 422).error
    assert (error.code, error.fields[0].field) == ("invalid_parameter", "explain")
    assert "61.8034" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/predict/", 404),
        ("GET", "/predict", 405),
        ("DELETE", "/model", 405),
    ],
)
def test_wrong_paths_and_methods_have_the_same_shape(
    app: ASGIApp, method: str, path: str, status: int
) -> None:
    error_of(ask(app, method, path), status)


def test_a_body_announced_too_large_is_refused_unread(app: ASGIApp) -> None:
    body = b" " * (MAXIMUM_BODY_BYTES + 1)
    assert error_of(ask(app, "POST", "/predict", body), 413).error.code == "body_too_large"


def test_a_body_that_grows_too_large_is_refused_on_the_way(app: ASGIApp) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 2**20
            yield b" " * 2**20

    response = ask(app, "POST", "/predict", endless())
    assert error_of(response, 413).error.code == "body_too_large"
    assert sent <= MAXIMUM_BODY_BYTES + 2 * 2**20


def test_batches_keep_their_order_and_hold_an_error_where_one_is_bad(
    app: ASGIApp, record: dict[str, Any]
) -> None:
    ages = [30, 430, 50, None, 70]
    batch: list[object] = [{**record, "age_years": age} for age in ages]
    batch[3] = "no patient"
    answers = ask(app, "POST", "/predict_batch", record=batch).json()
    assert ["error" in answer for answer in answers] == [False, True, False, True, False]
    for answer, age in zip(answers, ages, strict=True):
        if "error" not in answer:
            [own] = [c for c in answer["contributions"] if c["feature"] == "age_years"]
            assert own["value"] == age
        else:
            ErrorBody.model_validate(answer)


def test_a_batch_equals_single_answers(
    app: ASGIApp, patients: list[Patient], predictor: ResponsePredictor
) -> None:
    batch = [p.model_dump(mode="json", exclude_defaults=True) for p in patients[:50]]
    answers = ask(app, "POST", "/predict_batch?explain=false", record=batch).json()
    for answer, patient in zip(answers, patients[:50], strict=True):
        expected = predictor.predict(patient, explain=False)
        assert same_but_for_id(Prediction.model_validate(answer), expected)


def test_the_model_card_says_what_must_be_known(app: ASGIApp, predictor: ResponsePredictor) -> None:
    card = ask(app, "GET", "/model").json()
    words = " ".join(card["statements"])
    assert "not a medical device" in words
    assert "Trained on simulated patients" in words
    assert "PHQ-9 only" in words
    assert "Required fields: depression_total." in words
    assert card["document"] == predictor.document.model_dump(mode="json")
    assert card["model"]["version"] == predictor.identity.version
