"""Bearer tokens: only asymmetric, from a known issuer, for us, in time and once."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from signed_tokens import (
    ISSUER,
    JKU,
    OTHER_KEY,
    RSA_KEY,
    SHORT_KEY,
    URL,
    signed,
    write_token_settings,
)

from data_schemas.errors import ConfigurationError
from serving.access.issuers import TokenSettings, read_token_settings
from serving.access.once import OnceInProcess
from serving.access.tokens import RefusedTokenError, TokenVerifier

PATH = "/cds-services/tms"


@pytest.fixture
def settings(tmp_path: Path) -> TokenSettings:
    return read_token_settings(write_token_settings(tmp_path))


@pytest.fixture
def verifier(settings: TokenSettings) -> TokenVerifier:
    return TokenVerifier(settings, OnceInProcess())


@pytest.fixture
def token() -> Callable[..., str]:
    return partial(signed, PATH)


def test_good_tokens_pass(verifier: TokenVerifier, token: Callable[..., str]) -> None:
    for text in (
        token(),
        token(RSA_KEY, "RS384", {"kid": "rsa"}),
        token(RSA_KEY, "PS256", {"kid": "rsa"}),
        token(headers={"jku": JKU}),
        token(aud=["https://else.example", URL + PATH]),
        token(exp=time.time() - 20, iat=time.time() - 100),
    ):
        caller = verifier.verify(text, PATH)
        assert caller.name == f"token:{ISSUER}"
        assert caller.scopes == {"predict"}


def test_a_token_is_used_once(verifier: TokenVerifier, token: Callable[..., str]) -> None:
    text = token()
    verifier.verify(text, PATH)
    with pytest.raises(RefusedTokenError, match="used before"):
        verifier.verify(text, PATH)
    verifier.verify(token(jti="\ud800"), PATH)
    with pytest.raises(RefusedTokenError, match="used before"):
        verifier.verify(token(jti="\ud800"), PATH)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": URL}, "InvalidAudience"),
        ({"aud": URL + PATH + "/"}, "InvalidAudience"),
        ({"aud": None}, "MissingRequiredClaim"),
        ({"exp": None}, "MissingRequiredClaim"),
        ({"iat": None}, "MissingRequiredClaim"),
        ({"jti": None}, "MissingRequiredClaim"),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 257}, "jti"),
        ({"exp": 1000}, "ExpiredSignature"),
        ({"iat": 4e9, "exp": 4e9 + 1}, "ImmatureSignature"),
        ({"exp": 4e9}, "longer"),
        ({"exp": str(int(time.time()) + 600)}, "not a number"),
        ({"iat": str(int(time.time()))}, "not a number"),
        ({"exp": float("inf")}, "DecodeError"),
        ({"nbf": time.time() + 600}, "ImmatureSignature"),
        ({"aud": [URL + PATH, 1]}, "InvalidAudience"),
        ({"headers": {"kid": "rsa"}}, "no such key"),
        ({"headers": {"kid": "nobody"}}, "no such key"),
        ({"headers": {"jku": "https://evil.example/jwks.json"}}, "jku"),
        ({"key": OTHER_KEY}, "InvalidSignature"),
        ({"key": SHORT_KEY, "algorithm": "RS256", "headers": {"kid": "short"}}, "no such key"),
    ],
)
@pytest.mark.filterwarnings("ignore:The RSA key:jwt.warnings.InsecureKeyLengthWarning")
def test_bad_tokens_are_refused(
    verifier: TokenVerifier, token: Callable[..., str], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RefusedTokenError, match=reason) as refused:
        verifier.verify(token(**changes), PATH)
    assert "example" not in str(refused.value)


def test_symmetric_and_unsigned_tokens_are_refused(
    verifier: TokenVerifier, token: Callable[..., str]
) -> None:
    secret = b"secret of a good length, 32 bytes and more"
    for text in (token(secret, "HS256", {"kid": "hmac"}), token(None, "none")):
        with pytest.raises(RefusedTokenError, match="asymmetric"):
            verifier.verify(text, PATH)


@pytest.mark.parametrize("text", ["", "a.b.c", "..", "x" * 9000, "e30.e30.", "é.é.é"])
def test_what_is_no_token_is_refused(verifier: TokenVerifier, text: str) -> None:
    with pytest.raises(RefusedTokenError):
        verifier.verify(text, PATH)


def test_a_changed_claim_breaks_the_signature(
    verifier: TokenVerifier, token: Callable[..., str]
) -> None:
    head, _, signature = token().split(".")
    _, body, _ = token(exp=time.time() + 600).split(".")
    with pytest.raises(RefusedTokenError, match="InvalidSignature"):
        verifier.verify(f"{head}.{body}.{signature}", PATH)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('keys = "http://ehr.example.org/jwks"', "https address"),
        ('keys = "absent.json"\nscopes = ["predict"]', "not a readable JWKS"),
        ('keys = "jwks.json"\nscopes = ["everything"]', "scopes"),
        ('keys = "jwks.json"\nscopes = []', "scopes"),
        ('keys = "empty.json"\nscopes = ["predict"]', "not a readable JWKS"),
        ('keys = "jwks.json"\nscopes = ["predict"]\ntrust = true', "trust"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_wrong_settings_are_sentences(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "empty.json").write_text('{"keys": [{"kty": "oct", "k": "eA", "kid": "a"}]}')
    path = tmp_path / "wrong.toml"
    path.write_text(f'public_url = "{URL}"\n[[issuers]]\nissuer = "{ISSUER}"\n{line}\n')
    with pytest.raises(ConfigurationError, match=said):
        TokenVerifier(read_token_settings(path), OnceInProcess())


def test_used_tokens_are_forgotten_when_they_have_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.access.once._ENTRIES_BEFORE_CLEARING", 2)
    store, now = OnceInProcess(), time.time()
    assert store.remember_once("jti", "old", now - 1)
    assert store.remember_once("jti", "new", now + 60)
    assert store.remember_once("jti", "third", now + 60)
    assert not store.remember_once("jti", "new", now + 60)
    assert store.remember_once("other", "new", now + 60)
    assert store.remember_once("jti", "old", now + 60)
