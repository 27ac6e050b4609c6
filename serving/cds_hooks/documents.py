"""What `/docs.json` says of CDS Hooks beyond its requests; `services.py` and `cards.py` answer."""

from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.cds_hooks.calls import HookCall, HookContext
from serving.cds_hooks.feedback import (
    AcceptedSuggestion,
    Feedback,
    FeedbackBody,
    OverrideReason,
    Reason,
)

_CLOSED = ConfigDict(frozen=True, extra="forbid")


class ServiceOffer(BaseModel):
    """One service that an EHR may call."""

    model_config = _CLOSED

    id: str
    hook: str
    title: str
    description: str
    prefetch: dict[str, str] = Field(description="The FHIR queries to carry out, by key.")
    usageRequirements: str  # noqa: N815  # as CDS Hooks names it


class ServiceList(BaseModel):
    """What discovery answers."""

    model_config = _CLOSED

    services: tuple[ServiceOffer, ...]


class CardSource(BaseModel):
    """Who says so."""

    model_config = _CLOSED

    label: str
    url: str = Field(default="", description="Left out where none is set.")


class Card(BaseModel):
    """One card."""

    model_config = _CLOSED

    uuid: str = Field(description="Of a prediction, its prediction_id; feedback names it.")
    summary: str = Field(max_length=139)
    detail: str = Field(description="GitHub Flavored Markdown.")
    indicator: Literal["info"]
    source: CardSource
    overrideReasons: tuple[Reason, ...]  # noqa: N815


class CardList(BaseModel):
    """What a call of a hook answers; without a card where it is not about TMS."""

    model_config = _CLOSED

    cards: tuple[Card, ...]


class Received(BaseModel):
    """What feedback is answered with: nothing."""

    model_config = _CLOSED


_ID: Final = "7f2c1e0a-5d0b-4a52-9f7e-0d5c1b1f4a11"
_NOW: Final = datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
_REASON: Final = Reason(
    code="disagree", system="https://ehr.example.org/reasons", display="I estimate otherwise"
)
_PERSON: Final[dict[str, Any]] = {"resourceType": "Patient", "id": "simulated-1"}
EXAMPLES: Final = (
    ServiceList(
        services=(
            ServiceOffer(
                id="tms-response",
                hook="patient-view",
                title="Response to TMS",
                description="Estimates the probability of response to TMS for depression.",
                prefetch={"patient": "Patient/{{context.patientId}}"},
                usageRequirements="Reads the prefetch only and never calls the FHIR server.",
            ),
        )
    ),
    CardList(
        cards=(
            Card(
                uuid=_ID,
                summary="TMS: estimated probability of response 44 % (40 % to 53 %).",
                detail="**Estimated probability: 44 %**",
                indicator="info",
                source=CardSource(
                    label="tms-response (research use only)", url="https://tms.example.org"
                ),
                overrideReasons=(_REASON,),
            ),
        )
    ),
    HookCall(
        hook="order-select",
        hookInstance="d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        context=HookContext(
            userId="Practitioner/example",
            patientId="simulated-1",
            selections=["ServiceRequest/order"],
            draftOrders={"resourceType": "Bundle", "type": "collection", "entry": []},
        ),
        prefetch={"patient": _PERSON},
    ),
    FeedbackBody(
        feedback=(
            Feedback(
                card=_ID,
                outcome="overridden",
                overrideReason=OverrideReason(reason=_REASON, userComment="Prefers medication."),
                outcomeTimestamp=_NOW,
            ),
            Feedback(
                card=_ID,
                outcome="accepted",
                acceptedSuggestions=(AcceptedSuggestion(id="suggestion-1"),),
                outcomeTimestamp=_NOW,
            ),
        )
    ),
)
