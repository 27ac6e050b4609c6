"""A further baseline number that a cohort declares: its meaning, unit and range."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_schemas.patient import ExtraName


class ExtraMeaning(BaseModel):
    """What a declared number is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label: str = Field(min_length=1, description="Name in plain language, for reports.")
    meaning: str = Field(min_length=1, description="What was measured, and how.")
    unit: str = Field(min_length=1, description="Unit of the number, such as points.")
    minimum: float = Field(description="Lowest possible value.")
    maximum: float = Field(description="Highest possible value.")
    group: Literal["clinical", "connectivity"] = Field(
        default="clinical",
        description="Which comparators see it: connectivity for summaries of a scan.",
    )

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.minimum >= self.maximum:
            raise ValueError("minimum must be less than maximum")
        return self


class ExtraDeclaration(ExtraMeaning):
    """What a model needs to know of `Patient.extra[name]`."""

    name: ExtraName = Field(description="Key in Patient.extra.")
