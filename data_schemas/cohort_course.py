"""The section [course] of a `cohort.toml`: scores during treatment, in long or in wide form."""

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from data_schemas.cohort_rules import Sources, known_instrument, wrong_units
from data_schemas.cohort_tables import STRICT, CohortTable, Source, SourceField, resolve
from data_schemas.course import SESSIONS_A_WEEK
from data_schemas.errors import FieldProblem

CourseClock = Literal["session", "day", "week"]
_CLOCKS: tuple[CourseClock, ...] = ("session", "day", "week")
_UNITS: dict[CourseClock, str] = {"session": "sessions", "day": "days", "week": "weeks"}


class WideScore(BaseModel):
    """One visit of a table with one row a participant."""

    model_config = STRICT

    week: float = Field(gt=0, le=520, description="Weeks since the first session.")
    score: SourceField = Field(description="Total at that visit.")


class CourseColumns(BaseModel):
    """Where the scores during treatment lie; no model of the patient before treatment sees them.

    Long: `score` and one of `session`, `day` and `week`, all of one table with a row a visit.
    Wide: `visits`, each with its week and its column. Rows at or before the first session are
    left out.
    """

    model_config = STRICT

    instrument: str | None = Field(
        default=None, description="Of the scores; by default that of the outcome."
    )
    score: SourceField | None = Field(default=None, description="Total at each visit.")
    session: SourceField | None = Field(default=None, description="Sessions received by then.")
    day: SourceField | None = Field(default=None, description="Days since the first session.")
    week: SourceField | None = Field(default=None, description="Weeks since the first session.")
    visits: tuple[WideScore, ...] = Field(default=(), description="The visits in wide form.")
    sessions_a_week: float = Field(
        default=SESSIONS_A_WEEK, gt=0, le=70, description="Turns sessions into weeks."
    )
    ended: SourceField | None = Field(
        default=None,
        description="When treatment ended early, on the same clock (weeks in wide form); empty "
        "where it did not. Without it nobody is known to have stopped.",
    )

    @field_validator("instrument")
    @classmethod
    def _instrument_is_known(cls, name: str | None) -> str | None:
        return None if name is None else known_instrument(name)

    @model_validator(mode="after")
    def _is_long_or_wide(self) -> Self:
        clocks = [clock for clock in _CLOCKS if getattr(self, clock) is not None]
        if self.visits and not clocks and self.score is None:
            return self
        if self.visits or self.score is None or len(clocks) != 1:
            raise ValueError("needs score and one of session, day and week; or visits alone")
        return self

    @property
    def clock(self) -> CourseClock:
        """On which clock times stand."""
        return next((clock for clock in _CLOCKS if getattr(self, clock) is not None), "week")

    @property
    def unit(self) -> str:
        """Unit of the times."""
        return _UNITS[self.clock]

    @property
    def time(self) -> Source | None:
        """Where the time of a row stands; None in wide form."""
        found: Source | None = getattr(self, self.clock)
        return found

    def sources(self) -> dict[str, Source]:
        """Return every column that is named, by its key in the spec."""
        named = {
            "course.score": self.score,
            f"course.{self.clock}": self.time,
            "course.ended": self.ended,
            **{f"course.visits.{n}.score": each.score for n, each in enumerate(self.visits, 1)},
        }
        return {key: source for key, source in named.items() if source is not None}

    def broken_rules(
        self, predictors: Sources, tables: dict[str, CohortTable]
    ) -> Iterator[FieldProblem]:
        """Yield what is wrong with these columns beside the others of a spec."""
        for key, source in self.sources().items():
            if source.column is None:
                yield FieldProblem(key, "is read from one column")
            if any(isinstance(value, str) for value in (source.values or {}).values()):
                yield FieldProblem(key, "is a number, so its values must map to numbers")
            unit = "points" if key.endswith("score") else self.unit
            yield from wrong_units(key, source, unit)
        if self.score is not None and self.time is not None:
            places = [_tables_of(source, tables) for source in (self.score, self.time)]
            if places[0] != places[1]:
                yield FieldProblem(f"course.{self.clock}", "must be of the table of course.score")
        yield from self._as_predictors(predictors, tables)

    def _as_predictors(
        self, predictors: Sources, tables: dict[str, CohortTable]
    ) -> Iterator[FieldProblem]:
        places = {
            resolve(reference, tables)
            for source in self.sources().values()
            for reference in source.references()
        }
        for key, source in predictors.items():
            for reference in source.references():
                place = resolve(reference, tables)
                # A table of all visits may hold the one before treatment, by its name.
                before = place and (source.visit or tables[place[0]].baseline)
                if place in places and not before:
                    problem = f"'{reference}' cannot be a predictor: it is part of the course"
                    yield FieldProblem(key, problem)


def _tables_of(source: Source, tables: Mapping[str, CohortTable]) -> set[str]:
    found = (resolve(reference, dict(tables)) for reference in source.references())
    return {place[0] for place in found if place}
