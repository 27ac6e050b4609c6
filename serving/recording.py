"""From a request to the ledger: who asks, about whom, and whether it was asked before."""

import re
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from data_schemas.errors import FieldProblem
from serving.headers import sent_headers
from serving.ledger.database import LedgerUnavailableError
from serving.ledger.entries import Asked, Predicted, StoredAnswer
from serving.ledger.ledger import Ledger
from serving.requests import RequestError

_KEY_PATTERN: Final = r"[A-Za-z0-9._:\-]{1,128}"
_KEY: Final = re.compile(_KEY_PATTERN)
_PATIENT_PATTERN: Final = r"[!-~]{1,128}"
_PATIENT: Final = re.compile(_PATIENT_PATTERN)
_UNKNOWN_CALLER: Final = "anonymous"

IDEMPOTENCY_HEADER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name of this request, chosen by the caller. Sent again within 24 hours by "
    "the same caller with the same body and Patient-Id, it gets the same answer and is recorded "
    "once.",
    "schema": {"type": "string", "pattern": f"^{_KEY_PATTERN}$"},
}
PATIENT_HEADER: Final[dict[str, Any]] = {
    "name": "Patient-Id",
    "in": "header",
    "required": False,
    "description": "The caller's identifier of the patient. It is replaced by a keyed pseudonym "
    "at once, and neither kept nor logged.",
    "schema": {"type": "string", "pattern": f"^{_PATIENT_PATTERN}$"},
}


@dataclass(frozen=True)
class Answer:
    """A response that is ready, and the predictions in it; each must be recorded first."""

    response: Response
    predicted: list[Predicted]


class Recorder:
    """Let no prediction out before the ledger has it.

    Parameters
    ----------
    ledger : Ledger or None
        With None, answers go out unrecorded, and idempotency keys are refused.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger

    def asked(self, request: Request) -> Asked:
        """Return who asks about which patient.

        Raises
        ------
        RequestError
            422 when a header is not of its form or stands twice, or needs a ledger and there is
            none.
        """
        given = _sent_once(request, "Patient-Id", "invalid_patient_id")
        if given is not None and not _PATIENT.fullmatch(given):
            allowed = "1 to 128 visible ASCII characters"
            raise _header_error("invalid_patient_id", "Patient-Id", allowed)
        patient = None
        if given is not None and self._ledger is not None:
            patient = self._ledger.keys.pseudonym(given)
        caller = caller_of(request)
        return Asked(_route(request), caller, patient, self._idempotency_key(request))

    def asked_of_many(self, request: Request) -> Asked:
        """Return who asks, in a request about several patients, of whom no header can tell."""
        if "patient-id" in request.headers:
            allowed = "only with a single patient"
            raise _header_error("invalid_patient_id", "Patient-Id", allowed)
        return self.asked(request)

    async def recorded(
        self, request: Request, asked: Asked, body: bytes, answer: Answer
    ) -> Response:
        """Return the response once its predictions are recorded.

        Parameters
        ----------
        request : Request
            That is answered.
        asked : Asked
            From `asked`.
        body : bytes
            Of the request.
        answer : Answer
            What would be answered now.

        Returns
        -------
        Response
            Of `answer`; where the idempotency key was used before, what was answered then.

        Raises
        ------
        RequestError
            503 when nothing could be recorded; 422 when the key was used for something else.
        """
        if self._ledger is None:
            return answer.response
        keys, sent, stored = self._ledger.keys, b"", None
        if asked.idempotency_key is not None:
            # The path and not its pattern: two CDS services may be sent the same body.
            path: str = request.scope["path"]
            # The same body about another patient is another request.
            patient = [each.encode() for each in request.headers.getlist("patient-id")]
            sent = b"\n".join((path.encode(), request.url.query.encode(), *patient, body))
            media_type = answer.response.headers.get("content-type", "application/json")
            stored = StoredAnswer(keys.fingerprint(sent), media_type, bytes(answer.response.body))
        try:
            earlier = await self._ledger.record(asked, answer.predicted, stored)
        except LedgerUnavailableError:
            raise ledger_unavailable() from None
        if earlier is None:
            return answer.response
        if not keys.made(earlier.fingerprint, sent):
            message = "This Idempotency-Key was used for another request; choose a new one."
            raise RequestError(422, "idempotency_key_reused", message)
        return Response(earlier.body, media_type=earlier.media_type)

    def _idempotency_key(self, request: Request) -> str | None:
        given = _sent_once(request, "Idempotency-Key", "invalid_idempotency_key")
        if given is None:
            return None
        if self._ledger is None:
            message = "This service keeps no ledger, so that it cannot know a repeated request."
            raise RequestError(422, "no_ledger", message)
        if not _KEY.fullmatch(given):
            allowed = "1 to 128 letters, digits, and . _ : -"
            raise _header_error("invalid_idempotency_key", "Idempotency-Key", allowed)
        return given


def caller_of(request: Request) -> str:
    """Return the name of the caller's key or token, as access control found it."""
    caller: str = request.scope.get("state", {}).get("caller") or _UNKNOWN_CALLER
    return caller[:200]


def sees_all(request: Request) -> bool:
    """Return whether the caller may see what others asked for, as access control found it."""
    return bool(request.scope.get("state", {}).get("sees_all", False))


def ledger_unavailable() -> RequestError:
    """Return the refusal of what cannot be recorded."""
    message = "The ledger cannot be written now, so that nothing is answered; try again later."
    return RequestError(503, "ledger_unavailable", message)


def _route(request: Request) -> str:
    route = request.scope.get("route")
    path: str = request.scope["path"] if route is None else route.path
    return path[:200]


def _sent_once(request: Request, header: str, code: str) -> str | None:
    """Return a header of which a second one must not be overlooked: it may name someone else."""
    given = sent_headers(request, header.lower().encode())
    if len(given) > 1:
        raise _header_error(code, header, "a single header")
    return given[0] if given else None


def _header_error(code: str, header: str, allowed: str) -> RequestError:
    problem = FieldProblem(header, "is not valid", allowed)
    return RequestError(422, code, "A header of the request is not valid.", (problem,))
