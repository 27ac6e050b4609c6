"""The errors a user can cause, in one tree.

| class                   | exit code | cause                                            |
|-------------------------|-----------|--------------------------------------------------|
| `TmsResponseError`      | 1         | anything below                                   |
| `UsageError`            | 2         | a command or argument that cannot be carried out |
| `DataError`             | 10        | a table, matrix or patient that breaks a rule    |
| `ConfigurationError`    | 11        | a `cohort.toml` or configuration that is wrong   |
| `ModelError`            | 12        | a model that is absent, corrupt or does not fit  |
| `ServiceError`          | 13        | a service that cannot start or answer            |
| `PromotionRefusedError` | 14        | a promotion that is not for now, or not for good |

Messages are sentences. They name fields, rows, columns and what is allowed, and never repeat a
patient's value.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from data_schemas.limits import both_ends

_LISTED_PROBLEMS = 50


@dataclass(frozen=True)
class FieldProblem:
    """One thing that is wrong with one field.

    Attributes
    ----------
    field : str
        Name of the field, column or key; dotted when nested.
    problem : str
        What is wrong, without the value.
    allowed : str
        What would be accepted; empty when `problem` says it.
    row : int or None
        Line of the file, counted from 1 with the header, where there is one.
    """

    field: str
    problem: str
    allowed: str = ""
    row: int | None = None

    def __str__(self) -> str:
        where = self.field if self.row is None else f"row {self.row}, {self.field}"
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{where}: {self.problem}{allowed}"


class TmsResponseError(Exception):
    """A mistake that the user can mend; shown without a traceback.

    Parameters
    ----------
    message : str
        A sentence: what was wrong, what is allowed, what to do.
    problems : sequence of FieldProblem
        The single problems behind it, in the order in which they were found.
    """

    exit_code = 1

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [self.message, *(f"  - {problem}" for problem in self.problems[:_LISTED_PROBLEMS])]
        more = len(self.problems) - _LISTED_PROBLEMS
        if more > 0:
            lines.append(f"  and {more} more")
        return "\n".join(lines)


class UsageError(TmsResponseError):
    """A command or argument that cannot be carried out."""

    exit_code = 2


class DataError(TmsResponseError):
    """A table, matrix or patient that breaks a rule."""

    exit_code = 10


class ConfigurationError(TmsResponseError):
    """A `cohort.toml` or configuration file that is wrong."""

    exit_code = 11


class ModelError(TmsResponseError):
    """A model that is absent, corrupt or does not fit the request."""

    exit_code = 12


class ServiceError(TmsResponseError):
    """A service that cannot start or answer."""

    exit_code = 13


class PromotionRefusedError(TmsResponseError):
    """A promotion that the evidence speaks against, or that another one came before."""

    exit_code = 14


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name closest to `name`, or None when none is close.

    Examples
    --------
    >>> nearest("hdrs17", ["HDRS-17", "MADRS"])
    'HDRS-17'
    >>> nearest("age", ["target", "age_years"])
    'age_years'
    """
    by_folded = {candidate.casefold(): candidate for candidate in allowed}
    longer = [folded for folded in by_folded if folded.startswith(name.casefold() + "_")]
    if name and longer:
        return by_folded[min(longer, key=len)]
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean '...'?" for the nearest allowed name, or an empty string."""
    match = nearest(name, allowed)
    return f" Did you mean '{match}'?" if match else ""


_LIMITS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "min_length": "at least {} entries",
    "max_length": "at most {} entries",
    "expected": "{}",
}


def field_error(field: str, problem: str, allowed: str = "") -> PydanticCustomError:
    """Return an error for a validator of a whole record to raise, so that it names the field."""
    context = {"field": field, "problem": problem, "allowed": allowed}
    return PydanticCustomError("field_error", "{problem}", context)


def field_problems(
    error: ValidationError, model: type[BaseModel] | None = None
) -> list[FieldProblem]:
    """Translate a pydantic error into problems that name fields and limits, never the input.

    Parameters
    ----------
    error : pydantic.ValidationError
        Raised by one of the schemas of this package.
    model : type of BaseModel, optional
        The schema that raised it. With it, a number out of range is told both ends of the range.

    Returns
    -------
    list of FieldProblem
        One for each failed check, in pydantic's order.
    """
    problems = []
    for detail in error.errors(include_input=False, include_url=False):
        context = detail.get("ctx", {})
        if detail["type"] == "field_error":
            problems.append(FieldProblem(**context))
            continue
        allowed = ", ".join(
            phrase.format(_limit(context[key])) for key, phrase in _LIMITS.items() if key in context
        )
        if model is not None and detail["type"] in _OUT_OF_RANGE:
            allowed = both_ends(model, detail["loc"]) or allowed
        problems.append(
            FieldProblem(
                field=".".join(str(part) for part in detail["loc"]) or "the whole record",
                problem=_problem_sentence(detail["type"], detail["msg"]),
                allowed=allowed,
            )
        )
    return problems


def _limit(limit: object) -> object:
    return f"{limit:g}" if isinstance(limit, float) else limit


def _problem_sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a known field"
    if kind == "value_error":
        # Raised by our own validators, whose sentences never hold a value.
        return message.removeprefix("Value error, ")
    if kind in _OUT_OF_RANGE:
        return "is out of range"
    if kind == "missing":
        return "is required"
    if kind == "literal_error":
        return "is not one of the allowed values"
    expected = _EXPECTED_KINDS.get(kind)
    return f"should be {expected}" if expected else "is not valid"


_OUT_OF_RANGE = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
_EXPECTED_KINDS = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_too_short": "longer",
    "string_too_long": "shorter",
    "string_pattern_mismatch": "written in the documented form",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table of names and values",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "too_short": "longer",
    "too_long": "shorter",
}
