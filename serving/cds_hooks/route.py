"""`/cds-services`: discovery, calls and feedback."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import anyio.to_thread
import orjson
from fastapi import APIRouter, FastAPI, Path, Request, Response
from fastapi.params import Depends
from pydantic import BaseModel, ValidationError

from data_schemas.errors import field_problems
from data_schemas.prediction import ErrorBody
from serving.cds_hooks.calls import (
    HookCall,
    lacking,
    parse_call,
    prefetched,
    selected_tms_orders,
)
from serving.cds_hooks.cards import inputs_card, prediction_card
from serving.cds_hooks.documents import CardList, Received, ServiceList
from serving.cds_hooks.feedback import FeedbackBody, FeedbackStore
from serving.cds_hooks.services import SERVICES, CdsService, discovery
from serving.fhir.reading import Reading
from serving.fhir.route import FhirReader
from serving.ledger.entries import Predicted
from serving.recording import IDEMPOTENCY_HEADER, PATIENT_HEADER, Answer, Recorder, caller_of
from serving.requests import RequestError, parse_json, read_body

_BY_ID: Final = {service.id: service for service in SERVICES}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": ErrorBody, "description": "Not a call of this service's hook."},
    404: {"model": ErrorBody, "description": "There is no such service."},
    412: {"model": ErrorBody, "description": "Data that the service needs are missing."},
    413: {"model": ErrorBody, "description": "The body is too large."},
    415: {"model": ErrorBody, "description": "The body is announced as something else than JSON."},
    422: {"model": ErrorBody, "description": "A resource cannot be used."},
    503: {"model": ErrorBody, "description": "The ledger cannot be written."},
}
# Only those that exist; others get 404.
_ServiceId = Annotated[
    str,
    Path(
        description="As discovery names it.",
        examples=[SERVICES[0].id],
        json_schema_extra={"enum": [service.id for service in SERVICES]},
    ),
]


def _json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the request body of a route; `serving/openapi.py` adds the schema itself."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def add_cds_hooks(
    app: FastAPI,
    reader: FhirReader,
    recorder: Recorder,
    store: FeedbackStore,
    dependencies: Sequence[Depends] = (),
) -> None:
    """Add the routes.

    Parameters
    ----------
    app : FastAPI
        Whose handlers give refusals their shape.
    reader : FhirReader
        Reads the prefetch and asks the model.
    recorder : Recorder
        Has each prediction before its card is shown.
    store : FeedbackStore
        Keeps the feedback.
    dependencies : sequence of Depends
        Checked before every route, discovery included, such as the EHR's JWT.
    """
    router = APIRouter(prefix="/cds-services", dependencies=list(dependencies))
    offered = discovery(reader.codes)

    @router.get("", response_model=None, responses={200: {"model": ServiceList}})
    async def services() -> Response:
        """List the services, their hooks and their prefetch templates."""
        return _json(offered)

    @router.post(
        "/{service_id}",
        response_model=None,
        responses={200: {"model": CardList}, **_REFUSALS},
        openapi_extra={
            **_json_body(HookCall),
            "parameters": [IDEMPOTENCY_HEADER, PATIENT_HEADER],
        },
    )
    async def call(service_id: _ServiceId, request: Request) -> Response:
        """Answer a call of a hook with cards."""
        service, asked = _service(service_id), recorder.asked(request)
        body = await read_body(request)
        answer = await anyio.to_thread.run_sync(_answer, reader, service, body)
        return await recorder.recorded(request, asked, body, answer)

    @router.post(
        "/{service_id}/feedback",
        response_model=None,
        responses={200: {"model": Received}, **_REFUSALS},
        openapi_extra=_json_body(FeedbackBody),
    )
    async def feedback(service_id: _ServiceId, request: Request) -> Response:
        """Keep what clinicians did with cards."""
        service = _service(service_id)
        given = _parse_feedback(await read_body(request))
        caller = caller_of(request)
        await anyio.to_thread.run_sync(store.record, service.id, caller, given.feedback)
        return _json({})

    app.include_router(router)


def _service(identifier: str) -> CdsService:
    service = _BY_ID.get(identifier)
    if service is None:
        message = "There is no such service; GET /cds-services lists them."
        raise RequestError(404, "unknown_service", message)
    return service


def _answer(reader: FhirReader, service: CdsService, body: bytes) -> Answer:
    call = parse_call(parse_json(body), service)
    orders = []
    if service.hook == "order-select":
        orders = selected_tms_orders(call, reader.codes)
        if not orders:
            return _cards([])
    now = datetime.now(UTC).astimezone()
    reading = _read(reader, call, orders, now)
    if service.card == "inputs":
        card = inputs_card(reader.identity, reading, reader.features, reader.settings, now)
        return _cards([card])
    needed = reader.document.depression_instrument
    if "depression_total" not in reading.sources or (
        needed is not None and reading.patient.depression_instrument != needed
    ):
        what = needed or "a depression scale"
        raise lacking("depression_total", f"a recent total of {what} before the index date")
    predicted = reader.predict(reading)
    card = prediction_card(predicted.prediction, reading, reader.settings, now)
    return _cards([card], predicted)


def _cards(cards: list[dict[str, Any]], *predicted: Predicted) -> Answer:
    return Answer(_json({"cards": cards}), list(predicted))


def _read(reader: FhirReader, call: HookCall, orders: list[Any], now: datetime) -> Reading:
    resources = prefetched(call)
    # The order as it is being written now replaces an older draft of it.
    drafts = {each.reference for each in orders}
    kept = [each for each in resources if each.reference not in drafts]
    return reader.read([*kept, *orders], now)


def _parse_feedback(body: bytes) -> FeedbackBody:
    parse_json(body)  # stricter than pydantic's own parser
    try:
        return FeedbackBody.model_validate_json(body, strict=True)
    except ValidationError as error:
        message = "The feedback is not valid; nothing was kept."
        raise RequestError(400, "invalid_feedback", message, tuple(field_problems(error))) from None


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
