"""Rules of a patient's record that no field can check alone."""

import re
from collections.abc import Container, Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from data_schemas.errors import DataError, did_you_mean, field_error
from data_schemas.instruments import INSTRUMENTS, Instrument

Record = dict[str, Any]

SEVERITY_DOMAINS = ("depression", "obsessive_compulsive")

# Longer names are refused as unknown; reading them whole would only cost time.
LONGEST_NAME = 64

_POST_TREATMENT = (
    (
        r"sessions?_(completed|received|delivered|attended)|n_?sessions_done",
        "counts the sessions given",
    ),
    (
        r"(^|_)(week|wk|session|visit|day|month)_?\d+(_|$)|_\d+_?(m|mo|months?|w|wks?|weeks?)(_|$)",
        "was measured during or after treatment",
    ),
    (
        r"(^|_)(post|final|end|endpoint|discharge|follow_?up|fu|outcome|after)(_|$)",
        "was measured after treatment",
    ),
    (
        r"(^|_)(change|improvement|delta|responder|responded|remitter|remitted)(_|$)",
        "is derived from the outcome",
    ),
    # Alone only: a galvanic_skin_response is a measurement.
    (r"^(response|responds|remission|remits)$", "is derived from the outcome"),
    (
        r"(dropout|dropped_out|completer|early_improvement|protocol_switch)",
        "depends on the course of treatment",
    ),
)


def post_treatment_reason(name: str) -> str | None:
    """Return why a name cannot be a baseline measurement, or None when nothing speaks against it.

    Examples
    --------
    >>> post_treatment_reason("sessions_completed")
    'counts the sessions given, which is known only after treatment has begun'
    >>> post_treatment_reason("sessions_planned") is None
    True
    """
    folded = re.sub(r"[^a-z0-9]+", "_", name[:LONGEST_NAME].casefold())
    for pattern, reason in _POST_TREATMENT:
        if re.search(pattern, folded):
            return f"{reason}, which is known only after treatment has begun"
    return None


class _Scale(NamedTuple):
    """What is scored by one pair of fields, and the instruments that score it."""

    name: str
    instrument: str
    total: str
    allowed: Mapping[str, Instrument]


def _scale(name: str, domains: Container[str]) -> _Scale:
    allowed = {each.name: each for each in INSTRUMENTS.values() if each.domain in domains}
    return _Scale(name, f"{name}_instrument", f"{name}_total", allowed)


_SCALES: Final = (_scale("depression", SEVERITY_DOMAINS), _scale("anxiety", ("anxiety",)))


def without_what_is_known_later(
    record: Record, fields: Container[str]
) -> tuple[Record, list[PydanticCustomError]]:
    """Return a record without what nobody can know before treatment, and that as problems.

    Parameters
    ----------
    record : dict
        As it was sent.
    fields : container of str
        Names that are known, of which nothing is said.
    """
    extra = record.get("extra")
    further = extra if isinstance(extra, dict) else {}
    reasons = {
        name: reason
        for name in (*record, *further)
        if name not in fields and (reason := post_treatment_reason(str(name)))
    }
    if not reasons:
        return record, []
    rest = {name: value for name, value in record.items() if name not in reasons}
    if further:
        rest["extra"] = {name: value for name, value in further.items() if name not in reasons}
    return rest, [
        field_error(str(name)[:LONGEST_NAME], f"{reason}; leave it out")
        for name, reason in reasons.items()
    ]


def with_total_of_items(record: Record) -> tuple[Record, list[PydanticCustomError]]:
    """Return a record with the total of its items; or without the field that is wrong, and why."""
    try:
        return {**record, "depression_total": _total_of_items(record)}, []
    except PydanticCustomError as problem:
        wrong = (problem.context or {})["field"]
        return {name: value for name, value in record.items() if name != wrong}, [problem]


def _total_of_items(record: Record) -> int:
    instrument = INSTRUMENTS.get(str(record.get("depression_instrument")))
    items = record["depression_items"]
    if instrument is None or not isinstance(items, list | tuple):
        raise field_error("depression_items", "need a known depression_instrument and a list")
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in items):
        raise field_error("depression_items", "must be whole numbers, all of them or none")
    try:
        total = instrument.total_from_items(tuple(items))
    except DataError as error:
        raise field_error("depression_items", error.message) from None
    given = record.get("depression_total")
    if given is not None and given != total:
        raise field_error("depression_total", "is not the sum of depression_items")
    return total


def problems_between_fields(
    record: Mapping[str, Any], unread: Container[object] = ()
) -> list[PydanticCustomError]:
    """Return what is wrong between fields that are each right.

    Parameters
    ----------
    record : mapping
        The fields of a patient.
    unread : container of str
        Fields that were sent, but are wrong: None in the record does not mean that they lack.
    """
    problems = [
        problem for scale in _SCALES if (problem := _problem_of_scale(record, scale, unread))
    ]
    onset, age = record["onset_age_years"], record["age_years"]
    if onset is not None and age is not None and onset > age:
        problems.append(field_error("onset_age_years", "must not exceed age_years"))
    if record["connectome"] is not None and record["connectome_summary"] is not None:
        beside = "stands beside a connectome; send only one"
        problems.append(field_error("connectome_summary", beside))
    return problems


def _problem_of_scale(
    record: Mapping[str, Any], scale: _Scale, unread: Container[object]
) -> PydanticCustomError | None:
    name, total = record[scale.instrument], record[scale.total]
    if name is None:
        if total is None or scale.instrument in unread:
            return None
        return field_error(scale.total, f"needs {scale.instrument}")
    instrument = scale.allowed.get(name)
    if instrument is None:
        return _unfit_instrument(name, total, scale)
    if total is None or instrument.minimum <= total <= instrument.maximum:
        return None
    allowed = f"{instrument.minimum} to {instrument.maximum}"
    return field_error(scale.total, f"is out of range for {name}", allowed)


def _unfit_instrument(name: str, total: float | None, scale: _Scale) -> PydanticCustomError | None:
    """Return why an instrument does not serve; without a total, one of another scale does."""
    if name not in INSTRUMENTS:
        problem = f"is not a known instrument.{did_you_mean(name, scale.allowed)}"
    elif total is None:
        return None
    else:
        problem = f"{name} does not measure {scale.name}"
    return field_error(scale.instrument, problem, ", ".join(scale.allowed))


def refusal(
    title: str, problems: list[PydanticCustomError], error: ValidationError | None = None
) -> ValidationError:
    """Return one error with these problems and, after them, those of another.

    Parameters
    ----------
    title : str
        Name of the schema.
    problems : list of PydanticCustomError
        From `field_error`.
    error : pydantic.ValidationError, optional
        Raised by the same schema.
    """
    lines = [InitErrorDetails(type=each, loc=(), input=None) for each in problems]
    for each in error.errors(include_url=False) if error else ():
        kind, context = each["type"], each.get("ctx", {})
        known = field_error(**context) if kind == "field_error" else kind
        lines.append(
            InitErrorDetails(type=known, loc=each["loc"], input=each["input"], ctx=context)
        )
    return ValidationError.from_exception_data(title, lines, hide_input=True)
