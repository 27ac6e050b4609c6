"""What every request meets first: key, scope, headers, id, counters and log."""

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from fastapi import FastAPI, Request, Response
from prometheus_client import REGISTRY
from served_models import ask
from signed_tokens import ISSUER, signed, write_token_settings
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from data_schemas.prediction import ErrorBody
from serving.access.callers import Caller
from serving.access.gate import KeyGate, LocalGate, gate_of_settings
from serving.access.issuers import read_token_settings
from serving.access.keys import KeyRing, new_key
from serving.access.once import OnceInProcess, OnceStore
from serving.access.tokens import TokenVerifier
from serving.front import Front, for_origins
from serving.ledger.database import LedgerUnavailableError
from serving.requests import RequestError
from serving.settings import ACCESS_VARIABLE, CORS_VARIABLE, KEYS_VARIABLE, TOKENS_VARIABLE

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
PLANTED = "61.8034"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


@pytest.fixture
def predict_key(keys: Path) -> dict[str, str]:
    return {"authorization": f"Bearer {new_key(keys, ['predict'])}"}


@pytest.fixture
def inner() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.api_route("/{path:path}", methods=["GET", "POST", "OPTIONS"])
    async def anything(request: Request, path: str) -> Response:
        own = {"content-security-policy": "default-src 'self'"} if path == "" else {}
        return Response(getattr(request.state, "caller", ""), headers=own)

    return app


@pytest.fixture
def front(inner: FastAPI, keys: Path, predict_key: dict[str, str]) -> Front:
    assert predict_key
    return Front(inner, KeyGate(KeyRing(keys)))


