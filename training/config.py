"""The training configuration: read once, checked, and written into the model's provenance."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from data_schemas.connectome import ConnectomeQuality
from data_schemas.errors import (
    ConfigurationError,
    FieldProblem,
    did_you_mean,
    field_problems,
)
from data_schemas.outcome import OutcomeKind

# Below it nothing may be tuned; a configuration can ask for more, not for less.
SMALLEST_CLASS: Final = 10

DEFAULT_CONFIG: Final = Path(__file__).parent / "configs" / "default.toml"

_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ValidationConfig(BaseModel):
    """How performance is estimated."""

    model_config = _STRICT

    minimum_sites: int = Field(ge=3, description="From here on whole sites are held out.")
    folds: int = Field(ge=2, le=20)
    repeats: int = Field(ge=1, le=100)
    inner_folds: int = Field(ge=2, le=20)
    bootstraps: int = Field(ge=100, le=100_000)
    confidence: float = Field(ge=0.5, lt=1)
    thresholds: tuple[float, ...] = Field(
        description="Probabilities at which to report sensitivity, specificity, PPV and NPV."
    )
    permutations: int = Field(ge=0, le=100_000, description="Of the outcome, within sites.")
    latest_share: float = Field(
        gt=0, lt=1, description="Patients held out by date, where dates of treatment are known."
    )


class BoostingConfig(BaseModel):
    """Search space of LightGBM and of the logistic comparator."""

    model_config = _STRICT

    tuning: Literal["racing", "exhaustive"] = Field(
        description="Whether candidates that fall behind are dropped; see learning/tuning.py."
    )
    bag_repeats: int = Field(ge=1, le=50)
    learning_rate: float = Field(gt=0, le=1)
    tree_counts: tuple[int, ...] = Field(min_length=1)
    num_leaves: tuple[int, ...] = Field(min_length=1)
    min_patients_a_leaf: tuple[int, ...] = Field(min_length=1)
    l2_penalty: float = Field(ge=0)
    feature_fraction: float = Field(gt=0, le=1)
    max_bin: int = Field(ge=3, le=255)
    penalties: tuple[float, ...] = Field(min_length=1)


class HarmonisationConfig(BaseModel):
    """Whether site effects are taken out of connectivity, within every fold."""

    model_config = _STRICT

    method: Literal["none", "combat"]
    covariates: tuple[str, ...] = Field(
        description="Clinical features whose effect on connectivity is kept; never the outcome."
    )
    reference_site: str = Field(
        description="The site to whose scanner the others are brought; empty for their average."
    )


class MinimumConfig(BaseModel):
    """What a cohort needs before anything is tuned on it."""

    model_config = _STRICT

    smaller_class: int = Field(ge=SMALLEST_CLASS, description="Patients in the rarer outcome.")


class AbstentionConfig(BaseModel):
    """When the served model declines to answer.

    With the default factors, models of 80 to 3,000 simulated patients declined 0.4 to 0.8 % of
    5,000 other patients of the same clinics, on average, for being unlike the training cohort.
    """

    model_config = _STRICT

    maximum_missing_importance: float = Field(gt=0, le=1)
    input_factor: float = Field(
        ge=1,
        description="A single input may lie this many times as far from the training median as "
        "the range of about 98 % of the patients reaches; more in small cohorts.",
    )
    distance_factor: float = Field(
        ge=1,
        description="All inputs together may lie this many times as far from the training cohort "
        "as the 99th percentile of its own patients; more in small cohorts.",
    )


class IntervalConfig(BaseModel):
    """The interval beside each served probability."""

    model_config = _STRICT

    level: float = Field(gt=0, lt=1)


class StabilityConfig(BaseModel):
    """How far predictions move when the cohort is drawn again."""

    model_config = _STRICT

    replicates: int = Field(ge=0, le=10_000, description="Bootstraps of the whole pipeline.")


class SubgroupsConfig(BaseModel):
    """In whom performance is reported apart, beside sex, age and anxiety."""

    model_config = _STRICT

    columns: tuple[str, ...] = Field(description="Names of features.")
    cuts: dict[str, tuple[float, ...]] = Field(
        description="Name of a feature: where its levels after the first begin, ascending."
    )


class ChecksConfig(BaseModel):
    """Coded checks."""

    model_config = _STRICT

    ignore: tuple[str, ...] = Field(description="Codes that are reported but never fatal.")


class CourseConfig(BaseModel):
    """Models in the course of treatment."""

    model_config = _STRICT

    landmark_weeks: tuple[float, ...] = Field(
        min_length=1, description="Weeks of treatment at whose end a model is asked, ascending."
    )
    rule_week: float = Field(gt=0, description="Of the simple rule that stands beside the models:")
    rule_percent: float = Field(
        gt=0, le=100, description="at least this improvement since baseline by that week."
    )

    @field_validator("landmark_weeks")
    @classmethod
    def _ascend(cls, weeks: tuple[float, ...]) -> tuple[float, ...]:
        if weeks[0] <= 0 or list(weeks) != sorted(set(weeks)):
            raise ValueError("should be above 0 and ascend")
        return weeks


class BurdenCosts(BaseModel):
    """What the user pays, and what the step that would stand in for the treatment achieves."""

    model_config = _STRICT

    session: float = Field(gt=0, description="Cost of a session.")
    next_step: float = Field(ge=0, description="Cost of the next step, such as another drug.")
    next_step_rate: float = Field(
        ge=0, lt=1, description="Share of patients whom the next step brings to the outcome."
    )
    currency: str = Field(min_length=1, max_length=12)


class BurdenConfig(BaseModel):
    """Sessions and cost for each responder; see `training.burden`."""

    model_config = _STRICT

    sessions_in_a_course: int = Field(
        ge=0, description="0 for the median that is planned in the cohort."
    )
    thresholds: tuple[float, ...] = Field(
        min_length=1, description="Chances below which another step comes first, or instead."
    )
    rescoring_week: float = Field(gt=0, description="A landmark of the models of the course.")
    costs: BurdenCosts | None

    @field_validator("thresholds")
    @classmethod
    def _are_chances(cls, thresholds: tuple[float, ...]) -> tuple[float, ...]:
        if not 0 < thresholds[0] <= thresholds[-1] < 1 or list(thresholds) != sorted(
            set(thresholds)
        ):
            raise ValueError("should lie between 0 and 1 and ascend")
        return thresholds

    @field_validator("costs", mode="before")
    @classmethod
    def _none_given(cls, costs: object) -> object:
        return costs or None


class TrackingConfig(BaseModel):
    """Names in MLflow."""

    model_config = _STRICT

    experiment: str = Field(min_length=1)
    model_name: str = Field(min_length=1)


class TrainingConfig(BaseModel):
    """All choices of a training run."""

    model_config = _STRICT

    seed: int = Field(ge=0, lt=2**31)
    outcome: OutcomeKind
    secondary_outcomes: tuple[OutcomeKind, ...] = Field(
        description="Evaluated in the same way, but not served."
    )
    feature_groups: tuple[Literal["clinical", "connectivity"], ...] = Field(min_length=1)
    validation: ValidationConfig
    boosting: BoostingConfig
    harmonisation: HarmonisationConfig
    minimum: MinimumConfig
    abstention: AbstentionConfig
    interval: IntervalConfig
    stability: StabilityConfig
    subgroups: SubgroupsConfig
    checks: ChecksConfig
    connectome: ConnectomeQuality
    course: CourseConfig
    burden: BurdenConfig
    tracking: TrackingConfig

    @property
    def digest(self) -> str:
        """SHA-256 of the whole configuration, the same for the same choices."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_config(path: Path | None = None) -> TrainingConfig:
    """Read a configuration; keys that a user's file leaves out keep their default.

    Parameters
    ----------
    path : Path, optional
        A TOML file; without it the default configuration.

    Raises
    ------
    ConfigurationError
        When the file is absent or not TOML, or names an unknown key or a value not allowed.
    """
    settings = _read_toml(DEFAULT_CONFIG)
    if path is not None:
        settings = _merged(settings, _read_toml(path), path)
    try:
        return TrainingConfig.model_validate(settings)
    except ValidationError as error:
        raise ConfigurationError(
            f"The configuration {path} holds values that are not allowed.",
            field_problems(error, TrainingConfig),
        ) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigurationError(f"The configuration {path} cannot be read.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The configuration {path} is not TOML: {error}.") from None


def _merged(defaults: dict[str, Any], changes: dict[str, Any], path: Path) -> dict[str, Any]:
    unknown = [name for name in changes if name not in defaults]
    if unknown:
        problems = [
            FieldProblem(name, "is not a setting." + did_you_mean(name, defaults))
            for name in unknown
        ]
        raise ConfigurationError(f"The configuration {path} names unknown settings.", problems)
    merged = dict(defaults)
    for name, value in changes.items():
        # A table that is empty by default takes names of the user's own.
        nested = isinstance(defaults[name], dict) and defaults[name] and isinstance(value, dict)
        merged[name] = _merged(defaults[name], value, path) if nested else value
    return merged
