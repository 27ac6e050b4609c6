"""`summary.json`: what a finished run says about itself, for the report and for MLflow.

Together with `evaluation.csv`, `out_of_fold.csv`, `explanations.npz` and `model/` it is all that
`report.html` is made from. It holds counts and sentences, never a single patient's value, and no
time or path: those stand in `run.json`.
"""

import json
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_schemas.errors import DataError, field_problems
from data_schemas.outcome import OutcomeDefinition
from serving.model_document import Provenance, TrainingPopulation
from training.burden.summary import BurdenSummary

SUMMARY_FILE: Final = "summary.json"
EVALUATION_FILE: Final = "evaluation.csv"
OUT_OF_FOLD_FILE: Final = "out_of_fold.csv"
EXPLANATIONS_FILE: Final = "explanations.npz"
HELD_OUT_FILE: Final = "held_out.csv"
STABILITY_FILE: Final = "stability.csv"
IMPORTANCE_FILE: Final = "importance.csv"
DOMAINS_FILE: Final = "importance_by_domain.csv"
DEPENDENCE_FILE: Final = "dependence.csv"
INTERACTIONS_FILE: Final = "interactions.csv"
RUN_FILE: Final = "run.json"
REPORT_FILE: Final = "report.html"
CARD_TEXT_FILE: Final = "card.toml"
MODEL_FOLDER: Final = "model"
# Measures that compare patients: those of different held-out sites had different fits, so where
# rows within sites exist, they stand for the model. All else is read over all patients together.
JUDGED_WITHIN_SITES: Final = frozenset({"auroc", "calibration_slope"})

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class FlowCount(BaseModel):
    """One step of the cohort's flow, in words, and how many patients remained."""

    model_config = _FROZEN

    step: str
    n_patients: int = Field(ge=0)


class Characteristic(BaseModel):
    """One row of the table of characteristics, by outcome.

    A continuous variable has means and SDs; a yes/no variable has shares (0 to 1) as means and no
    SD. Groups of fewer than five known values have no figures.
    """

    model_config = _FROZEN

    label: str
    unit: str
    missing_share: float = Field(ge=0, le=1)
    mean_with_outcome: float | None
    sd_with_outcome: float | None
    mean_without_outcome: float | None
    sd_without_outcome: float | None
    standardised_difference: float | None = Field(
        default=None, description="With minus without the outcome, in pooled SDs."
    )
    difference_lower: float | None = None
    difference_upper: float | None = None


class SiteValue(BaseModel):
    """One characteristic at one site; null where withheld."""

    model_config = _FROZEN

    mean: float | None
    sd: float | None
    missing_share: float | None


class SiteCharacteristic(BaseModel):
    """One row of the table of characteristics, by site: values in the order of `sites`."""

    model_config = _FROZEN

    label: str
    unit: str
    values: tuple[SiteValue, ...]
    largest_difference: float | None = Field(
        default=None, description="Between any two sites that are shown, in pooled SDs, absolute."
    )


class ModelSummary(BaseModel):
    """One of the models that were compared."""

    model_config = _FROZEN

    name: str = Field(description="As in evaluation.csv.")
    label: str = Field(description="In plain language.")
    n_features: int = Field(ge=0)
    settings: str = Field(description="What was tuned, in words; empty where nothing is.")


class Finding(BaseModel):
    """One thing that the reader must know, found by a check (`docs/checks.md`)."""

    model_config = _FROZEN

    code: str = Field(default="", description="Of the check, such as TMS001.")
    severity: str = Field(pattern="^(error|warning|note)$")
    title: str = Field(default="", description="What the check looks for, in a few words.")
    message: str = Field(description="What it found, as a sentence.")
    remedy: str = Field(default="", description="What to do.")
    reference: str = Field(default="", description="Where one may read on.")
    ignored: bool = Field(default=False, description="Whether the configuration ignores it.")


class SiteCount(BaseModel):
    """Patients and events at one site; counts below five are withheld (null)."""

    model_config = _FROZEN

    site: str
    n_patients: int | None
    n_events: int | None


class MotionGroup(BaseModel):
    """Motion in the accepted scans of those with, or without, the outcome; null where withheld."""

    model_config = _FROZEN

    reached: bool
    n_patients: int | None
    mean_mm: float | None = Field(
        default=None, description="Mean framewise displacement, mean over patients."
    )
    sd_mm: float | None = None


class ConnectomeCounts(BaseModel):
    """How many scans were read, accepted and refused, and why; and who moved in them."""

    model_config = _FROZEN

    n_read: int = Field(ge=0)
    n_accepted: int = Field(ge=0)
    refused: dict[str, int] = Field(description="Reason -> scans.")
    motion: tuple[MotionGroup, ...] = Field(
        default=(), description="With the outcome, then without; empty where nothing is known."
    )
    target_profile: dict[str, float] = Field(
        default={},
        description="Network -> mean Fisher z with the left DLPFC; empty for fewer than five.",
    )


class ExternalCohort(BaseModel):
    """Another study's patients, on whom the models were judged without a refit."""

    model_config = _FROZEN

    name: str
    description: str
    n_patients: int = Field(ge=1)
    n_events: int = Field(ge=0)
    data_fingerprint: str


class RunSummary(BaseModel):
    """The content of `summary.json`."""

    model_config = _FROZEN

    population: TrainingPopulation
    outcome: OutcomeDefinition
    secondary_outcomes: tuple[str, ...] = Field(
        default=(), description="Evaluated beside the outcome, but not served."
    )
    arms_trained_on: tuple[str, ...]
    flow: tuple[FlowCount, ...]
    sites: tuple[SiteCount, ...]
    characteristics: tuple[Characteristic, ...]
    characteristics_by_site: tuple[SiteCharacteristic, ...] = ()
    split: str = Field(description="How held-out patients were chosen, as a sentence.")
    split_name: str = Field(description="leave_one_site_out or repeated_nested_cv.")
    models: tuple[ModelSummary, ...]
    served_model: str = Field(description="Name of the model in the artefact.")
    model_version: str
    always_abstains: str | None = Field(description="Why the artefact never answers, if so.")
    connectomes: ConnectomeCounts
    external: ExternalCohort | None = None
    burden: BurdenSummary | None = Field(default=None, description="None of earlier runs.")
    findings: tuple[Finding, ...]
    checks_made: dict[str, str] = Field(default={}, description="Code -> what it looks for.")
    config: dict[str, object]
    provenance: Provenance

    def save(self, folder: Path) -> Path:
        """Write `summary.json` into a run's folder and return its path."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        path = folder / SUMMARY_FILE
        path.write_text(text + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the summary of a finished run.

        Raises
        ------
        DataError
            When the folder is not that of a finished run.
        """
        path = folder / SUMMARY_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError:
            raise DataError(
                f"{folder} holds no {SUMMARY_FILE}, so it is not the folder of a finished run; "
                "give the folder that `tms-response train` printed."
            ) from None
        except ValidationError as error:
            raise DataError(
                f"{path} is not complete; train the model again.", field_problems(error)
            ) from None