def test_a_key_opens_what_its_scope_covers(
    front: Front, keys: Path, predict_key: dict[str, str]
) -> None:
    key_id = json.loads(keys.read_text())["id"]
    for path in ("/predict", "/v1/predict", "/model", "/metrics", "/cds-services/x"):
        response = ask(front, "POST", path, headers=predict_key)
        assert response.text == f"key:{key_id}"
    for path in ("/livez", "/docs.json", "/"):
        assert ask(front, "GET", path).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {PLANTED}"},
        {"authorization": "Basic dTpw"},
        {"authorization": "Bearer a.b.c"},
        {"x-api-key": "tms"},
    ],
)
def test_without_a_key_nothing_is_answered(
    front: Front, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/predict", "/metrics", f"/{PLANTED}"):
        response = ask(front, "POST", path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert ErrorBody.model_validate_json(response.content).error.code == "unauthenticated"
    audited = [record for record in caplog.records if record.name == "tms_response.access"]
    assert len(audited) == 3
    assert all(record.fields["event"] == "refused" for record in audited)  # type: ignore[attr-defined]
    assert PLANTED not in str([record.__dict__ for record in audited])


@pytest.mark.parametrize("path", ["/predict", "/outcomes"])
def test_many_refusals_are_bounded_and_lock_nobody_out(
    front: Front, predict_key: dict[str, str], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Without a key, and with one that lacks the scope; all from one address, as of a proxy."""
    headers = predict_key if path == "/outcomes" else {"authorization": f"Bearer {PLANTED}"}
    answers = [ask(front, "POST", path, headers=headers) for _ in range(60)]
    assert {answer.status_code for answer in answers} == {403 if "outcomes" in path else 401, 429}
    last = answers[-1]
    assert ErrorBody.model_validate_json(last.content).error.code == "too_many_refusals"
    assert 1 <= int(last.headers["retry-after"]) <= 2
    audited = [record for record in caplog.records if record.name == "tms_response.access"]
    assert len(audited) == sum(answer.status_code != 429 for answer in answers) < 40
    for _ in range(3):
        assert ask(front, "POST", "/predict", headers=predict_key).status_code == 200
    if path == "/outcomes":
        # Nor does one caller's count hold for others.
        assert ask(front, "POST", path).status_code == 401


def test_two_keys_are_none(front: Front, predict_key: dict[str, str]) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    header = (b"authorization", predict_key["authorization"].encode())
    scope: Scope = {"type": "http", "path": "/predict", "method": "POST", "headers": [header] * 2}
    run(front, scope, receive, send)
    assert sent[0]["status"] == 401


def run(app: Front, scope: Scope, receive: Any, send: Any) -> None:
    import asyncio

    asyncio.run(app(scope, receive, send))


def test_a_key_without_the_scope_is_refused_and_other_paths_are_not_told(
    front: Front, predict_key: dict[str, str]
) -> None:
    response = ask(front, "POST", "/outcomes", headers=predict_key)
    assert response.status_code == 403
    assert "'outcomes'" in response.json()["error"]["message"]
    assert ask(front, "GET", "/schema.json", headers=predict_key).status_code == 404


def test_an_administrator_sees_what_is_not_listed(inner: FastAPI, keys: Path) -> None:
    admin = {"authorization": f"bearer {new_key(keys, ['admin'])}"}
    front = Front(inner, KeyGate(KeyRing(keys)))
    assert ask(front, "GET", "/schema.json", headers=admin).status_code == 200
    assert ask(front, "POST", "/predict", headers=admin).status_code == 403


def test_a_websocket_is_closed_unheard(front: Front) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    run(front, {"type": "websocket", "path": "/predict"}, None, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    ("path", "changed"),
    [("/predict", {}), ("/", {"content-security-policy": "default-src 'self'"})],
)
def test_every_response_has_the_security_headers(
    front: Front, predict_key: dict[str, str], path: str, changed: dict[str, str]
) -> None:
    for headers in (predict_key, {}):
        response = ask(front, "GET", path, headers=headers)
        expected = {**SECURITY, **(changed if response.status_code == 200 else {})}
        assert {name: response.headers.get_list(name) for name in expected} == {
            name: [value] for name, value in expected.items()
        }


def test_a_harmless_request_id_is_kept_and_another_replaced(
    front: Front, predict_key: dict[str, str]
) -> None:
    def id_of(given: str) -> str:
        response = ask(front, "GET", "/model", headers={**predict_key, "x-request-id": given})
        returned: str = response.headers["x-request-id"]
        return returned

    good = "0b9f6a0e-7d0c-4b8e-9c53-5f9b8f3f3f11"
    assert id_of(good) == good
    for bad in ("", "MRN-1234567", "12345678", "a" * 65, "Jane Doe", "x" * 20):
        assert re.fullmatch(r"[0-9a-f]{16}", id_of(bad))
    assert id_of("") != id_of("")


def test_each_request_may_be_logged_without_its_content(
    front: Front, predict_key: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tms_response.requests"):
        ask(front, "POST", f"/predict?x={PLANTED}", headers=predict_key, content=PLANTED.encode())
        ask(front, "POST", f"/{PLANTED}", headers=predict_key)
    first, second = [each for each in caplog.records if each.name == "tms_response.requests"]
    fields = first.fields  # type: ignore[attr-defined]
    assert (fields["route"], fields["status"], fields["method"]) == ("/predict", 200, "POST")
    assert fields["caller"].startswith("key:")
    assert PLANTED not in str(first.__dict__) + str(second.__dict__)


def test_without_access_control_only_this_machine_is_answered(inner: FastAPI) -> None:
    front = Front(inner, LocalGate())
    local = {"host": "127.0.0.1:3000"}
    # The client of the test has no server address, so that even a good Host is refused.
    for headers in (local, {**local, "x-forwarded-for": "127.0.0.1"}, {"host": "evil.example"}):
        response = ask(front, "POST", "/predict", headers=headers)
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "not_local"


def test_without_access_control_pages_of_named_origins_may_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ACCESS_VARIABLE, "none")
    monkeypatch.setenv(CORS_VARIABLE, "https://ehr.example")
    headers = [(b"host", b"127.0.0.1:3000"), (b"origin", b"https://ehr.example")]
    address = ("127.0.0.1", 3000)
    scope = {"method": "POST", "headers": headers, "server": address, "client": address}
    asyncio.run(gate_of_settings().admit(scope, "/predict", "predict"))
    monkeypatch.delenv(CORS_VARIABLE)
    with pytest.raises(RequestError) as refused:
        asyncio.run(gate_of_settings().admit(scope, "/predict", "predict"))
    assert refused.value.code == "not_local"


def with_tokens(inner: FastAPI, keys: Path, folder: Path, used: OnceStore) -> Front:
    settings = read_token_settings(write_token_settings(folder))
    return Front(inner, KeyGate(KeyRing(keys), TokenVerifier(settings, used)))


def test_a_token_passes_where_tokens_are_accepted(
    inner: FastAPI, keys: Path, tmp_path: Path
) -> None:
    front = with_tokens(inner, keys, tmp_path, OnceInProcess())
    headers = {"authorization": f"Bearer {signed('/predict')}"}
    assert ask(front, "POST", "/predict", headers=headers).text == f"token:{ISSUER}"
    assert ask(front, "POST", "/predict", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [(LedgerUnavailableError("away"), 503, "ledger_unavailable"),
     (ValueError(PLANTED), 500, "internal_error")],
)  # fmt: skip
def test_where_a_token_cannot_be_remembered_it_does_not_pass(
    inner: FastAPI, keys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    failure: Exception, status: int, code: str,
) -> None:  # fmt: skip
    class Failing:
        def remember_once(self, kind: str, key: str, expires: float) -> bool:
            del kind, key, expires
            raise failure

    front = with_tokens(inner, keys, tmp_path, Failing())
    headers = {"authorization": f"Bearer {signed('/predict')}"}
    response = ask(front, "POST", "/predict", headers=headers)
    assert response.status_code == status
    assert ErrorBody.model_validate_json(response.content).error.code == code
    assert SECURITY.items() <= response.headers.items()
    assert PLANTED not in response.text + caplog.text


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("fault", [ValueError(PLANTED), ClientDisconnect()])
def test_a_fault_is_answered_and_counted_unless_an_answer_has_begun(
    keys: Path, predict_key: dict[str, str], caplog: pytest.LogCaptureFixture,
    begun: bool, fault: Exception,
) -> None:  # fmt: skip
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def failing(_: Scope, __: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise fault

    def counted() -> float:
        labels = {"code": "internal_error"}
        return REGISTRY.get_sample_value("tms_response_refusals_total", labels) or 0.0

    before = counted()
    header = (b"authorization", predict_key["authorization"].encode())
    scope: Scope = {"type": "http", "path": "/predict", "method": "POST", "headers": [header]}
    run(Front(failing, KeyGate(KeyRing(keys))), scope, None, send)
    is_ours = isinstance(fault, ValueError)
    expected = [200] if begun else [500] if is_ours else []
    assert [each["status"] for each in sent if "status" in each] == expected
    assert counted() - before == (is_ours and not begun)
    assert ("Request failed" in caplog.text) == is_ours
    assert PLANTED not in caplog.text + str(sent)


def test_tokens_that_wait_hold_up_nobody_else(
    inner: FastAPI, keys: Path, tmp_path: Path, predict_key: dict[str, str]
) -> None:
    """As while an issuer's address does not answer: there are 40 threads for all routes."""
    may_end = threading.Event()

    class Slow:
        def remember_once(self, kind: str, key: str, expires: float) -> bool:
            del kind, key, expires
            return may_end.wait(30)

    gate = with_tokens(inner, keys, tmp_path, Slow())._gate

    def asked(text: str) -> Awaitable[Caller]:
        headers = [(b"authorization", f"Bearer {text}".encode())]
        scope = {"type": "http", "path": "/predict", "method": "POST", "headers": headers}
        return gate.admit(scope, "/predict", "predict")

    async def crowd() -> None:
        waiting = [asyncio.ensure_future(asked(signed("/predict"))) for _ in range(60)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await anyio.to_thread.run_sync(time.sleep, 0)
            known = await asked(predict_key["authorization"].removeprefix("Bearer "))
        assert known.name.startswith("key:")
        assert not any(each.done() for each in waiting)
        may_end.set()
        assert len(await asyncio.gather(*waiting)) == 60

    asyncio.run(crowd())


def test_the_environment_names_the_gate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: Path
) -> None:
    monkeypatch.setenv(KEYS_VARIABLE, str(keys))
    monkeypatch.delenv(TOKENS_VARIABLE, raising=False)
    monkeypatch.delenv(ACCESS_VARIABLE, raising=False)
    assert isinstance(gate_of_settings(), KeyGate)
    monkeypatch.setenv(ACCESS_VARIABLE, "none")
    assert isinstance(gate_of_settings(), LocalGate)
    assert not (tmp_path / "keys.jsonl").exists()


def test_only_pages_of_named_origins_may_ask(front: Front, predict_key: dict[str, str]) -> None:
    app = for_origins(front, ("https://ehr.example.org",))
    for origin, allowed in (("https://ehr.example.org", 200), ("https://evil.example", 400)):
        asking = {"origin": origin, "access-control-request-method": "POST",
                  "access-control-request-headers": "authorization, content-type"}  # fmt: skip
        first = ask(app, "OPTIONS", "/predict", headers=asking)
        assert first.status_code == allowed
        response = ask(app, "POST", "/predict", headers={**predict_key, "origin": origin})
        expected = origin if allowed == 200 else None
        assert response.headers.get("access-control-allow-origin") == expected
        assert ask(app, "POST", "/predict", headers={"origin": origin}).status_code == 401
    assert "access-control-allow-origin" not in ask(front, "GET", "/livez").headers
