"""How `cohort.toml` points into a study's own tables: tables, columns, units, row filters."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

Scalar = str | bool | int | float
Decimal = Literal[".", ","]

STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".xlsx")

# Size of each unit in the first one of its row. A month is a twelfth of a Julian year.
_UNITS = (
    {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25, "hours": 1 / 24},
    {"mm": 1.0, "cm": 10.0, "m": 1000.0},
    {"share": 1.0, "percent": 0.01},
)


def units_like(unit: str) -> tuple[str, ...]:
    """Return the named units that convert into `unit`; empty when it is not a named one."""
    return next((tuple(row) for row in _UNITS if unit in row), ())


def conversion_factor(from_unit: str, to_unit: str) -> float:
    """Return what a number in `from_unit` is multiplied by to be in `to_unit`.

    Examples
    --------
    >>> conversion_factor("years", "months")
    12.0
    """
    row = next(row for row in _UNITS if from_unit in row and to_unit in row)
    return row[from_unit] / row[to_unit]


class RowFilter(BaseModel):
    """One condition on the rows of one table; all that are given must hold.

    A missing cell fails every condition but `none_of`.
    """

    model_config = STRICT

    column: str = Field(description="Column of this table.")
    equals: Scalar | None = Field(default=None, description="Keep rows with this value.")
    one_of: tuple[Scalar, ...] | None = Field(
        default=None, min_length=1, description="Keep rows with one of these values."
    )
    none_of: tuple[Scalar, ...] | None = Field(
        default=None, min_length=1, description="Leave out rows with one of these values."
    )
    at_least: float | None = Field(default=None, description="Keep numbers from here upwards.")
    at_most: float | None = Field(default=None, description="Keep numbers up to here.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        conditions = (self.equals, self.one_of, self.none_of, self.at_least, self.at_most)
        if all(condition is None for condition in conditions):
            raise ValueError("needs one of: equals, one_of, none_of, at_least, at_most")
        return self


class ParticipantFilter(RowFilter):
    """One condition on participants, a step of the cohort's flow."""

    column: str = Field(description="Where the value lies: 'table.column'.")
    visit: str | None = Field(default=None, description="Visit, in a table with many.")
    because: str = Field(min_length=1, description="Words for the flow: who is kept here.")


def inner_path(file: str, suffixes: Sequence[str]) -> str:
    """Return the path of a file in the data folder.

    Raises
    ------
    ValueError
        When it leads elsewhere, or ends in none of the suffixes.
    """
    path = PurePosixPath(file)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in file:
        raise ValueError("must be a path inside the data folder, with '/' and without '..'")
    if ":" in path.parts[0]:
        raise ValueError("must be a path inside the data folder, without a drive")
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"must end in one of: {', '.join(suffixes)}")
    return file


class CohortTable(BaseModel):
    """One file: where it lies and how its rows are known.

    The first table of a `cohort.toml` lists the participants; the others are joined on the id.
    """

    model_config = STRICT

    file: str = Field(
        description="Path relative to the data folder: " + ", ".join(TABLE_SUFFIXES) + "."
    )
    id: str = Field(
        default="participant_id",
        description="Column of the participant's id; '' is the unnamed first column of R.",
    )
    visit: str | None = Field(
        default=None, description="Column that names the visit, in a table with many rows each."
    )
    baseline: str | None = Field(
        default=None,
        description="The visit before treatment, at which Patient fields of this table are read. "
        "Without it they are read where they agree on all rows of a participant.",
    )
    first: str | None = Field(
        default=None,
        description="Keep each participant's rows with the lowest value in this column (a course "
        "number or an ISO date), such as the first of several courses.",
    )
    rows: tuple[RowFilter, ...] = Field(default=(), description="Keep only these rows.")
    missing: tuple[Scalar, ...] = Field(
        default=(), description="Codes for missing in this table, beside n/a, NA, NaN, null and ''."
    )
    sheet: str | None = Field(default=None, description="Excel sheet; the first one by default.")
    separator: str | None = Field(
        default=None, min_length=1, max_length=1, description="Default: ',' (.csv), tab (others)."
    )
    decimal: Decimal = Field(default=".", description="Decimal mark of numbers.")
    encoding: str = Field(default="utf-8", description="Encoding of a text file.")

    @field_validator("file")
    @classmethod
    def _stays_inside(cls, file: str) -> str:
        return inner_path(file, TABLE_SUFFIXES)

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise ValueError("is not an encoding; utf-8, latin-1 and cp1252 are common") from None
        return encoding

    @model_validator(mode="after")
    def _baseline_needs_visits(self) -> Self:
        if self.baseline is not None and self.visit is None:
            raise ValueError("baseline names a visit, so the column that names visits is needed")
        return self


