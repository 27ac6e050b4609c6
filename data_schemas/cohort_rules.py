"""What must hold between the parts of a `cohort.toml`, each rule with its sentence.

Above all: nothing that is known only after treatment has begun may become a predictor.
"""

import re
from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import ValidationError

from data_schemas.cohort_tables import CohortTable, Scalar, Source, resolve, units_like
from data_schemas.errors import FieldProblem, did_you_mean, field_problems
from data_schemas.instruments import INSTRUMENTS, Instrument
from data_schemas.patient import Patient
from data_schemas.patient_rules import post_treatment_reason

Sources = Mapping[str, Source]
Tables = dict[str, CohortTable]

# These have sections of their own.
_NOT_IN_TABLES = {"connectome", "connectome_summary", "extra"}
PATIENT_FIELDS = tuple(name for name in Patient.model_fields if name not in _NOT_IN_TABLES)

# A visit, week or day numbered 0, and a first visit or session, may well precede treatment.
_FIRST_VISIT = re.compile(r"(week|wk|day|month)_?0+(_|$)|(session|visit)_?0*[01](_|$)")


class BrokenRulesError(ValueError):
    """Several rules of the grammar are broken at once."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def field_kinds(name: str) -> tuple[type, ...]:
    """Return the plain types of a Patient field, without None: float, bool, str, tuple ..."""
    arguments = get_args(Patient.model_fields[name].annotation)
    kinds = [kind for kind in arguments if kind is not type(None)]
    literal = [type(value) for kind in kinds for value in get_args(kind) if isinstance(value, str)]
    if literal:
        return (str,)
    return tuple(getattr(kind, "__origin__", kind) for kind in kinds)


def field_unit(name: str) -> str:
    """Return the unit of a Patient field, '' where it has none."""
    extra = Patient.model_fields[name].json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def unknown_tables(sources: Sources, tables: Tables) -> Iterator[FieldProblem]:
    """Yield the references that name no table, and visits where a table has none."""
    for key, source in sources.items():
        for reference in source.references():
            place = resolve(reference, tables)
            if place is None:
                name = reference.partition(".")[0]
                yield FieldProblem(
                    key,
                    f"'{reference}' names no table of this spec; write 'table.column'."
                    + did_you_mean(name, tables),
                    ", ".join(f"{table}.…" for table in tables),
                )
            elif source.visit is not None and tables[place[0]].visit is None:
                yield FieldProblem(
                    key,
                    f"names the visit '{source.visit}', but [tables.{place[0]}] does not say "
                    'which column names visits; add visit = "..." there',
                )


def wrong_patient_fields(patient: Sources) -> Iterator[FieldProblem]:
    """Yield the keys of [patient] that are not Patient fields or cannot hold what is given."""
    for name, source in patient.items():
        key = f"patient.{name}"
        if name not in PATIENT_FIELDS:
            yield FieldProblem(key, *_unknown_patient_field(name))
            continue
        if (source.columns is not None) != (tuple in field_kinds(name)):
            many = "takes a list of columns" if tuple in field_kinds(name) else "takes one column"
            yield FieldProblem(key, many)
        elif name == "coil_site_mni_mm" and len(source.columns or ()) != 3:
            yield FieldProblem(key, "takes three columns: x, y and z")
        yield from _wrong_constants(key, name, source)
        yield from wrong_units(key, source, field_unit(name), field_kinds(name))
    for domain in ("depression", "anxiety"):
        if f"{domain}_total" in patient and f"{domain}_instrument" not in patient:
            yield FieldProblem(
                f"patient.{domain}_total",
                f'needs {domain}_instrument beside it, such as {{ value = "PHQ-9" }}',
            )


def _unknown_patient_field(name: str) -> tuple[str, str]:
    if name in Patient.model_fields:
        return f"has a section of its own, [{name}]", ""
    if reason := post_treatment_reason(name):
        return f"cannot be a predictor: it {reason}", ""
    hint = did_you_mean(name, PATIENT_FIELDS)
    return f"is not a field of a patient.{hint}", ", ".join(PATIENT_FIELDS)


def _wrong_constants(key: str, name: str, source: Source) -> Iterator[FieldProblem]:
    constants: list[tuple[str, Scalar]] = []
    if source.value is not None:
        constants.append((f"{key}.value", source.value))
    constants += [(f"{key}.values.{cell}", value) for cell, value in (source.values or {}).items()]
    for where, value in constants:
        try:
            # A total or an item list is checked against its instrument when the data is read.
            if not name.endswith(("_total", "_items", "_mm")):
                Patient.model_validate({name: value})
        except ValidationError as error:
            problem = field_problems(error, Patient)[0]
            hint = did_you_mean(str(value), re.findall(r"[\w-]+", problem.allowed))
            yield FieldProblem(where, f"'{value}' {problem.problem}.{hint}", problem.allowed)


def wrong_units(
    key: str, source: Source, unit: str, kinds: tuple[type, ...] = (float,)
) -> Iterator[FieldProblem]:
    """Yield the conversions that do not lead to `unit`."""
    converts = source.from_unit or source.factor is not None or source.offset is not None
    if converts and not {float, int, tuple} & set(kinds):
        yield FieldProblem(key, "is not a number, so no unit can be converted")
    elif source.from_unit and source.from_unit not in units_like(unit):
        known = units_like(unit)
        hint = did_you_mean(source.from_unit, known) or " Use factor and offset instead."
        yield FieldProblem(
            f"{key}.from_unit",
            f"'{source.from_unit}' does not convert into {unit or 'this field'}.{hint}",
            ", ".join(known),
        )


def post_treatment(predictors: Sources, final: Source, tables: Tables) -> Iterator[FieldProblem]:
    """Yield the predictors that are measured after treatment has begun, with the reason."""
    for name, table in tables.items():
        late = _later_visit(table.baseline, final.visit)
        if late:
            yield FieldProblem(f"tables.{name}.baseline", f"cannot be before treatment: it {late}")
    outcome_places = {resolve(reference, tables) for reference in final.references()}
    for key, source in predictors.items():
        for reference in source.references():
            place = resolve(reference, tables)
            if place is None:
                continue
            visit = source.visit or tables[place[0]].baseline
            if place in outcome_places and visit == (final.visit or tables[place[0]].baseline):
                reason: str | None = "is the outcome itself"
            else:
                reason = _later_visit(visit, final.visit) or _later_column(place[1], source)
            if reason:
                yield FieldProblem(key, f"'{reference}' cannot be a predictor: it {reason}")


def dates_as_predictors(
    predictors: Sources, start: Source | None, tables: Tables
) -> Iterator[FieldProblem]:
    """Yield the predictors that are read from the column of the dates of treatment."""
    places = {resolve(reference, tables) for reference in (start.references() if start else ())}
    for key, source in predictors.items():
        for reference in source.references():
            if resolve(reference, tables) in places:
                problem = f"'{reference}' cannot be a predictor: it dates the start of treatment"
                yield FieldProblem(key, problem)


def _later_visit(visit: str | None, outcome_visit: str | None) -> str | None:
    if visit is not None and visit == outcome_visit:
        return f"is read at the visit of the outcome, '{visit}'"
    folded = re.sub(r"[^a-z0-9]+", "_", (visit or "").casefold())
    if visit is None or _FIRST_VISIT.search(folded):
        return None
    reason = post_treatment_reason(visit)
    return f"is read at the visit '{visit}', and {reason}" if reason else None


def _later_column(column: str, source: Source) -> str | None:
    folded = re.sub(r"[^a-z0-9]+", "_", column.casefold())
    if source.before_treatment or _FIRST_VISIT.search(folded):
        return None
    reason = post_treatment_reason(column)
    return f"{reason} (if not, say so with before_treatment = true)" if reason else None


def wrong_outcome(
    instrument: Instrument, baseline: Source, final: Source, tables: Tables
) -> Iterator[FieldProblem]:
    """Yield what is wrong with the columns of the outcome."""
    for key, source in (("outcome.baseline", baseline), ("outcome.final", final)):
        if source.value is not None or source.values is not None:
            yield FieldProblem(key, "must be read from a column, as numbers")
        yield from wrong_units(key, source, "points")
        if source.columns is not None and len(source.columns) != len(instrument.item_maxima):
            number = len(instrument.item_maxima)
            expected = f"has {number} items" if number else "cannot be summed from items here"
            yield FieldProblem(f"{key}.columns", f"{instrument.name} {expected}")
    for reference in final.references():
        place = resolve(reference, tables)
        if place and tables[place[0]].visit is not None and final.visit is None:
            yield FieldProblem(
                "outcome.final", f"[tables.{place[0]}] has several visits; name one: visit = ..."
            )
            return
    if _place(baseline, tables) == _place(final, tables):
        yield FieldProblem("outcome.final", "is the same column and visit as outcome.baseline")


def _place(source: Source, tables: Tables) -> tuple[object, ...]:
    places = tuple(resolve(reference, tables) for reference in source.references())
    baselines = {tables[place[0]].baseline for place in places if place}
    return (*places, source.visit or next(iter(baselines), None))


def known_instrument(name: str) -> str:
    """Return the name of an instrument.

    Raises
    ------
    ValueError
        Naming the allowed instruments and the nearest match.
    """
    if name not in INSTRUMENTS:
        hint, allowed = did_you_mean(name, INSTRUMENTS), ", ".join(INSTRUMENTS)
        raise ValueError(f"is not a known instrument.{hint} Allowed: {allowed}")
    return name
