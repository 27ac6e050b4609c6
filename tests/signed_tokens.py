"""Tokens of a made-up issuer, and the settings of a service that accepts them."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER, URL = "https://ehr.example.org", "https://tms.example.org"
JKU = "https://ehr.example.org/jwks.json"
EC_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
OTHER_KEY = ec.generate_private_key(ec.SECP384R1())
_NUMBERS = itertools.count()


def _public(kid: str, key: Any) -> dict[str, Any]:
    kind = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else None
    algorithm = kind or jwt.algorithms.RSAAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}


def write_token_settings(folder: Path) -> Path:
    """Write settings that accept the issuer, and its keys beside; some of them are unfit."""
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "hmac"}
    keys = [_public("ec", EC_KEY), _public("rsa", RSA_KEY), _public("short", SHORT_KEY), secret]
    (folder / "jwks.json").write_text(json.dumps({"keys": keys}))
    path = folder / "tokens.toml"
    path.write_text(
        f'public_url = "{URL}"\n[[issuers]]\nissuer = "{ISSUER}"\nkeys = "jwks.json"\n'
        f'scopes = ["predict"]\njku = ["{JKU}"]\n'
    )
    return path


def signed(
    path: str,
    key: Any = EC_KEY,
    algorithm: str = "ES384",
    headers: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """Return a new token for a path of the service; a claim of None is left out."""
    now = time.time()
    content = {"iss": ISSUER, "aud": URL + path, "iat": now, "exp": now + 300,
               "jti": f"id-{next(_NUMBERS)}", **claims}  # fmt: skip
    kept = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(kept, key, algorithm, headers={"kid": "ec", **(headers or {})})
