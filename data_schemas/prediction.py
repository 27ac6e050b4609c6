"""What the model answers: a probability with its uncertainty, reasons and reservations."""

from pydantic import BaseModel, ConfigDict, Field

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Interval(BaseModel):
    """How far the probability moves under the method named; not the patient's own uncertainty."""

    model_config = _FROZEN

    lower: float = Field(ge=0, le=1, description="Lower end, as a probability.")
    upper: float = Field(ge=0, le=1, description="Upper end, as a probability.")
    level: float = Field(gt=0, lt=1, description="Share of the spread that the interval covers.")
    method: str = Field(description="How the interval was made, in words.")


class Contribution(BaseModel):
    """What one input added to or took from the log-odds; an association, not a cause."""

    model_config = _FROZEN

    feature: str = Field(description="Name of the feature in the model.")
    label: str = Field(description="Name in plain language.")
    value: float | None = Field(description="The value used; null where unknown.")
    unit: str = Field(description="Unit of the value.")
    log_odds: float = Field(description="Signed change of the log-odds of the outcome.")


class Notice(BaseModel):
    """A reservation that the reader of this prediction must know."""

    model_config = _FROZEN

    code: str = Field(description="Stable code, such as missing_input or out_of_range.")
    field: str | None = Field(default=None, description="The input concerned, if it is one.")
    message: str = Field(description="One sentence, without the patient's value.")


class PredictionOutcome(BaseModel):
    """What the probability is a probability of."""

    model_config = _FROZEN

    instrument: str = Field(description="The rating scale on which the outcome is defined.")
    definition: str = Field(description="The outcome in words.")
    horizon: str = Field(description="When the outcome is measured.")


class ModelIdentity(BaseModel):
    """Which model answered, and on whom it was trained."""

    model_config = _FROZEN

    name: str = Field(description="Name of the model.")
    version: str = Field(description="Version: a digest of the model's own files.")
    trained_on: str = Field(description="The training cohort in one sentence.")
    week: float | None = Field(
        default=None,
        description="Of treatment, at whose end it answers from the scores until then; null for "
        "the model before treatment.",
    )


class Prediction(BaseModel):
    """One patient's prediction.

    `baseline_log_odds + sum(contributions.log_odds) = logit(response_probability)` to 1e-6
    whenever the model answers with contributions.
    """

    model_config = _FROZEN

    response_probability: float | None = Field(
        ge=0, le=1, description="Probability of the outcome; null where the model abstains."
    )
    interval: Interval | None = Field(description="Null where the model abstains.")
    base_rate: float = Field(
        ge=0, le=1, description="Share of the training patients with the outcome."
    )
    baseline_log_odds: float = Field(
        description="Log-odds before any input of this patient is used."
    )
    contributions: tuple[Contribution, ...] = Field(
        description="One for each feature, largest first; empty when not asked for or abstained."
    )
    notices: tuple[Notice, ...] = Field(description="Reservations, most important first.")
    abstained: bool = Field(description="Whether the model declines to answer for this patient.")
    outcome: PredictionOutcome
    model: ModelIdentity
    prediction_id: str = Field(description="A random identifier of this answer.")


class ErrorField(BaseModel):
    """One field of a request that was refused."""

    model_config = _FROZEN

    field: str = Field(description="Name of the field.")
    problem: str = Field(description="What is wrong, without the value sent.")
    allowed: str = Field(default="", description="What would be accepted.")


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    model_config = _FROZEN

    code: str = Field(description="Stable code of the error.")
    message: str = Field(description="One sentence: what was wrong and what to do.")
    fields: tuple[ErrorField, ...] = Field(default=(), description="The fields concerned.")


class ErrorBody(BaseModel):
    """The body of every refusal."""

    model_config = _FROZEN

    error: ErrorDetail
