"""The grammar of `cohort.toml`, which maps a study's own tables to patients, without code.

A whole one, for a BIDS folder with scores in long form and connectomes as files::

    name = "Clinic A and B, 2019-2024"
    licence = "CC BY 4.0"
    citation = "Author 2025, Journal"
    simulated = false

    [treatment]
    is_tms = true
    description = "Left DLPFC TMS, 30 sessions over six weeks"
    start_date = "participants.first_session"  # ISO; only to hold out the latest patients

    [tables.participants]            # the first table lists the participants
    file = "participants.tsv"        # joined on participant_id; another name: id = "record_id"
    missing = ["999"]                # beside n/a, NA, NaN, null and empty cells

    [tables.clinical]
    file = "phenotype/clinical.tsv"

    [tables.hdrs17]                  # long: a row a participant and visit
    file = "phenotype/hdrs17.tsv"
    visit = "session_id"             # the column that names the visit
    baseline = "ses-pre"             # the visit at which Patient fields are read

    [tables.weekly]
    file = "phenotype/weekly.tsv"

    [[keep]]                         # who is in; each is a step of the flow
    column = "participants.diagnosis"
    one_of = ["MDD", "BD"]           # or equals, none_of, at_least, at_most
    because = "major depression, unipolar or bipolar"

    [patient]                        # Patient field = where it comes from
    age_years = "participants.age"
    sex = { column = "participants.sex", values = { F = "female", M = "male" } }
    site = "participants.site"       # or { value = "Clinic A" } for everybody
    failed_trials = "clinical.failed_trials"
    episode_duration_months = { column = "clinical.episode_weeks", from_unit = "weeks" }
    benzodiazepine = "clinical.bzd"  # yes/no, true/false and 1/0 need no value map
    anxiety_instrument = { value = "HAM-A" }
    anxiety_total = "clinical.hama"
    coil_site_mni_mm = ["clinical.x", "clinical.y", "clinical.z"]

    [outcome]                        # the baseline also fills depression_instrument and _total
    instrument = "HDRS-17"
    horizon = "end of treatment, six weeks"
    baseline = { column = "hdrs17.hdrs17_total", visit = "ses-pre" }
    final = { column = "hdrs17.hdrs17_total", visit = "ses-post" }
    # wide: baseline = "clinical.hdrs_pre" and final = "clinical.hdrs_post"
    # items, summed where all are there: baseline = ["clinical.q1", "clinical.q2", ...]

    [arms]                           # only where there is more than one
    column = "participants.arm"
    active = ["active"]
    sham = ["sham"]
    train_on = ["active"]            # the others are scored, not learned from

    [connectome]
    files = "derivatives/**/{id}_*_atlas-4S456Parcels_stat-pearsoncorrelation_relmat.tsv"
    required = false
    # node_table = "aal2.tsv"        # for an atlas other than Schaefer and 4S: what its labels are

    [course]                         # scores during treatment, for `train --course` alone
    score = "weekly.hdrs17_total"    # a row a visit, in the table of session
    session = "weekly.session"       # sessions received by then; or day, or week
    ended = "clinical.last_session"  # where treatment was stopped early, else empty
    # wide: visits = [{ week = 1, score = "clinical.hdrs_w1" }, { week = 2, ... }]

    [extra.stimsite_accumbens_fc]    # a further baseline number, declared
    column = "clinical.stim_nac_r"
    label = "Connectivity of the stimulated site with the nucleus accumbens"
    meaning = "Pearson r of the two mean time series at rest"
    unit = "Pearson r"
    minimum = -1
    maximum = 1
    group = "connectivity"           # or clinical, the default: which comparators see it
"""

import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from data_schemas import cohort_rules as rules
from data_schemas.cohort_course import CourseColumns
from data_schemas.cohort_sections import (
    Arms,
    ConnectomeFiles,
    ExtraMeasurement,
    OutcomeColumns,
    Treatment,
)
from data_schemas.cohort_tables import (
    STRICT,
    CohortTable,
    ParticipantFilter,
    Source,
    SourceField,
    resolve,
)
from data_schemas.errors import ConfigurationError, FieldProblem
from data_schemas.extra import ExtraDeclaration, ExtraMeaning
from data_schemas.instruments import get_instrument
from data_schemas.patient import ExtraName
from data_schemas.patient_rules import post_treatment_reason
from data_schemas.spec_errors import spec_problems

