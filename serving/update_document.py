"""What an update on local outcomes says of itself: in the model that it made, and as a file."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LocalUpdate(BaseModel):
    """A recalibration on local outcomes: new log-odds = slope * those of the parent + intercept."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    parent: str = Field(min_length=1, description="Version of the model that was updated.")
    method: Literal["recalibration in the large", "logistic recalibration"]
    place: str = Field(
        min_length=1, description="Where the outcomes are from, in the user's words."
    )
    slope: float = Field(ge=0, description="0 where the parent's order was not that of outcomes.")
    intercept: float
    level_error: float = Field(
        ge=0, description="Standard error of the log-odds of an average patient."
    )
    n_patients: int = Field(ge=1, description="Local patients with a known outcome.")
    n_events: int = Field(ge=0, description="Those of them who reached it.")
    p_unchanged: float = Field(ge=0, le=1, description="Of the test that nothing need change.")
    p_level: float = Field(ge=0, le=1, description="Of the test that the level alone need change.")
    fingerprint: str = Field(
        default="", description="Of the local outcomes, by which the same ones are known again."
    )
    since: date | None = Field(
        default=None, description="First day of the predictions that it rests on; null for all."
    )
