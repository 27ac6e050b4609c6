"""What every request passes first: its id, the access check, headers, counters and the log."""

import logging
import os
import re
import time
from binascii import hexlify
from collections.abc import Sequence
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.callers import Need, route_of
from serving.access.gate import Gate
from serving.failures import failure_of, refusal
from serving.logs import REQUEST_ID
from serving.metrics import observe_request
from serving.requests import RequestError

logger = logging.getLogger("tms_response.requests")

# An id of letters might be a name, and one of few digits a patient's number.
_SANE_ID: Final = re.compile(rb"[0-9A-Fa-f-]{16,64}")
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_CORS_METHODS: Final = ("GET", "POST")
_CORS_HEADERS: Final = (
    "Authorization", "Content-Type", "Idempotency-Key", "Patient-Id", "X-Request-Id",
)  # fmt: skip
_CHALLENGE: Final = (b"www-authenticate", b"Bearer")


class Front:
    """An application behind the access check; see the module.

    A response keeps a security header that the application has set itself, as a page does that
    needs scripts.

    Parameters
    ----------
    app : ASGI application
        What is protected, with all its routes.
    gate : Gate
        Decides who passes.
    """

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            # There is none, so none needs to be let in.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        token = REQUEST_ID.set(request_id.decode())
        label, need = route_of(scope["path"])
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = completed_headers(
                    message.get("headers", ()), request_id, status
                )
            await send(message)

        try:
            await self._admit(scope, receive, send_with_headers, label, need)
        except Exception as error:  # noqa: BLE001 - it would cost the caller uvicorn's own 500
            failure = failure_of(error, scope, begun=bool(status))
            if failure is not None:
                await failure(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            observe_request(label, seconds)
            if logger.isEnabledFor(logging.INFO):
                _log(scope, label, status, seconds)
            REQUEST_ID.reset(token)

    async def _admit(
        self, scope: Scope, receive: Receive, send: Send, label: str, need: Need
    ) -> None:
        try:
            caller = await self._gate.admit(scope, label, need)
        except RequestError as error:
            await refusal(error, scope["path"])(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["caller"], state["sees_all"] = caller.name, "admin" in caller.scopes
        await self._app(scope, receive, send)


def for_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return an application that pages of these web origins may ask from a browser.

    It stands before the access check, because a browser asks first whether it may, without a key.
    """
    return CORSMiddleware(
        app, origins, allow_methods=_CORS_METHODS, allow_headers=_CORS_HEADERS,
        expose_headers=("X-Request-Id",),
    )  # fmt: skip


def _request_id(scope: Scope) -> bytes:
    """Return the request's own id where it is harmless to repeat, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: bytes = value
            if _SANE_ID.fullmatch(given):
                return given
            break
    return new_request_id()


def new_request_id() -> bytes:
    """Return an id that no other request has."""
    return hexlify(os.urandom(8))


def completed_headers(
    headers: "list[tuple[bytes, bytes]] | tuple[()]", request_id: bytes, status: int
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with those that every response has."""
    present = {name.lower() for name, _ in headers}
    completed = [*headers, (b"x-request-id", request_id)]
    completed += [header for header in _HEADERS if header[0] not in present]
    if status == 401:
        completed.append(_CHALLENGE)
    return completed


def _log(scope: Scope, label: str, status: int, seconds: float) -> None:
    entry = {
        "event": "request",
        "method": scope["method"],
        "route": label,
        "status": status,
        "milliseconds": round(1000 * seconds, 2),
        "caller": scope.get("state", {}).get("caller"),
    }
    logger.info("Answered.", extra={"fields": entry})
