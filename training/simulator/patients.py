"""Simulated columns as `Patient` objects, the very ones that reading the written cohort gives."""

from math import isnan

from data_schemas.cohort_rules import field_kinds
from data_schemas.patient import Patient
from training.simulator.clinical import OUTCOME_INSTRUMENT
from training.simulator.columns import COLUMNS, YES_NO, Column, FloatArray
from training.simulator.draw import PatientDraw

Value = bool | int | float | str | None


def to_patients(draw: PatientDraw) -> list[Patient]:
    """Return what was observed of each patient before treatment, in the order of the draw.

    Connectomes are left out: they exist only as files.
    """
    columns = [_values(column, draw.observed[column.name]) for column in COLUMNS]
    totals = draw.outcomes.baseline_total.tolist()
    return [
        Patient.model_validate(
            {
                **_fields(values),
                "site": site,
                "anxiety_instrument": "GAD-7",
                "depression_instrument": OUTCOME_INSTRUMENT,
                "depression_total": total,
            }
        )
        for values, site, total in zip(
            zip(*columns, strict=True), draw.site_names(), totals, strict=True
        )
    ]


def _values(column: Column, observed: FloatArray) -> list[Value]:
    whole = int in field_kinds(column.field)
    return [_value(column, value, whole=whole) for value in observed.tolist()]


def _value(column: Column, value: float, *, whole: bool) -> Value:
    if isnan(value):
        return None
    if column.levels == YES_NO:
        return bool(value)
    if column.levels:
        return column.levels[int(value)]
    return int(value) if whole else value


def _fields(values: tuple[Value, ...]) -> dict[str, object]:
    fields: dict[str, object] = {}
    coil: list[Value] = []
    for column, value in zip(COLUMNS, values, strict=True):
        if column.field == "coil_site_mni_mm":
            coil.append(value)
        else:
            fields[column.field] = value
    fields["coil_site_mni_mm"] = None if None in coil else tuple(coil)
    return fields
