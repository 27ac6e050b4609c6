"""What clinicians did with a card: validated here, kept by a store."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Protocol, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from data_schemas.errors import field_error
from serving.ledger.database import LedgerUnavailableError
from serving.ledger.ledger import Ledger
from serving.recording import ledger_unavailable

_CONFIG = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
_Text = Annotated[str, Field(min_length=1, max_length=4000)]
_Name = Annotated[str, Field(min_length=1, max_length=255)]
_MAXIMUM_KEPT: Final = 10_000


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is before the year 1 or after 9999 in UTC") from None


class AcceptedSuggestion(BaseModel):
    """A suggestion that was taken up."""

    model_config = _CONFIG

    id: _Name = Field(description="The uuid of the suggestion.")


class Reason(BaseModel):
    """A coded reason."""

    model_config = _CONFIG

    code: _Name
    system: _Name | None = None
    display: _Name | None = None


class OverrideReason(BaseModel):
    """Why a card was set aside."""

    model_config = _CONFIG

    reason: Reason | None = None
    userComment: _Text | None = Field(  # noqa: N815  # as CDS Hooks names it
        default=None, description="The clinician's own words; kept, and never logged."
    )


class Feedback(BaseModel):
    """What became of one card."""

    model_config = _CONFIG

    card: _Name = Field(description="The uuid of the card, which is the prediction's identifier.")
    outcome: Literal["accepted", "overridden"]
    acceptedSuggestions: tuple[AcceptedSuggestion, ...] = ()  # noqa: N815
    overrideReason: OverrideReason | None = None  # noqa: N815
    outcomeTimestamp: Annotated[AwareDatetime, AfterValidator(_in_utc)]  # noqa: N815

    @model_validator(mode="after")
    def _accepted_names_suggestions(self) -> Self:
        if self.outcome == "accepted" and not self.acceptedSuggestions:
            raise field_error("acceptedSuggestions", "is required where the outcome is accepted")
        return self


class FeedbackBody(BaseModel):
    """The body of a feedback request."""

    model_config = _CONFIG

    feedback: tuple[Feedback, ...] = Field(min_length=1, max_length=100)


class FeedbackStore(Protocol):
    """Where feedback is kept."""

    def record(self, service: str, caller: str, feedback: Sequence[Feedback]) -> None:
        """Keep a caller's feedback on cards of one service; return only when it is kept."""


class LedgerFeedbackStore:
    """Keeps feedback in the ledger, beside the predictions that it is about.

    Parameters
    ----------
    ledger : Ledger
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(self, service: str, caller: str, feedback: Sequence[Feedback]) -> None:
        """Keep feedback on cards of one service.

        Raises
        ------
        RequestError
            503 when the ledger cannot be written.
        """
        try:
            for each in feedback:
                content = each.model_dump(mode="json", exclude_none=True)
                self._ledger.record_feedback(service, caller, content)
        except LedgerUnavailableError:
            raise ledger_unavailable() from None


class MemoryFeedbackStore:
    """Keeps the last feedback of this process only; it is gone when the process ends."""

    def __init__(self) -> None:
        self.kept: deque[tuple[str, Feedback]] = deque(maxlen=_MAXIMUM_KEPT)

    def record(self, service: str, caller: str, feedback: Sequence[Feedback]) -> None:  # noqa: ARG002
        """Keep feedback on cards of one service."""
        self.kept.extend((service, each) for each in feedback)
