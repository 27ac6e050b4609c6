"""The course of treatment: scores between the first session and the last, beside a Patient.

They never enter a Patient, which is what is known before the first session. A model of the course
is asked with both, and looks at the scores up to its own week only.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_schemas.errors import DataError, FieldProblem, field_error
from data_schemas.instruments import get_instrument

DAYS_A_WEEK: Final = 7.0
# Five sessions a week, on working days: the usual course, as in THREE-D. Accelerated ones differ.
SESSIONS_A_WEEK: Final = 5.0
# Far above a weekly score over any course; it only bounds the work.
MOST_VISITS: Final = 100

# Decimals of a week: rounding keeps 0.7 / 7 weeks from lying a bit behind a tenth of a week.
_DECIMALS: Final = 9


class CourseVisit(BaseModel):
    """One score during treatment, and when it was taken."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    session: int | None = Field(
        default=None,
        ge=1,
        le=200,
        description="Sessions received when the score was taken, counted from 1.",
    )
    day: float | None = Field(
        default=None,
        gt=0,
        le=3660,
        description="Days since the first session, where sessions are not counted.",
        json_schema_extra={"unit": "days"},
    )
    score: float = Field(
        ge=0,
        description="Total on the instrument of the model.",
        json_schema_extra={"unit": "points"},
    )
    instrument: str | None = Field(
        default=None,
        max_length=40,
        description="Name of the scale, where the sender states it: another one than that of the "
        "model is refused, and never converted.",
    )

    @model_validator(mode="after")
    def _has_one_time(self) -> Self:
        if (self.session is None) == (self.day is None):
            raise field_error("session", "or day is needed, one of them and not both")
        return self


Visits = Annotated[tuple[CourseVisit, ...], Field(min_length=1, max_length=MOST_VISITS)]


class Course(BaseModel):
    """The scores of one patient so far, the earliest first.

    Examples
    --------
    >>> course = Course.model_validate({"visits": [{"session": 5, "score": 18},
    ...                                            {"session": 10, "score": 14}]})
    >>> course.weeks()
    (1.0, 2.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    visits: Visits

    @model_validator(mode="after")
    def _visits_ascend(self) -> Self:
        if len({visit.session is None for visit in self.visits}) > 1:
            raise field_error("course", "gives sessions for some scores and days for others")
        unit = "session" if self.visits[0].session is not None else "day"
        times = [visit.session or visit.day or 0 for visit in self.visits]
        for number, (before, after) in enumerate(pairwise(times), start=1):
            if after <= before:
                problem = "does not come after that of the score before; each one must"
                raise field_error(f"course.{number}.{unit}", problem)
        return self

    def weeks(self, sessions_a_week: float = SESSIONS_A_WEEK) -> tuple[float, ...]:
        """Return when each score was taken, in weeks of treatment since its start."""
        return tuple(
            round(
                visit.session / sessions_a_week
                if visit.session is not None
                else (visit.day or 0) / DAYS_A_WEEK,
                _DECIMALS,
            )
            for visit in self.visits
        )

    def until(self, week: float, sessions_a_week: float = SESSIONS_A_WEEK) -> "Course | None":
        """Return the scores up to a week, that week included; None where there are none."""
        weeks = self.weeks(sessions_a_week)
        known = tuple(v for v, when in zip(self.visits, weeks, strict=True) if when <= week)
        return Course(visits=known) if known else None

    def problems(self, instrument: str, sessions_planned: int | None) -> Iterator[FieldProblem]:
        """Yield scores of another instrument or out of its range, and sessions beyond a plan."""
        scale = get_instrument(instrument)
        for number, visit in enumerate(self.visits):
            if visit.instrument not in {None, scale.name}:
                yield FieldProblem(
                    f"course.{number}.instrument",
                    "is not the instrument of the model; scores are not converted",
                    scale.name,
                )
                continue
            if not scale.minimum <= visit.score <= scale.maximum:
                yield FieldProblem(
                    f"course.{number}.score",
                    f"is out of range for {scale.name}",
                    f"{scale.minimum} to {scale.maximum}",
                )
            if sessions_planned is not None and (visit.session or 0) > sessions_planned:
                yield FieldProblem(
                    f"course.{number}.session", "is beyond sessions_planned of the patient"
                )


def check_course(course: Course, instrument: str, sessions_planned: int | None = None) -> Course:
    """Return a course that fits an instrument and a plan.

    Raises
    ------
    DataError
        Naming each score and session that does not, without its value.
    """
    if found := list(course.problems(instrument, sessions_planned)):
        raise DataError("These scores of the course cannot be used.", found)
    return course
