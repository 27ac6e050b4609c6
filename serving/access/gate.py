"""Whether a request may pass."""

import ipaddress
import logging
import math
from collections.abc import Collection
from typing import Final, Protocol

import anyio
import anyio.to_thread
from starlette.types import Scope

from serving.access.callers import NOBODY, Caller, Need
from serving.access.issuers import read_token_settings
from serving.access.keys import KeyRing
from serving.access.local import not_local
from serving.access.once import OnceInProcess, OnceStore
from serving.access.tokens import RefusedTokenError, TokenVerifier
from serving.ledger.database import LedgerUnavailableError
from serving.rate_limit import TokenBuckets
from serving.recording import ledger_unavailable
from serving.requests import RequestError
from serving.settings import access_required, cors_origins, keys_file, tokens_file

logger = logging.getLogger("tms_response.access")

_BEARER: Final = "bearer "
_LOCAL_CALLER: Final = Caller("local", frozenset({"predict", "outcomes", "admin"}))
_THREADS_FOR_TOKENS: Final = 4
# A choice: above what a person or a program with an old key collects, and all that is logged.
REFUSALS_PER_MINUTE: Final = 120


class Gate(Protocol):
    """Decides whether a request may pass."""

    async def admit(self, scope: Scope, label: str, need: Need) -> Caller:
        """Return who calls.

        Parameters
        ----------
        scope : ASGI scope
            Of an HTTP request.
        label : str
            Of its route.
        need : str
            What that route needs.

        Raises
        ------
        RequestError
            401 when the caller is not recognised, 403 when the caller may not do this, 404 when
            the route is not for the caller to know, 429 instead of these when there were too many
            of them, 503 when a token cannot be remembered.
        """


class KeyGate:
    """Admits those who bring an API key or an accepted token.

    Parameters
    ----------
    keys : KeyRing
        The API keys.
    tokens : TokenVerifier, optional
        Checks bearer tokens; without it none is accepted.
    """

    def __init__(self, keys: KeyRing, tokens: TokenVerifier | None = None) -> None:
        self._keys = keys
        self._tokens = tokens
        # While an issuer's keys are slow to come, tokens wait, but no thread of the predictions.
        self._verifying = anyio.CapacityLimiter(_THREADS_FOR_TOKENS)
        self._audit = Audit()

    async def admit(self, scope: Scope, label: str, need: Need) -> Caller:
        """Return who calls, or raise; see `Gate`."""
        if need == "open":
            return NOBODY
        text = _bearer(scope)
        caller = self._keys.find(text)
        if caller is None:
            caller = await self._caller_of_token(text, scope, label)
        if need == "any" or need in caller.scopes:
            return caller
        message = f"This key or token lacks the scope '{need}'; ask for one that has it."
        error = RequestError(403, "forbidden", message)
        if label == "other":
            message = "There is no such path; GET /docs.json lists them."
            error = RequestError(404, "not_found", message)
        raise await self._audit.refused(error, scope, label, f"lacks the scope {need}", caller.name)

    async def _caller_of_token(self, text: str, scope: Scope, label: str) -> Caller:
        reason = "no valid key" if text else "no key"
        if self._tokens is not None and text.count(".") == 2:
            path = scope["path"]
            try:
                return await anyio.to_thread.run_sync(
                    self._tokens.verify, text, path, limiter=self._verifying
                )
            except RefusedTokenError as error:
                reason = str(error)
            except LedgerUnavailableError:
                # What cannot be remembered could be used again.
                raise ledger_unavailable() from None
        message = (
            "A valid key or token is required: send the header 'Authorization: Bearer KEY'. "
            "Who runs this service makes a key with `tms-response key new`."
        )
        refusal = RequestError(401, "unauthenticated", message)
        raise await self._audit.refused(refusal, scope, label, reason)


class LocalGate:
    """Admits whoever asks from this machine, and nobody else.

    Parameters
    ----------
    origins : collection of str
        Whose web pages may ask as well, from a browser on this machine.
    """

    def __init__(self, origins: Collection[str] = ()) -> None:
        self._origins = origins
        self._audit = Audit()

    async def admit(self, scope: Scope, label: str, need: Need) -> Caller:  # noqa: ARG002
        """Return who calls, or raise; see `Gate`."""
        reason = not_local(scope, self._origins)
        if reason is None:
            return _LOCAL_CALLER
        message = (
            f"This service answers only this machine, because it was started without access "
            f"control, and {reason}."
        )
        error = RequestError(403, "not_local", message)
        raise await self._audit.refused(error, scope, label, reason)


def gate_of_settings(used: OnceStore | None = None) -> Gate:
    """Return the gate that the environment asks for; see `serving/settings.py`.

    Parameters
    ----------
    used : OnceStore, optional
        Remembers used tokens for all workers; without it each worker remembers its own.

    Raises
    ------
    ConfigurationError
        When the keys or the settings of tokens cannot be used.
    """
    if not access_required():
        return LocalGate(cors_origins())
    path = tokens_file()
    tokens = None
    if path is not None:
        tokens = TokenVerifier(read_token_settings(path), used or OnceInProcess())
    return KeyGate(KeyRing(keys_file()), tokens)


class Audit:
    """Logs refusals, but not without end.

    Who has collected too many is told so, and is logged again when a minute's share allows. Only
    what is refused anyway comes here: a valid key or token is answered however many others fail
    from the same address, such as that of a proxy.
    """

    def __init__(self) -> None:
        self._allowed = TokenBuckets(REFUSALS_PER_MINUTE)

    async def refused(
        self, error: RequestError, scope: Scope, label: str, reason: str, caller: str = "unknown"
    ) -> RequestError:
        """Return what is to be raised: the refusal, once it is logged, or 429.

        Parameters
        ----------
        error : RequestError
            The refusal.
        scope : ASGI scope
            Of an HTTP request.
        label : str
            Of its route.
        reason : str
            Of the refusal; nothing that was sent.
        caller : str
            The name of a known caller.
        """
        address = _address(scope)
        seconds = await self._allowed.seconds_to_wait(f"{caller} {address}")
        if seconds > 0:
            wait = math.ceil(seconds)
            message = (
                f"Too many requests like this one were refused; ask again in {wait} s. A valid key "
                "or token, with the scope that is needed, is answered meanwhile."
            )
            return RequestError(429, "too_many_refusals", message, retry_after=wait)
        refused = {
            "event": "refused",
            "caller": caller,
            "client": address,
            "method": scope["method"] if scope["method"] in _METHODS else "other",
            "route": label,
            "reason": reason,
        }
        logger.warning("Refused: %s", reason, extra={"fields": refused})
        return error


def _address(scope: Scope) -> str | None:
    """Return where a request comes from; a proxy's header may claim any text, which is left out."""
    try:
        return str(ipaddress.ip_address(scope["client"][0]))
    except (KeyError, TypeError, ValueError):
        return None


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _bearer(scope: Scope) -> str:
    """Return the bearer key or token of a request, or an empty text."""
    found = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            text: str = value.decode("latin-1")
            if found or text[: len(_BEARER)].lower() != _BEARER:
                return ""
            found = text[len(_BEARER) :].strip()
    return found
