"""Every refusal and every failure in one shape, and none of them with what was sent."""

import logging

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data_schemas.errors import FieldProblem
from serving.fhir.outcome import FHIR_JSON, operation_outcome, speaks_fhir
from serving.fhir.settings import FhirSettings
from serving.logs import describe
from serving.metrics import REFUSALS
from serving.query import bad_parameters
from serving.requests import RequestError

logger = logging.getLogger("tms_response.serving")

_BY_STATUS = {
    404: ("not_found", "There is no such path; GET /docs.json lists them."),
    405: ("method_not_allowed", "This path does not take this method; see GET /docs.json."),
}


def refusal(error: RequestError, path: str = "") -> Response:
    """Return the response to a request that is refused, and count it.

    Parameters
    ----------
    error : RequestError
    path : str
        That was asked; below `/fhir/` the response is an OperationOutcome, else an `ErrorBody`.
    """
    REFUSALS.labels(error.code).inc()
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    if speaks_fhir(path):
        outcome = operation_outcome(error, FhirSettings.from_environment())
        return Response(orjson.dumps(outcome), error.status, headers, media_type=FHIR_JSON)
    content = error.body().model_dump_json()
    return Response(content, error.status, headers, media_type="application/json")


def add_error_handlers(app: FastAPI) -> None:
    """Give every refusal and failure of an application the shape that `refusal` gives."""

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return refusal(error, request.scope["path"])

    @app.exception_handler(HTTPException)
    async def unroutable(request: Request, error: HTTPException) -> Response:
        code, message = _BY_STATUS.get(error.status_code, ("refused", "The request was refused."))
        response = refusal(RequestError(error.status_code, code, message), request.scope["path"])
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(request: Request, error: RequestValidationError) -> Response:
        problems = tuple(
            FieldProblem(str(detail["loc"][-1]), "is not valid", "true or false")
            for detail in error.errors()
        )
        return refusal(bad_parameters(problems), request.scope["path"])

    app.add_middleware(ContainedFailures)


def failure_of(error: Exception, scope: Scope, *, begun: bool) -> Response | None:
    """Log where our own code failed, but not with what, and return what is to be answered.

    The text of an unexpected exception may hold a patient's value, so neither it nor a traceback
    is logged: only its class and the line that raised it.

    Parameters
    ----------
    error : Exception
    scope : ASGI scope
        Of an HTTP request.
    begun : bool
        Whether an answer was already on its way, beside which there is no place for another.

    Returns
    -------
    Response or None
        A 500; None where an answer has begun, or the client hung up, which is no failure.
    """
    if isinstance(error, ClientDisconnect):
        logger.info("A client hung up before its request was complete.")
        return None
    logger.error("Request failed: %s", describe(error))
    if begun:
        return None
    message = "The service failed on this request, by its own fault; try again later."
    return refusal(RequestError(500, "internal_error", message), scope["path"])


class ContainedFailures:
    """Answer 500 where our own code fails; see `failure_of`.

    Parameters
    ----------
    app : ASGI application
        Whose exceptions are contained.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        started = False

        async def noting_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting_start)
        except Exception as error:  # noqa: BLE001
            failure = failure_of(error, scope, begun=started)
            if failure is not None:
                await failure(scope, receive, send)
