"""Response and remission: what is predicted, on which instrument, and when."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from data_schemas.errors import DataError, field_error
from data_schemas.instruments import get_instrument

OutcomeKind = Literal["response", "remission"]


def _known_instrument(name: str) -> str:
    try:
        return get_instrument(name).name
    except DataError as error:
        raise ValueError(error.message) from None


class OutcomeDefinition(BaseModel):
    """The one yes-or-no question that a model answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: OutcomeKind = Field(description="Response or remission.")
    instrument: str = Field(description="The instrument of baseline and outcome alike.")
    horizon: str = Field(
        default="end of treatment", description="When the outcome is measured, in words."
    )

    _instrument_is_known = field_validator("instrument")(_known_instrument)

    @model_validator(mode="after")
    def _remission_is_defined(self) -> Self:
        if self.kind == "remission" and get_instrument(self.instrument).remission_cutoff is None:
            raise field_error(
                "kind", f"remission is not defined on {self.instrument}; use response"
            )
        return self

    def describe(self) -> str:
        """Return the definition as a phrase.

        Examples
        --------
        >>> OutcomeDefinition(kind="response", instrument="HDRS-17").describe()
        'at least 50 % fall of the HDRS-17 total from baseline at end of treatment'
        """
        instrument = get_instrument(self.instrument)
        if self.kind == "response":
            percent = round(100 * instrument.response_reduction)
            what = f"at least {percent} % fall of the {self.instrument} total from baseline"
        else:
            what = f"{self.instrument} total of {instrument.remission_cutoff} or below"
        return f"{what} at {self.horizon}"


class Outcome(BaseModel):
    """One patient's totals before and after treatment, on the same instrument."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    instrument: str = Field(description="The instrument of both totals.")
    baseline_total: float = Field(
        description="Total before the first session.", allow_inf_nan=False
    )
    final_total: float = Field(description="Total at the horizon.", allow_inf_nan=False)

    _instrument_is_known = field_validator("instrument")(_known_instrument)

    @model_validator(mode="after")
    def _totals_fit_the_instrument(self) -> Self:
        instrument = get_instrument(self.instrument)
        for name, total in (("baseline", self.baseline_total), ("final", self.final_total)):
            if not instrument.minimum <= total <= instrument.maximum:
                raise field_error(
                    f"{name}_total",
                    f"is out of range for {self.instrument}",
                    f"{instrument.minimum} to {instrument.maximum}",
                )
        if self.baseline_total <= instrument.minimum:
            raise field_error(
                "baseline_total", f"a change from a {self.instrument} total of 0 is undefined"
            )
        return self

    @property
    def percent_improvement(self) -> float:
        """Fall from baseline in percent, `100 (baseline - final) / baseline`; at most 100."""
        return 100.0 * (self.baseline_total - self.final_total) / self.baseline_total

    @property
    def response(self) -> bool:
        """Whether the total fell by the instrument's response fraction or more."""
        reduction = get_instrument(self.instrument).response_reduction
        # A product, not a quotient: 12 of 24 is exactly half.
        return self.baseline_total - self.final_total >= reduction * self.baseline_total

    @property
    def remission(self) -> bool | None:
        """Whether the final total is at or below the cutoff; None where there is no cutoff."""
        cutoff = get_instrument(self.instrument).remission_cutoff
        return None if cutoff is None else self.final_total <= cutoff

    def achieved(self, kind: OutcomeKind) -> bool:
        """Return whether the patient reached the outcome of that kind.

        Raises
        ------
        DataError
            When remission is asked of an instrument without a cutoff.
        """
        reached = self.response if kind == "response" else self.remission
        if reached is None:
            raise DataError(f"Remission is not defined on {self.instrument}; use response.")
        return reached