class Source(BaseModel):
    """Where a value comes from. A plain string in the spec is short for `{ column = "..." }`."""

    model_config = STRICT

    column: str | None = Field(
        default=None,
        description="'table.column'; just 'column' where the spec has a single table.",
    )
    columns: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Several columns: the items of a scale, or x, y, z of a coordinate.",
    )
    value: Scalar | None = Field(default=None, description="The same for everybody.")
    visit: str | None = Field(default=None, description="Visit, in a table with many.")
    values: dict[str, Scalar] | None = Field(
        default=None,
        description="What each cell stands for; a cell that is not listed is an error.",
    )
    missing: tuple[Scalar, ...] = Field(
        default=(), description="Codes for missing in this column, beside those of its table."
    )
    from_unit: str | None = Field(
        default=None, description="Unit in the file, converted to the unit of the field."
    )
    factor: float | None = Field(default=None, description="Multiply by this ...")
    offset: float | None = Field(default=None, description="... and then add this.")
    before_treatment: bool = Field(
        default=False,
        description="True states that this column was measured before treatment, although its "
        "name sounds otherwise.",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [key for key in ("column", "columns", "value") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of: column, columns, value")
        scaled = self.factor is not None or self.offset is not None
        if self.from_unit is not None and scaled:
            raise ValueError("takes from_unit, or factor and offset, but not both")
        if self.value is not None and len(self.model_fields_set) > 1:
            raise ValueError("has a value for everybody, beside which no other key is used")
        if self.values is not None and (self.columns or self.from_unit or scaled):
            raise ValueError("maps the values of one column, which takes no unit or factor")
        return self

    def references(self) -> tuple[str, ...]:
        """Return the columns named, none for a constant."""
        return (self.column,) if self.column is not None else (self.columns or ())


def as_source(given: Any) -> Any:  # noqa: ANN401
    """Turn the short forms, a string or a list of strings, into the long one."""
    if isinstance(given, str):
        return {"column": given}
    if isinstance(given, list):
        return {"columns": given}
    return given


SourceField = Annotated[
    Source, BeforeValidator(as_source, json_schema_input_type=str | list[str] | Source)
]


def resolve(reference: str, tables: dict[str, CohortTable]) -> tuple[str, str] | None:
    """Split 'table.column' at the first dot; None when there is no such table.

    Where there is a single table, its name may be left out.

    Examples
    --------
    >>> resolve("btheb.bdi.pre", {"btheb": CohortTable(file="btheb.csv")})
    ('btheb', 'bdi.pre')
    >>> resolve("bdi.pre", {"btheb": CohortTable(file="btheb.csv")})
    ('btheb', 'bdi.pre')
    """
    table, dot, column = reference.partition(".")
    if dot and table in tables:
        return table, column
    if len(tables) == 1:
        return next(iter(tables)), reference
    return None


def scalar_text(value: Scalar) -> str:
    """Return a value of the spec as the text of a cell that means the same.

    Examples
    --------
    >>> [scalar_text(value) for value in (True, 1.0, 2, "F")]
    ['true', '1', '2', 'F']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
