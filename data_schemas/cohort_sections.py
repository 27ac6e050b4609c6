"""The sections of a `cohort.toml`: treatment, outcome, arms, connectome, extra."""

from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from data_schemas.cohort_rules import known_instrument
from data_schemas.cohort_tables import (
    STRICT,
    Scalar,
    Source,
    SourceField,
    inner_path,
    scalar_text,
)
from data_schemas.extra import ExtraMeaning
from data_schemas.outcome import OutcomeDefinition, OutcomeKind

Arm = Literal["active", "sham", "control"]


class Treatment(BaseModel):
    """What the participants were treated with."""

    model_config = STRICT

    is_tms: bool = Field(
        description="False when the treatment was something else; said in reports."
    )
    description: str = Field(min_length=1, description="The treatment in one line.")
    start_date: SourceField | None = Field(
        default=None,
        description="Each participant's first session: YYYY-MM-DD, YYYY-MM or YYYY. It only tells "
        "who came later, so that the latest can be held out; it is never a predictor.",
    )

    @field_validator("start_date")
    @classmethod
    def _is_one_column(cls, start_date: Source | None) -> Source | None:
        if start_date is not None and start_date.model_fields_set - {"column", "visit", "missing"}:
            raise ValueError("is read from one column; beside it, only visit and missing are used")
        return start_date


class OutcomeColumns(BaseModel):
    """Where the totals before and after treatment lie.

    The baseline also fills `depression_instrument` and `depression_total` of every patient,
    unless [patient] names them.
    """

    model_config = STRICT

    instrument: str = Field(description="Instrument of both totals, such as HDRS-17.")
    horizon: str = Field(default="end of treatment", description="When final is measured.")
    baseline: SourceField = Field(description="Total, or all items, before treatment.")
    final: SourceField = Field(description="Total, or all items, at the horizon.")

    _instrument_is_known = field_validator("instrument")(known_instrument)

    def definition(self, kind: OutcomeKind = "response") -> OutcomeDefinition:
        """Return the question that a model of this cohort answers."""
        return OutcomeDefinition(kind=kind, instrument=self.instrument, horizon=self.horizon)


class Arms(BaseModel):
    """Which participants had which treatment, by the labels of one column.

    Participants of an arm that is not trained on are scored by the model, never learned from.
    """

    model_config = STRICT

    column: str = Field(description="'table.column' with the label of the arm.")
    active: tuple[Scalar, ...] = Field(min_length=1, description="Labels of the treatment itself.")
    sham: tuple[Scalar, ...] = Field(default=(), description="Labels of sham treatment.")
    control: tuple[Scalar, ...] = Field(
        default=(), description="Labels of other comparators, such as usual care."
    )
    train_on: tuple[Arm, ...] = Field(
        default=("active",), min_length=1, description="Arms that are learned from."
    )

    def labels(self) -> dict[str, Arm]:
        """Return the arm of each label, labels as text."""
        arms: tuple[tuple[Arm, tuple[Scalar, ...]], ...] = (
            ("active", self.active),
            ("sham", self.sham),
            ("control", self.control),
        )
        return {scalar_text(label): arm for arm, labels in arms for label in labels}

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        labels = [*self.active, *self.sham, *self.control]
        if len(self.labels()) != len(labels):
            raise ValueError("a label stands for two arms; list each once")
        empty = [arm for arm in self.train_on if not getattr(self, arm)]
        if empty:
            raise ValueError(f"train_on names '{empty[0]}', which has no labels here")
        return self


class ConnectomeFiles(BaseModel):
    """Where each participant's connectome lies."""

    model_config = STRICT

    files: str = Field(
        description="Pattern relative to the data folder, with {id}, * and **; features/readers/ "
        "lists the formats."
    )
    required: bool = Field(
        default=False, description="True leaves out participants without a connectome."
    )
    node_table: str | None = Field(
        default=None,
        description="For an atlas other than Schaefer and 4S: a .tsv or .csv in the data folder "
        "with the columns label, network (of the seven) and hemisphere, and optionally x, y, z.",
    )

    @field_validator("node_table")
    @classmethod
    def _table_stays_inside(cls, node_table: str | None) -> str | None:
        return None if node_table is None else inner_path(node_table, (".tsv", ".csv"))

    @field_validator("files")
    @classmethod
    def _names_the_id(cls, files: str) -> str:
        if "{id}" not in files:
            raise ValueError("must hold {id}, which stands for the participant's id")
        parts = files.split("/")
        if files.startswith("/") or ".." in parts or set(files) & set("\\[]"):
            raise ValueError("must be a pattern inside the data folder: '/', no '..', no '[...]'")
        if any("**" in part and part != "**" for part in parts):
            raise ValueError("may use ** only as a whole folder, as in derivatives/**/{id}_*.tsv")
        return files


class ExtraMeasurement(Source, ExtraMeaning):
    """A declared further measurement and the column it comes from."""

    @model_validator(mode="after")
    def _is_one_column(self) -> Self:
        if self.column is None:
            raise ValueError("is read from one column")
        if any(isinstance(value, str) for value in (self.values or {}).values()):
            raise ValueError("is a number, so its values must map to numbers")
        return self
