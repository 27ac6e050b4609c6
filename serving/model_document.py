"""`model.json`: everything a fitted model must say about itself, as text.

The same data, configuration and seed give the same bytes: fields stand in declared order, numbers
in Python's shortest exact form, and there are neither times nor paths. No patient's record is in
it, and no value of a single patient: see `ReferenceDistribution`.
"""

import hashlib
import json
from functools import cache
from itertools import pairwise
from math import inf
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from data_schemas.connectome import ConnectomeQuality
from data_schemas.errors import ModelError, field_problems
from data_schemas.extra import ExtraDeclaration
from data_schemas.instruments import INSTRUMENTS
from data_schemas.outcome import OutcomeDefinition
from data_schemas.patient import Patient
from features.course import Landmark
from features.nodes import NodeTable
from features.site_effects import SiteEffects
from serving.update_document import LocalUpdate

FORMAT_VERSION: Final = 1

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_WORDS_ONLY = frozenset({"title", "description", "source"})


class ReferenceDistribution(BaseModel):
    """How one feature was distributed among the training patients in whom it was known.

    A percentile is a value that at least five of them share, or a rounded mean of five. At least
    five lie at or below `p1`, and at or above `p99`: among few patients these are less extreme
    than their names say, and the usual range reaches further, as it would in a normal distribution.
    """

    model_config = _FROZEN

    p1: float = Field(description="1st percentile, or the lowest that is not a few patients'.")
    p5: float = Field(description="5th percentile, never below p1.")
    p25: float = Field(description="25th percentile.")
    p50: float = Field(description="Median.")
    p75: float = Field(description="75th percentile.")
    p95: float = Field(description="95th percentile, never above p99.")
    p99: float = Field(description="99th percentile, or the highest that is not a few patients'.")
    lowest_usual: float = Field(description="Low end of the range of about 98 % of them.")
    highest_usual: float = Field(description="High end of the range of about 98 % of them.")
    mean: float | None = Field(
        default=None, description="Mean, values beyond p1 and p99 counted as these."
    )
    sd: float | None = Field(
        default=None, ge=0, description="Standard deviation, values limited in the same way."
    )
    lowest_accepted: float | None = Field(
        default=None,
        description="Below it the model declines to answer: further from p50 than lowest_usual by "
        "a factor. Null where nothing is too low.",
    )
    highest_accepted: float | None = Field(
        default=None,
        description="Above it the model declines to answer: further from p50 than highest_usual "
        "by a factor. Null where nothing is too high.",
    )

    @model_validator(mode="after")
    def _percentiles_ascend(self) -> Self:
        values = (
            -inf if self.lowest_accepted is None else self.lowest_accepted,
            self.lowest_usual,
            *(self.p1, self.p5, self.p25, self.p50, self.p75, self.p95, self.p99),
            self.highest_usual,
            inf if self.highest_accepted is None else self.highest_accepted,
        )
        if any(lower > upper for lower, upper in pairwise(values)):
            raise ValueError("percentiles, and the ranges around them, must not descend")
        return self


class FeatureDocument(BaseModel):
    """One column of the model's input."""

    model_config = _FROZEN

    name: str = Field(min_length=1, description="Name in `features/table.py`, or of an extra.")
    label: str = Field(description="Name in plain language.")
    unit: str = Field(description="Unit of the value; empty where it has none.")
    domain: str = Field(description="Clinical domain, such as severity or medication.")
    group: str = Field(description="clinical or connectivity.")
    monotone: Literal[-1, 0, 1] = Field(description="Direction that the model was held to.")
    missing_share: float = Field(ge=0, le=1, description="Share of training patients without it.")
    reference: ReferenceDistribution | None = Field(
        description="Training percentiles; null where fewer than 25 training patients had it."
    )
    importance: float = Field(
        ge=0, le=1, description="Its mean absolute contribution as a share of all features'."
    )


class Calibration(BaseModel):
    """Served log-odds = slope * margin + intercept; a slope of 0 serves the base rate."""

    model_config = _FROZEN

    slope: float = Field(ge=0)
    intercept: float


