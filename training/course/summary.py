"""`course_summary.json`: what a run says about its models in the course of treatment."""

import json
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_schemas.errors import DataError, field_problems
from training.course.landmarks import LandmarkCounts

COURSE_EVALUATION_FILE: Final = "course.csv"
COURSE_OUT_OF_FOLD_FILE: Final = "course_out_of_fold.csv"
COURSE_SUMMARY_FILE: Final = "course_summary.json"

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Driver(BaseModel):
    """One feature that moves a landmark's predictions."""

    model_config = _FROZEN

    feature: str = Field(description="Name in plain language.")
    share: float = Field(ge=0, le=1, description="Of all features' mean absolute contributions.")
    of_course: bool = Field(description="Whether it is known only in the course of treatment.")


class LandmarkSummary(BaseModel):
    """One landmark; without a model where nothing could be fitted."""

    model_config = _FROZEN

    week: float
    counts: LandmarkCounts
    split_name: str | None = Field(description="Null where there is no model.")
    model_version: str | None
    always_abstains: str | None = Field(description="Why its artefact never answers, if so.")
    no_model: str | None = Field(description="Why there is none, as a sentence.")
    course_share: float | None = Field(
        description="Share of the features of the course in the contributions, 0 to 1."
    )
    drivers: tuple[Driver, ...] = Field(description="The strongest first.")


class CourseSummary(BaseModel):
    """The content of `course_summary.json`."""

    model_config = _FROZEN

    instrument: str
    outcome: str = Field(description="response or remission.")
    horizon: str
    rule_week: float
    rule_percent: float
    ends_known: bool = Field(description="Whether the cohort says who stopped early.")
    labels: dict[str, str] = Field(description="Name in course.csv: in plain language.")
    landmarks: tuple[LandmarkSummary, ...]

    def save(self, folder: Path) -> None:
        """Write it into a run's folder."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        (folder / COURSE_SUMMARY_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read it; None for a run without models of the course.

        Raises
        ------
        DataError
            When it is damaged.
        """
        path = folder / COURSE_SUMMARY_FILE
        if not path.is_file():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise DataError(
                f"{path} is not complete; train the model again.", field_problems(error)
            ) from None