TableName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class CohortSpec(BaseModel):
    """A whole `cohort.toml`."""

    model_config = STRICT

    name: str = Field(min_length=1, max_length=120, description="Name of the cohort.")
    description: str = Field(default="", description="Who the participants are.")
    licence: str = Field(min_length=1, description="Licence of the data, or who may use it.")
    citation: str = Field(min_length=1, description="What to cite.")
    simulated: bool = Field(description="True when no real person is in the data.")
    treatment: Treatment
    tables: dict[TableName, CohortTable] = Field(
        min_length=1, description="Files, by a name; the first one lists the participants."
    )
    keep: tuple[ParticipantFilter, ...] = Field(default=(), description="Who is in, step by step.")
    patient: dict[str, SourceField] = Field(
        default_factory=dict, description="Patient field = where it comes from."
    )
    outcome: OutcomeColumns
    arms: Arms | None = None
    connectome: ConnectomeFiles | None = None
    course: CourseColumns | None = None
    extra: dict[ExtraName, ExtraMeasurement] = Field(
        default_factory=dict, description="Further baseline numbers, by name."
    )

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if problems := list(self._broken_rules()):
            raise rules.BrokenRulesError(problems)
        return self

    def _broken_rules(self) -> Iterator[FieldProblem]:
        tables, outcome = self.tables, self.outcome
        yield from rules.unknown_tables(self.sources(), tables)
        yield from rules.wrong_patient_fields(self.patient)
        yield from rules.wrong_outcome(
            get_instrument(outcome.instrument), outcome.baseline, outcome.final, tables
        )
        before = {**self.predictors(), "outcome.baseline": outcome.baseline}
        yield from rules.post_treatment(before, outcome.final, tables)
        yield from rules.dates_as_predictors(before, self.treatment.start_date, tables)
        if self.course is not None:
            yield from self.course.broken_rules(before, tables)
        for name, extra in self.extra.items():
            yield from rules.wrong_units(f"extra.{name}", extra, extra.unit)
            if reason := post_treatment_reason(name):
                yield FieldProblem(f"extra.{name}", f"cannot be a predictor: it {reason}")

    def predictors(self) -> dict[str, Source]:
        """Return where every predictor comes from, by its key in the spec."""
        return {
            **{f"patient.{name}": source for name, source in self.patient.items()},
            **{f"extra.{name}": source for name, source in self.extra.items()},
        }

    def sources(self) -> dict[str, Source]:
        """Return every column that the spec names, by its key in the spec."""
        filters = {
            f"keep.{number}": Source(column=step.column, visit=step.visit)
            for number, step in enumerate(self.keep, 1)
        }
        arms = {"arms.column": Source(column=self.arms.column)} if self.arms else {}
        outcome = {
            "outcome.baseline": self.outcome.baseline,
            "outcome.final": self.outcome.final,
        }
        start = self.treatment.start_date
        dates = {"treatment.start_date": start} if start else {}
        course = self.course.sources() if self.course else {}
        return {**filters, **self.predictors(), **outcome, **arms, **dates, **course}

    def place(self, reference: str) -> tuple[str, str]:
        """Return the table and the column of a 'table.column' of this spec."""
        place = resolve(reference, self.tables)
        assert place is not None  # noqa: S101  # checked when the spec was read
        return place

    def extra_declarations(self) -> tuple[ExtraDeclaration, ...]:
        """Return the declared further measurements, in the order of the spec."""
        return tuple(
            ExtraDeclaration(
                name=name,
                **extra.model_dump(include=set(ExtraMeaning.model_fields)),
            )
            for name, extra in self.extra.items()
        )


def parse_cohort_spec(text: str, where: str = "cohort.toml") -> CohortSpec:
    """Read a `cohort.toml`.

    Parameters
    ----------
    text : str
        The file's content.
    where : str
        The file's name, for messages.

    Raises
    ------
    ConfigurationError
        Naming each wrong key, the value given, what is allowed and the nearest match; for broken
        TOML, the line and column.
    """
    try:
        given: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is not valid TOML: {error}.") from None
    try:
        return CohortSpec.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError(
            f"{where} does not describe a cohort.", spec_problems(error, CohortSpec, given)
        ) from None