class BoosterDocument(BaseModel):
    """What `booster.txt` must be: the trees of all bags, one bag after the other."""

    model_config = _FROZEN

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Digest of the file.")
    n_bags: int = Field(ge=1, description="Boosters averaged, each on a resampled cohort.")
    trees_per_bag: int = Field(ge=1)

    @classmethod
    def of(cls, text: str, n_bags: int) -> Self:
        """Describe a merged booster as written by `serving.booster_text.merge_boosters`."""
        n_trees = sum(line.startswith("Tree=") for line in text.splitlines())
        if n_trees % n_bags:
            raise ModelError(f"{n_trees} trees cannot be shared evenly among {n_bags} bags.")
        digest = hashlib.sha256(text.encode()).hexdigest()
        return cls(sha256=digest, n_bags=n_bags, trees_per_bag=n_trees // n_bags)


class SpreadDocument(BaseModel):
    """What `spread.json` must be: replicates of the training pipeline, in compact form."""

    model_config = _FROZEN

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Digest of the file.")
    n_replicates: int = Field(ge=1, description="Bootstraps of the whole pipeline.")

    @classmethod
    def of(cls, text: str, n_replicates: int) -> Self:
        """Describe a table as written by `serving.stability_interval.SpreadTable.to_text`."""
        return cls(sha256=hashlib.sha256(text.encode()).hexdigest(), n_replicates=n_replicates)


class IntervalDocument(BaseModel):
    """How the interval beside each probability is made."""

    model_config = _FROZEN

    method: str = Field(min_length=1)
    level: float = Field(gt=0, lt=1)
    spread: SpreadDocument | None = Field(
        default=None, description="Null where the interval is the spread of the bags."
    )


class Abstention(BaseModel):
    """When the model declines to answer, beside the accepted range of each feature."""

    model_config = _FROZEN

    always: str | None = Field(
        default=None, description="Why it never answers, as a sentence; null when it does."
    )
    smaller_class_count: int = Field(
        ge=0, description="Training patients in the rarer of the two outcomes."
    )
    maximum_missing_importance: float = Field(
        gt=0, le=1, description="Largest share of the importance that may be missing."
    )
    maximum_distance: float = Field(
        gt=0,
        description="Largest distance from the training cohort, over all features, in robust SDs: "
        "a little further than the most distant 1 % of the training patients.",
    )


class ConnectomeRequirements(BaseModel):
    """What a connectome must be for this model to use it."""

    model_config = _FROZEN

    quality: ConnectomeQuality = Field(default_factory=ConnectomeQuality)
    global_signal_regressed: bool | None = Field(
        default=None, description="As in the training scans; null where unknown or mixed."
    )
    node_table: NodeTable | None = Field(
        default=None,
        description="What the labels of the training scans' atlas mean, and the only labels that "
        "are accepted; null for the Schaefer and 4S atlases.",
    )


class LandmarkDocument(BaseModel):
    """When in the course of treatment a model is asked, and how it reads the scores until then."""

    model_config = _FROZEN

    week: float = Field(gt=0, description="Weeks of treatment; later scores are not looked at.")
    instrument: str = Field(description="The only instrument of the scores that is accepted.")
    sessions_a_week: float = Field(gt=0, description="Turns sessions into weeks.")

    def landmark(self) -> Landmark:
        """Return it as the features of the course take it."""
        return Landmark(self.week, self.instrument, self.sessions_a_week)


class TrainingPopulation(BaseModel):
    """On whom the model was trained."""

    model_config = _FROZEN

    cohort: str = Field(min_length=1, description="Name of the cohort.")
    description: str
    treatment: str = Field(description="What the patients received, in words.")
    is_tms: bool
    simulated: bool
    n_patients: int = Field(ge=1)
    n_events: int = Field(ge=0, description="Patients who reached the outcome.")
    n_sites: int = Field(ge=0, description="Sites that are recorded; 0 where none is.")
    licence: str
    citation: str

    def sentence(self) -> str:
        """Return the cohort in one sentence, as it stands beside every prediction."""
        kind = "simulated patients" if self.simulated else "patients"
        sites = f" at {self.n_sites} site{'' if self.n_sites == 1 else 's'}" if self.n_sites else ""
        return (
            f"{self.n_patients} {kind}{sites}, of whom {self.n_events} reached the outcome; "
            f"cohort {self.cohort}; treatment: {self.treatment}"
        )


class Provenance(BaseModel):
    """What produced the model."""

    model_config = _FROZEN

    seed: int
    config_hash: str
    data_fingerprint: str
    library_versions: dict[str, str] = Field(description="Versions of what shapes the numbers.")

    @field_validator("library_versions")
    @classmethod
    def _by_name(cls, versions: dict[str, str]) -> dict[str, str]:
        return dict(sorted(versions.items()))


class ModelDocument(BaseModel):
    """The content of `model.json`."""

    model_config = _FROZEN

    format_version: Literal[1] = FORMAT_VERSION
    name: str = Field(min_length=1)
    version: str = Field(min_length=1, description="Label; a digest is added when served.")
    schema_hash: str = Field(description="`patient_schema_hash()` when the model was trained.")
    outcome: OutcomeDefinition
    depression_instrument: str | None = Field(
        description="The only instrument of depression_total that is accepted; null for any."
    )
    anxiety_instrument: str | None = Field(
        description="The only instrument of anxiety_total that is accepted; null for any."
    )
    base_rate: float = Field(gt=0, lt=1)
    calibration: Calibration
    booster: BoosterDocument | None = Field(description="Null where the base rate is the model.")
    interval: IntervalDocument
    abstention: Abstention
    features: tuple[FeatureDocument, ...] = Field(min_length=1)
    extra_measurements: tuple[ExtraDeclaration, ...] = ()
    required_fields: tuple[str, ...] = Field(
        default=(), description="Fields of Patient without which the model refuses."
    )
    connectome: ConnectomeRequirements
    harmonisation: SiteEffects | None = Field(
        default=None,
        description="What scanners add to connectivity, taken away from a patient of a known site; "
        "null where nothing is.",
    )
    adapted_from: str | None = Field(
        default=None,
        description="Version of the model that this one is but for further sites harmonised.",
    )
    updates: tuple[LocalUpdate, ...] = Field(
        default=(), description="Recalibrations after training, the latest last."
    )
    landmark: LandmarkDocument | None = Field(
        default=None,
        description="When in the course of treatment the model is asked; null before treatment.",
    )
    sites: tuple[str, ...] = Field(description="Sites seen in training, sorted.")
    trained_on: TrainingPopulation
    provenance: Provenance

    @field_validator("sites")
    @classmethod
    def _sorted(cls, sites: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(sites)))

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise ValueError("features must be unique")
        unknown = set(self.required_fields) - set(Patient.model_fields)
        if unknown:
            raise ValueError(f"required_fields must be fields of Patient: {sorted(unknown)}")
        for instrument in (self.depression_instrument, self.anxiety_instrument):
            if instrument is not None and instrument not in INSTRUMENTS:
                raise ValueError(f"instruments must be among {', '.join(INSTRUMENTS)}")
        return self

    def to_text(self) -> str:
        """Return the document as JSON text: the same for the same content, byte for byte."""
        content = self.model_dump(mode="json")
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a document.

        Raises
        ------
        ModelError
            When the text is not a document of this version, or was trained on another schema of
            Patient.
        """
        _check_format_version(text)
        try:
            document = cls.model_validate_json(text)
        except ValidationError as error:
            raise ModelError(
                "model.json is not a complete model document; train the model again.",
                field_problems(error),
            ) from None
        if document.schema_hash != patient_schema_hash():
            raise ModelError(
                "The model was trained on another version of the Patient schema "
                f"({document.schema_hash[:12]}, here {patient_schema_hash()[:12]}); "
                "train it again with this version, or serve it with the version that trained it."
            )
        return document

    @property
    def serves_base_rate(self) -> bool:
        """Whether every answer is the base rate, whatever the inputs."""
        return self.booster is None or self.calibration.slope == 0

    @property
    def digest(self) -> str:
        """First twelve hexadecimal digits of the SHA-256 of the document's text."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()[:12]


def _check_format_version(text: str) -> None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelError("model.json is not JSON; copy or train the model again.") from None
    if not isinstance(content, dict):
        raise ModelError("model.json does not hold one JSON object; train the model again.")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(
            f"model.json has format_version {version!r}; this release reads {FORMAT_VERSION}. "
            "Train the model again, or use the release that wrote it."
        )


@cache
def patient_schema_hash() -> str:
    """Return the SHA-256 of what Patient accepts: names, types, ranges and units, not wording."""
    schema = _without_words(Patient.model_json_schema())
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()


def _without_words(schema: Any) -> Any:  # noqa: ANN401
    if isinstance(schema, dict):
        return {
            key: _without_words(value)
            for key, value in schema.items()
            if not (key in _WORDS_ONLY and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [_without_words(value) for value in schema]
    return schema
