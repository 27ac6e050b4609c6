"""The mapping table: sources, exact conversions, and fields that exist."""

import pytest

from data_schemas.instruments import INSTRUMENTS
from data_schemas.patient import Patient
from serving.fhir.codes import Codes, MedicationClass, code_table

TABLE = code_table()
DAYS = {"d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}  # as UCUM defines them


def test_every_row_has_a_source_and_one_code() -> None:
    for row in (*TABLE.totals, *TABLE.measures):
        assert row.source
        assert (row.loinc is None) is not (row.local is None)
    assert all(diagnosis.source for diagnosis in TABLE.diagnoses)
    assert all(medication.source for medication in TABLE.medications)
    assert TABLE.tms.source


def test_every_field_and_value_is_one_of_a_patient() -> None:
    for row in TABLE.measures:
        assert row.field in Patient.model_fields
        for value in row.values:
            Patient.model_validate({row.field: value})
    for diagnosis in TABLE.diagnoses:
        Patient.model_validate(diagnosis.sets)
    assert {row.instrument for row in TABLE.totals} <= set(INSTRUMENTS)


def test_no_code_stands_twice() -> None:
    rows = len(TABLE.totals) + len(TABLE.measures) + sum(len(each.items) for each in TABLE.totals)
    assert len(Codes("local").observed_codes()) == rows
    codes = [code for row in TABLE.diagnoses for code in row.codes]
    assert len(codes) == len(set(codes))
    ingredients = [code for row in TABLE.medications for code in row.rxnorm]
    assert len(ingredients) == len(set(ingredients))
    assert all(code.isdecimal() for code in ingredients)


def test_conversions_are_those_of_ucum() -> None:
    months = next(row for row in TABLE.measures if row.field == "episode_duration_months")
    years = next(row for row in TABLE.measures if row.field == "onset_age_years")
    for row, own in ((months, "mo"), (years, "a")):
        for unit, factor in row.units.items():
            assert factor == pytest.approx(DAYS[unit] / DAYS[own], rel=1e-15)


def test_items_and_answers_are_those_of_the_instrument() -> None:
    for row in TABLE.totals:
        if row.items:
            instrument = INSTRUMENTS[row.instrument]
            assert len(row.items) == len(instrument.item_maxima)
            assert set(row.answers.values()) == set(range(instrument.item_maxima[0] + 1))
            assert row.suicidal_item in row.items


@pytest.mark.parametrize(
    ("code", "inside"),
    [("N05A", True), ("N05AH03", True), ("N05AN01", False), ("N05AN", False), ("N05", False),
     ("N05AH", False), ("N05AH03X", False), ("n05ah03", False)],
)  # fmt: skip
def test_a_class_holds_whole_substance_codes(code: str, inside: bool) -> None:
    row = MedicationClass(field="antipsychotic", classes=("N05A",), excluded=("N05AN",), source="x")
    assert row.holds(code) is inside
