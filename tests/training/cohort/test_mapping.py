"""Columns to patients: kinds, value maps, units, ranges, and where a bad cell lies."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_study import Study

from data_schemas.cohort_tables import Source
from data_schemas.errors import DataError
from data_schemas.patient import Patient
from training.cohort.converting import field_values
from training.cohort.joining import Column
from training.cohort.read import read_cohort
from training.cohort.records import Findings

EXTRA = """
[extra.alff]
column = "people.alff"
label = "Slow fluctuations"
meaning = "Amplitude of low-frequency fluctuations"
unit = "points"
minimum = 0
maximum = 10
"""


def _patients(folder: Path) -> dict[str, Patient]:
    return {member.id: member.patient for member in read_cohort(folder).members}


def _refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_cohort(folder)
    return str(caught.value)


def _with_column(study: Study, name: str, cells: list[str]) -> Study:
    text = study.files["people.csv"]
    assert isinstance(text, str)
    lines = text.splitlines()
    study.files["people.csv"] = "\n".join(
        f"{line},{cell}" for line, cell in zip(lines, [name, *cells], strict=True)
    )
    return study


def test_each_kind_of_field_is_read_as_what_it_is(study: Study) -> None:
    patients = _patients(study.write())
    assert patients["p1"] == Patient(
        age_years=34,
        sex="female",
        site="north",
        failed_trials=2,
        benzodiazepine=True,
        depression_instrument="HDRS-17",
        depression_total=24,
    )
    assert patients["p2"].failed_trials is None
    assert patients["p3"].benzodiazepine is None
    assert patients["p4"].benzodiazepine is True
    assert [patients[name].sex for name in ("p2", "p3", "p4")] == ["male", "female", "male"]


BAD_CELLS = [
    # what becomes of a cell, its row, its column, and the sentence
    ("p2,51", "p2,731", 3, "age", "is out of range"),
    ("p2,51", "p2,7e3x", 3, "age", "is not a number"),
    ("p2,51", "p2,inf", 3, "age", "is not a number"),
    ("south,3,", "south,3.731,", 4, "failed", "should be a whole number"),
    ("south,5,1", "south,5,731", 5, "bzd", "is neither yes nor no"),
    ("34,F", "34,X731", 2, "sex", "is not one of the allowed values"),
    ("24,10", "731,10", 2, "pre", "is out of range for a HDRS-17 total (allowed: 0 to 52)"),
    ("24,10", "24,-731", 2, "post", "is out of range for a HDRS-17 total (allowed: 0 to 52)"),
    ("24,10", "24,x731", 2, "post", "is not a number"),
]


@pytest.mark.parametrize(("old", "new", "row", "column", "sentence"), BAD_CELLS)
def test_a_bad_cell_is_named_by_row_and_column_never_by_value(
    study: Study, old: str, new: str, row: int, column: str, sentence: str
) -> None:
    message = _refusal(study.change(old, new).write())
    assert f"row {row}, people.csv, column '{column}': " in message
    assert sentence in message
    for planted in ("731", "7e3", "inf"):
        assert planted not in message


def test_every_bad_cell_is_told_at_once_and_the_list_is_bounded(study: Study) -> None:
    rows = "".join(f"q{number},731,F,north,1,no,20,10\n" for number in range(80))
    study.files["people.csv"] = f"{study.files['people.csv']!s}{rows}"
    message = _refusal(study.change("34,F", "34,X").write())
    assert message.count("column 'age'") == 49
    assert "column 'sex'" in message
    assert message.endswith("and 31 more")


def test_a_decimal_comma_is_named_with_what_reads_it(study: Study) -> None:
    study.files["people.csv"] = str(study.files["people.csv"]).replace(",", ";")
    study.change_spec('id = "id"', 'id = "id"\nseparator = ";"').change("p2;51", "p2;51,25")
    message = _refusal(study.write())
    assert message.endswith(
        "row 3, people.csv, column 'age': is not a number; if its comma is the decimal mark, "
        'decimal = "," in [tables.people] reads it'
    )
    assert "51,25" not in message
    study.change_spec('separator = ";"', 'separator = ";"\ndecimal = ","')
    assert _patients(study.write())["p2"].age_years == 51.25


def test_a_score_that_is_baseline_and_predictor_is_refused_once(study: Study) -> None:
    fields = 'depression_instrument = { value = "HDRS-17" }\ndepression_total = "people.pre"'
    study.change_spec("[outcome]", f"{fields}\n\n[outcome]")
    patients = _patients(study.write())
    assert [p.depression_total for p in patients.values()] == [24, 22, 30, 18]
    message = _refusal(study.change("p2,51,M,north,n/a,no,22", "p2,51,M,north,n/a,no,222").write())
    assert message.count("  - ") == 1
    assert "row 3, people.csv, column 'pre': is out of range for a HDRS-17 total" in message


def test_an_item_of_baseline_and_predictor_is_refused_once(study: Study) -> None:
    for item in range(1, 10):
        _with_column(study, f"i{item}", ["2", "7" if item == 4 else "2", "", "3"])
    items = ", ".join(f'"people.i{item}"' for item in range(1, 10))
    study.change_spec('"HDRS-17"', '"PHQ-9"').change_spec('"people.pre"', f"[{items}]")
    fields = f'depression_instrument = {{ value = "PHQ-9" }}\ndepression_items = [{items}]'
    study.change_spec("[outcome]", f"{fields}\n\n[outcome]")
    message = _refusal(study.write())
    assert message.count("  - ") == 1
    assert "row 3, people.csv, column 'i4': is out of range for a PHQ-9 item score" in message
    study.change(",7,", ",1,")
    items_read = [p.depression_items for p in _patients(study.write()).values()]
    assert items_read == [(2,) * 9, (2, 2, 2, 1, 2, 2, 2, 2, 2), None, (3,) * 9]


def test_cells_of_participants_who_are_left_out_do_not_matter(study: Study) -> None:
    # A child and a stray text, both of people whom the study does not concern.
    study.change("p2,51", "p2,8").change("62,male,south,5", "62,male,south,many")
    assert "column 'age'" in _refusal(study.write())
    study.spec += (
        '\n[[keep]]\ncolumn = "people.age"\nat_least = 18\nbecause = "adults"\n'
        '\n[[keep]]\ncolumn = "people.id"\nnone_of = ["p4"]\nbecause = "not p4"\n'
    )
    assert list(_patients(study.write())) == ["p1", "p3"]


def test_value_maps_translate_and_refuse_what_they_do_not_list(study: Study) -> None:
    mapped = '{ column = "people.site", values = { north = true, south = false } }'
    study.change_spec('"people.bzd"', mapped)
    assert [p.benzodiazepine for p in _patients(study.write()).values()] == [
        True, True, False, False,
    ]  # fmt: skip
    message = _refusal(study.change("62,male,south", "62,male,secret").write())
    assert "row 5, people.csv, column 'site': is not among the values that the spec maps" in message
    assert "(allowed: north, south)" in message
    assert "secret" not in message


def test_units_are_converted(study: Study) -> None:
    weeks = '{ column = "people.weeks", from_unit = "weeks" }'
    study.change_spec("[outcome]", f"episode_duration_months = {weeks}\n\n[outcome]")
    _with_column(study, "weeks", ["52", "", "26", "104"])
    months = [p.episode_duration_months for p in _patients(study.write()).values()]
    year = 52 * 7 / 365.25 * 12
    assert months == [pytest.approx(year), None, pytest.approx(year / 2), pytest.approx(2 * year)]


def test_factor_and_offset_convert_too(study: Study) -> None:
    # From the year of birth to the age in 2020.
    born = '{ column = "people.born", factor = -1, offset = 2020 }'
    study.change_spec('"people.age"', born)
    _with_column(study, "born", ["1986", "1969", "1972", "1958"])
    assert [p.age_years for p in _patients(study.write()).values()] == [34, 51, 48, 62]


def test_a_decimal_comma_is_a_setting_of_the_table(study: Study) -> None:
    text = str(study.files["people.csv"])
    study.files["people.csv"] = text.replace(",", ";").replace("34", "34,5")
    study.change_spec('id = "id"', 'id = "id"\nseparator = ";"\ndecimal = ","')
    assert _patients(study.write())["p1"].age_years == 34.5


def test_coordinates_and_items_take_several_columns(study: Study) -> None:
    study.change_spec(
        "[outcome]", 'coil_site_mni_mm = ["people.x", "people.y", "people.z"]\n\n[outcome]'
    )
    for axis, cell in {"x": "-38", "y": "44", "z": "26.5"}.items():
        _with_column(study, axis, [cell, "" if axis == "z" else cell, cell, cell])
    patients = _patients(study.write())
    sites = [patients[name].coil_site_mni_mm for name in ("p1", "p2")]
    assert sites == [(-38, 44, 26.5), None]
    message = _refusal(study.change("26.5", "731").write())
    assert "row 2, people.csv, column 'z': coil_site_mni_mm is out of range" in message
    assert "731" not in message


def test_items_are_summed_by_the_instrument(study: Study) -> None:
    columns = ", ".join(f'"people.q{number}"' for number in range(1, 10))
    fields = f'depression_instrument = {{ value = "PHQ-9" }}\ndepression_items = [{columns}]'
    study.change_spec("[outcome]", f"{fields}\n\n[outcome]")
    for number in range(1, 10):
        _with_column(study, f"q{number}", ["2", "3" if number > 1 else "", "1", "0"])
    patients = _patients(study.write())
    assert [p.depression_total for p in patients.values()] == [18, None, 9, 0]


def test_the_baseline_of_the_outcome_is_the_severity_unless_another_is_named(
    study: Study,
) -> None:
    assert _patients(study.write())["p1"].depression_total == 24
    study.change_spec(
        "[outcome]",
        'depression_instrument = { value = "PHQ-9" }\ndepression_total = "people.phq"\n\n[outcome]',
    )
    _with_column(study, "phq", ["19", "8", "7", "6"])
    patient = _patients(study.write())["p1"]
    assert (patient.depression_instrument, patient.depression_total) == ("PHQ-9", 19)


def test_a_total_out_of_its_own_instruments_range_is_located(study: Study) -> None:
    study.change_spec(
        "[outcome]",
        'depression_instrument = "people.scale"\ndepression_total = "people.total"\n\n[outcome]',
    )
    _with_column(study, "scale", ["phq-9", "HDRS-17", "HDRS-17", "MADRS"])
    _with_column(study, "total", ["31", "31", "31", "31"])
    message = _refusal(study.write())
    assert (
        "row 2, people.csv, column 'total': depression_total is out of range for PHQ-9" in message
    )
    assert message.count("row ") == 1
    assert "31" not in message


def test_an_unknown_instrument_in_a_cell_is_refused_without_repeating_it(study: Study) -> None:
    study.change_spec("[outcome]", 'anxiety_instrument = "people.scale"\n\n[outcome]')
    _with_column(study, "scale", ["GAD-7", "GAD-731", "HAM-A", "n/a"])
    message = _refusal(study.write())
    assert "row 3, people.csv, column 'scale'" in message
    assert "is not a known instrument" in message
    assert "731" not in message


def test_a_rule_between_two_fields_is_located(study: Study) -> None:
    study.change_spec("[outcome]", 'onset_age_years = "people.onset"\n\n[outcome]')
    _with_column(study, "onset", ["20", "61", "20", "20"])
    message = _refusal(study.write())
    assert "row 3, people.csv, column 'onset': onset_age_years must not exceed age_years" in message
    assert "61" not in message


def test_declared_measurements_have_their_range_checked(study: Study) -> None:
    study.spec += EXTRA
    _with_column(study, "alff", ["1.5", "", "0", "10"])
    extra = [patient.extra for patient in _patients(study.write()).values()]
    assert extra == [{"alff": 1.5}, {}, {"alff": 0}, {"alff": 10}]
    message = _refusal(study.change("1.5", "10.731").write())
    assert (
        "row 2, people.csv, column 'alff': is out of the range that the spec declares "
        "(allowed: 0 to 10)"
    ) in message
    assert "731" not in message


def test_words_become_declared_numbers_by_a_value_map(study: Study) -> None:
    study.spec += EXTRA.replace('"people.alff"', '"people.site"\nvalues = { north = 1, south = 2 }')
    extra = [patient.extra["alff"] for patient in _patients(study.write()).values()]
    assert extra == [1, 1, 2, 2]


def test_constants_are_the_same_for_everybody(study: Study) -> None:
    study.change_spec("[outcome]", 'protocol = { value = "itbs" }\n\n[outcome]')
    assert {p.protocol for p in _patients(study.write()).values()} == {"itbs"}


def _read(name: str, cells: list[str]) -> tuple[list[Any], int]:
    """Return the values of cells ('' is missing) and how many were reported."""
    series = pd.Series([cell or None for cell in cells], dtype="str")
    column = Column(series, np.arange(2, 2 + len(cells)), "t.csv, column 'c'")
    findings = Findings()
    values = field_values(name, Source(column="c"), [column], findings)
    return values, len(findings.problems)


SPELLINGS = st.sampled_from(["yes", "no", "true", "false", "1", "0", "y", "n", ""])
MEANING = {"yes": True, "true": True, "1": True, "y": True, "": None}


@given(st.lists(st.tuples(SPELLINGS, st.booleans()), min_size=1, max_size=20))
def test_yes_and_no_in_any_spelling(cells: list[tuple[str, bool]]) -> None:
    texts = [text.upper() if upper else text for text, upper in cells]
    assert _read("lithium", texts) == ([MEANING.get(text, False) for text, _ in cells], 0)


def test_names_are_read_in_any_case_and_strangers_are_left_to_the_schema() -> None:
    protocols = _read("protocol", ["ITBS", "", "cTBS", "laser"])
    assert protocols == (["itbs", None, "ctbs", "laser"], 0)
    assert _read("anxiety_instrument", ["gad-7"]) == (["GAD-7"], 0)
    assert _read("sex", ["f", "Male", "OTHER"]) == (["female", "male", "other"], 0)
