"""Keys are fetched from the one address in the settings, seldom, and from no other."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from serving.access.issuers import Issuer
from serving.access.key_sets import KeySet


class Address(HTTPServer):
    """Answers with what it is told to, and counts how often it was asked."""

    status = 200
    content = b"{}"
    location = ""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(BaseHTTPRequestHandler):
    server: Address

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[Address]:
    with Address() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def key_set(address: Address) -> KeySet:
    url = f"http://127.0.0.1:{address.server_port}/jwks"
    return KeySet(Issuer(issuer="ehr", keys=url, scopes=("predict",)))


def document(kid: str, **more: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    entry = {**jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, **more}
    return json.dumps({"keys": [entry]}).encode()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("serving.access.key_sets.time.monotonic", lambda: now[0])
    return now


def test_keys_are_fetched_once_and_again_when_unknown_or_old(
    address: Address, clock: list[float]
) -> None:
    address.content = document("one")
    keys = key_set(address)
    for _ in range(3):
        assert keys.find("one", "ES256") is not None
        # An unknown id may not make us ask on each request.
        assert keys.find("two", "ES256") is None
    assert address.asked == ["/jwks"]
    address.content = document("two")
    clock[0] += 61
    assert keys.find("two", "ES256") is not None
    assert keys.find("one", "ES256") is None
    assert len(address.asked) == 2
    clock[0] += 3601
    assert keys.find("two", "ES256") is not None
    assert len(address.asked) == 3


def test_an_address_that_fails_leaves_the_last_keys(
    address: Address, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    address.content = document("one")
    keys = key_set(address)
    clock[0] += 3601
    for content in (b"", b"[]", b'{"keys": 3}', b'{"keys": [{"kty": "oct", "kid": "one"}]}'):
        address.content = content
        clock[0] += 61
        assert keys.find("one", "ES256") is not None
    assert caplog.text.count("cannot be fetched") == 4


def test_a_redirect_is_not_followed(address: Address) -> None:
    address.status, address.location = 302, "/elsewhere"
    address.content = document("one")
    assert key_set(address).find("one", "ES256") is None
    assert address.asked == ["/jwks"]


def test_a_service_starts_while_the_address_is_away(address: Address) -> None:
    url = f"http://127.0.0.1:{address.server_port}/jwks"
    address.server_close()
    keys = KeySet(Issuer(issuer="ehr", keys=url, scopes=("predict",)))
    assert keys.find("one", "ES256") is None


@pytest.mark.parametrize(
    ("more", "usable"),
    [({}, True), ({"alg": "ES256"}, True), ({"alg": "ES384"}, False), ({"use": "enc"}, False)],
)
def test_a_key_serves_its_own_purpose_and_algorithm_alone(
    address: Address, more: dict[str, str], usable: bool
) -> None:
    address.content = document("one", **more)
    keys = key_set(address)
    assert (keys.find("one", "ES256") is not None) == usable
    for algorithm in ("ES384", "RS256", "HS256", "none"):
        assert keys.find("one", algorithm) is None
