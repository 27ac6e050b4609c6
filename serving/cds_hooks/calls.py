"""Reading a call of a hook: its context, its prefetch, and nothing from the EHR's FHIR server."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_schemas.errors import FieldProblem, field_problems
from serving.cds_hooks.services import PATIENT, CdsService
from serving.fhir.codes import Codes
from serving.fhir.reading import is_tms_order
from serving.fhir.resources import MAXIMUM_ENTRIES, READ_KINDS, Resource, checked
from serving.requests import RequestError

# Access tokens and the address of the FHIR server are neither read nor kept.
_CONFIG = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, strict=True)
_Identifier = Annotated[str, Field(min_length=1, max_length=255)]
_UUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class HookContext(BaseModel):
    """Who is looked at, by whom, and what is being ordered."""

    model_config = _CONFIG

    userId: _Identifier  # noqa: N815  # as CDS Hooks names them
    patientId: _Identifier  # noqa: N815
    selections: list[_Identifier] | None = Field(
        default=None, max_length=500, description="What is selected; order-select needs it."
    )
    draftOrders: dict[str, Any] | None = Field(  # noqa: N815
        default=None, description="A Bundle of the orders; order-select needs it."
    )


class HookCall(BaseModel):
    """The body of a call."""

    model_config = _CONFIG

    hook: _Identifier = Field(description="That of the service that is called.")
    hookInstance: str = Field(pattern=_UUID)  # noqa: N815
    context: HookContext
    prefetch: dict[str, Any] | None = Field(
        default=None, description="What answers the queries of discovery, by their keys."
    )


def parse_call(content: object, service: CdsService) -> HookCall:
    """Validate the body of a call.

    Raises
    ------
    RequestError
        400 where it is not a call of this service's hook.
    """
    try:
        call = HookCall.model_validate(content)
    except ValidationError as error:
        message = "The body is not a call of a CDS Hook; nothing was predicted."
        raise RequestError(400, "invalid_call", message, tuple(field_problems(error))) from None
    if call.hook != service.hook:
        problem = FieldProblem("hook", "is not the hook of this service", service.hook)
        message = f"The service {service.id} stands on another hook; see GET /cds-services."
        raise RequestError(400, "wrong_hook", message, (problem,))
    context = call.context
    if service.hook == "order-select" and (
        context.selections is None or context.draftOrders is None
    ):
        problem = FieldProblem("context", "needs selections and draftOrders")
        message = "The context is not that of order-select; nothing was predicted."
        raise RequestError(400, "invalid_call", message, (problem,))
    return call


def selected_tms_orders(call: HookCall, codes: Codes) -> list[Resource]:
    """Return the orders of TMS among what is selected.

    Raises
    ------
    RequestError
        422 where a selected ServiceRequest is not valid R4.
    """
    selected = set(call.context.selections or ())
    orders = []
    for place, content in _contents("context.draftOrders", call.context.draftOrders):
        if content.get("resourceType") != "ServiceRequest":
            continue
        if f"ServiceRequest/{content.get('id')}" not in selected:
            continue
        order = checked("ServiceRequest", content, place)
        if is_tms_order(order, codes):
            orders.append(order)
    return orders


def prefetched(call: HookCall) -> list[Resource]:
    """Return the resources that the EHR sent along.

    Raises
    ------
    RequestError
        412 where the patient is not among them, 400 where another patient is, 422 where a
        resource is not valid R4.
    """
    prefetch = call.prefetch or {}
    person = prefetch.get(PATIENT)
    if not isinstance(person, dict) or person.get("resourceType") != "Patient":
        raise lacking("prefetch.patient", "the Patient of the context")
    if person.get("id") != call.context.patientId:
        problem = FieldProblem("prefetch.patient", "is not the patient of the context")
        message = "The prefetch is about another patient; nothing was predicted."
        raise RequestError(400, "other_patient", message, (problem,))
    found: dict[str, Resource] = {}
    read = 0
    for key, value in prefetch.items():
        for place, content in _contents(f"prefetch.{key[:32]}", value):
            kind = content.get("resourceType")
            if kind in READ_KINDS:
                read += 1
                if read > MAXIMUM_ENTRIES:
                    raise _too_many("prefetch")
                resource = checked(kind, content, place)
                found.setdefault(resource.reference, resource)
    return list(found.values())


def _contents(place: str, value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the resources of a searchset, or a resource by itself; none where there is no data."""
    if not isinstance(value, dict):
        return
    if value.get("resourceType") != "Bundle":
        yield place, value
        return
    entries = value.get("entry") or []
    if not isinstance(entries, list) or len(entries) > MAXIMUM_ENTRIES:
        raise _too_many(place)
    for number, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield f"{place}.entry[{number}].resource", resource


def _too_many(place: str) -> RequestError:
    problem = FieldProblem(place, "should be a list", f"at most {MAXIMUM_ENTRIES} entries")
    message = "A part of the prefetch cannot be read; nothing was predicted."
    return RequestError(422, "invalid_fhir", message, (problem,))


def lacking(field: str, needed: str) -> RequestError:
    """Return the refusal of a call that lacks what every answer needs."""
    message = "Data that this service needs were not sent along or are not in the record."
    return RequestError(412, "data_missing", message, (FieldProblem(field, "is missing", needed),))
