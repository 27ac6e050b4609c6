"""Bearer tokens (JWT) of issuers named in the settings, each used once."""

from hashlib import sha256
from typing import Any, Final

import jwt

from serving.access.callers import Caller
from serving.access.issuers import Issuer, TokenSettings
from serving.access.key_sets import ALGORITHMS, KeySet
from serving.access.once import OnceStore

_CLAIMS: Final = ("iss", "aud", "exp", "iat", "jti")
_LONGEST_TOKEN: Final = 8192
_LONGEST_ID: Final = 256


class RefusedTokenError(Exception):
    """A token that is not accepted; its text is for the log, and holds nothing of the token."""


class TokenVerifier:
    """Checks tokens against the settings.

    Parameters
    ----------
    settings : TokenSettings
        Whose tokens are accepted.
    used : OnceStore
        Remembers the `jti` of each accepted token until it expires.

    Raises
    ------
    ConfigurationError
        When an issuer's file of keys cannot be used.
    """

    def __init__(self, settings: TokenSettings, used: OnceStore) -> None:
        self._public_url = settings.public_url
        self._used = used
        self._issuers = {each.issuer: (each, KeySet(each)) for each in settings.issuers}

    def verify(self, token: str, path: str) -> Caller:
        """Return who calls; this may fetch keys and wait for the store, so call it in a thread.

        Parameters
        ----------
        token : str
            A JWT in compact form.
        path : str
            Path that is asked, beginning with a slash.

        Raises
        ------
        RefusedTokenError
            When the token is not accepted, or was used before.
        """
        if len(token) > _LONGEST_TOKEN:
            raise RefusedTokenError("the token is too long")
        issuer, key, algorithm = self._key_of(token)
        claims = _verified(token, issuer, key, algorithm, self._public_url + path)
        self._use(issuer, claims)
        return Caller(f"token:{issuer.issuer}", frozenset(issuer.scopes))

    def _key_of(self, token: str) -> tuple[Issuer, jwt.PyJWK, str]:
        try:
            header = jwt.get_unverified_header(token)
            claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise RefusedTokenError("it is not a JWT") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise RefusedTokenError("its algorithm is not an accepted asymmetric one")
        found = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if found is None:
            raise RefusedTokenError("its issuer is not an accepted one")
        issuer, keys = found
        if "jku" in header and header["jku"] not in issuer.jku:
            raise RefusedTokenError("its jku is not an accepted one")
        key = keys.find(key_id, algorithm) if isinstance(key_id, str) else None
        if key is None:
            raise RefusedTokenError("its issuer has no such key for its algorithm")
        return issuer, key, algorithm

    def _use(self, issuer: Issuer, claims: dict[str, Any]) -> None:
        token_id = claims["jti"]
        if not isinstance(token_id, str) or not 1 <= len(token_id) <= _LONGEST_ID:
            raise RefusedTokenError("its jti is not a text of 1 to 256 characters")
        text = f"{issuer.issuer}\n{token_id}"
        # Half a character, which JSON may hold, is not UTF-8.
        key = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if not self._used.remember_once("jti", key, claims["exp"] + issuer.leeway_seconds):
            raise RefusedTokenError("it was used before")


def _verified(
    token: str, issuer: Issuer, key: jwt.PyJWK, algorithm: str, address: str
) -> dict[str, Any]:
    """Return the claims of a token whose signature, times and addressee are right."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=issuer.audiences or (address,),
            issuer=issuer.issuer,
            leeway=issuer.leeway_seconds,
            options={"require": list(_CLAIMS)},
        )
    except jwt.PyJWTError as error:
        # The class says which check failed; the message may quote a claim.
        raise RefusedTokenError(f"a check failed: {type(error).__name__}") from None
    # PyJWT takes the text of a number for one.
    if not all(isinstance(claims[name], int | float) for name in ("exp", "iat")):
        raise RefusedTokenError("its exp or iat is not a number")
    if claims["exp"] - claims["iat"] > issuer.maximum_lifetime_seconds:
        raise RefusedTokenError("it is valid for longer than is accepted")
    return claims
