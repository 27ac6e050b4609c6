"""What a clinic reports later about a patient whose response was predicted."""

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_schemas.errors import DataError, field_error
from data_schemas.instruments import get_instrument

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


class OutcomeReport(BaseModel):
    """What happened: a final total on the model's instrument, or whether the patient responded."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    prediction_id: str = Field(pattern=_UUID, description="Identifier in the prediction.")
    measured_on: date = Field(description="Day of the final rating, such as 2026-03-31.")
    instrument: str | None = Field(
        default=None, description="Instrument of the final total: that of the model."
    )
    final_total: float | None = Field(
        default=None, allow_inf_nan=False, description="Total after treatment."
    )
    responded: bool | None = Field(
        default=None, description="Whether the patient responded, where the total is not known."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.final_total is None) == (self.responded is None):
            raise field_error("final_total", "either it or responded is needed, and not both")
        if (self.final_total is None) != (self.instrument is None):
            raise field_error("instrument", "belongs to final_total, and final_total to it")
        return self

    @model_validator(mode="after")
    def _total_fits_the_instrument(self) -> Self:
        if self.instrument is None or self.final_total is None:
            return self
        try:
            instrument = get_instrument(self.instrument)
        except DataError:
            raise field_error("instrument", "is not a known instrument") from None
        if not instrument.minimum <= self.final_total <= instrument.maximum:
            allowed = f"{instrument.minimum} to {instrument.maximum}"
            raise field_error("final_total", f"is out of range for {instrument.name}", allowed)
        return self


class OutcomeReceipt(BaseModel):
    """What the ledger did with a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction_id: str = Field(description="Identifier in the prediction.")
    status: Literal["recorded", "unchanged", "corrected"] = Field(
        description="The first report, the same as the latest one, or one that replaces it; "
        "those replaced are kept."
    )
    reports: int = Field(ge=1, description="Different reports kept of this prediction.")
