"""`burden` in `summary.json`: sessions and cost for each responder, as counts and figures alone."""

from pydantic import BaseModel, ConfigDict, Field

from training.config import BurdenCosts

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class BurdenFigure(BaseModel):
    """A figure with its interval, null where none can be given."""

    model_config = _FROZEN

    estimate: float
    lower: float | None
    upper: float | None


class BurdenRow(BaseModel):
    """A strategy at one threshold."""

    model_config = _FROZEN

    threshold: float = Field(description="The chance below which a patient is changed.")
    n_changed: float = Field(
        ge=0, description="Patients who are changed; a mean over the repeats of the validation."
    )
    n_responders_changed: float = Field(ge=0, description="Of these, who reached the outcome.")
    figures: dict[str, BurdenFigure]


class StrategyBurden(BaseModel):
    """A strategy at all thresholds at which it may be shown."""

    model_config = _FROZEN

    why_absent: str = Field(default="", description="As a sentence, where there are no rows.")
    week: float | None = Field(default=None, description="After which chances are asked again.")
    sessions_by_then: int | None = None
    n_asked: int = Field(default=0, ge=0, description="Patients with a held-out chance.")
    rows: tuple[BurdenRow, ...] = ()
    withheld: tuple[float, ...] = Field(
        default=(), description="Thresholds that part off a group of fewer than five patients."
    )


class BurdenSummary(BaseModel):
    """Sessions and cost for each responder under three ways to plan; see `training.burden`."""

    model_config = _FROZEN

    why_absent: str = Field(default="", description="As a sentence, where nothing is known.")
    sessions_in_a_course: int = Field(default=0, ge=0)
    as_planned: bool = Field(
        default=False, description="Whether that is the median of the patients' plans."
    )
    n_patients: int = Field(default=0, ge=0)
    n_responders: int = Field(default=0, ge=0)
    costs: BurdenCosts | None = None
    treat_all: dict[str, BurdenFigure] = {}
    sequencing: StrategyBurden = StrategyBurden()
    rescoring: StrategyBurden = StrategyBurden()
