"""Files of patients to predict."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tracked_runs import made_up_patients

from data_schemas.errors import DataError
from data_schemas.patient import Patient
from serving.patient_frame import patients_to_frame
from training.cohort.patients import read_patients

ANNA: dict[str, Any] = {
    "age_years": 34,
    "sex": "female",
    "failed_trials": 2,
    "lithium": False,
    "depression_instrument": "PHQ-9",
    "depression_total": 19,
    "coil_site_mni_mm": [-38, 44, 26],
    "extra": {"alff": 1.5},
}
BEN: dict[str, Any] = {"sex": "male", "protocol": "itbs"}
EXPECTED = [("a", Patient.model_validate(ANNA)), ("b", Patient.model_validate(BEN))]


def _flat(patient: dict[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in patient.items() if not isinstance(value, list | dict)}
    site = patient.get("coil_site_mni_mm")
    flat |= {f"coil_site_{axis}_mm": site[k] for k, axis in enumerate("xyz")} if site else {}
    return flat | {f"extra.{key}": value for key, value in patient.get("extra", {}).items()}


def _write(path: Path, records: list[dict[str, Any]]) -> Path:
    frame = pd.DataFrame([_flat(record) for record in records])
    if path.suffix == ".json":
        path.write_text(json.dumps(records))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(record) for record in records) + "\n\n")
    elif path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def _refusal(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError) as caught:
        read_patients(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "tsv", "xlsx", "parquet"])
def test_every_format_gives_the_same_patients(tmp_path: Path, suffix: str) -> None:
    records = [{"participant_id": "a", **ANNA}, {"participant_id": "b", **BEN}]
    assert read_patients(_write(tmp_path / f"p.{suffix}", records)) == EXPECTED


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_without_ids_patients_are_numbered(tmp_path: Path, suffix: str) -> None:
    patients = read_patients(_write(tmp_path / f"p.{suffix}", [ANNA, BEN]))
    assert [name for name, _ in patients] == ["1", "2"]


def test_one_object_is_one_patient(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"id": "x", **BEN}))
    assert read_patients(path) == [("x", EXPECTED[1][1])]


def test_items_are_columns_in_a_table(tmp_path: Path) -> None:
    items = [3, 2, 1, 0, 3, 2, 1, 0, 3]
    # In any order of the columns, the tenth not before the second.
    names = [f"depression_item_{number}" for number in range(1, 10)]
    scores = dict(zip(names, items, strict=True))
    frame = pd.DataFrame([{"depression_instrument": "PHQ-9", **scores}])
    frame[frame.columns[::-1]].to_csv(tmp_path / "p.csv", index=False)
    ((_, patient),) = read_patients(tmp_path / "p.csv")
    assert patient.depression_items == tuple(items)
    assert patient.depression_total == sum(items)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_for_mlflow_is_read_too(tmp_path: Path, suffix: str) -> None:
    patients = [patient for patient in made_up_patients(30) if patient.connectome is None]
    frame = patients_to_frame(patients).drop(columns=["connectome", "connectome_summary"])
    path = tmp_path / f"p.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    assert [patient for _, patient in read_patients(path)] == patients


def test_items_in_one_column_are_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "p.csv", 'sex,depression_items\nF,"[3, 1]"\n')
    assert "Did you mean 'depression_item_1'?" in message


def test_bad_values_are_named_by_row_and_field_in_json(tmp_path: Path) -> None:
    records = [BEN, {"age_years": 731}, {"age_year": 7310}, "7311", {"sessions_completed": 12}]
    message = _refusal(tmp_path / "p.json", json.dumps(records))
    assert "row 2, age_years: is out of range" in message
    assert "row 3, age_year: is not a known field. Did you mean 'age_years'?" in message
    assert "row 4, patient: should be an object" in message
    assert "row 5, sessions_completed: counts the sessions given" in message
    assert "731" not in message


def test_bad_values_are_named_by_row_and_column_in_a_table(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "p.csv", "id,age_years,extra.alff\na,731,1\nb,34,x731\n")
    assert "row 2, p.csv, column 'age_years': age_years is out of range" in message
    assert "row 3, p.csv, column 'extra.alff': is not a number" in message
    assert "731" not in message


def test_unknown_and_post_treatment_columns_of_a_table(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "p.csv", "id,age_year,week1_score\na,34,12\n")
    assert "column 'age_year': is not a field of a patient. Did you mean 'age_years'?" in message
    assert "column 'week1_score': was measured during or after treatment" in message


def test_a_table_without_a_header_is_refused_without_repeating_a_value(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "p.csv", "7311,F\n7312,M\n")
    assert "the first line: names no field of a patient; is it a header?" in message
    assert "731" not in message


def test_another_separator_and_a_decimal_comma_are_named(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "p.csv", "id;age_years\na;34,5\n")
    assert message.endswith("a single column. Save it with ',' between the columns.")
    message = _refusal(tmp_path / "p.tsv", "id\tage_years\na\t34,5\n")
    assert message.endswith("is not a number; if its comma is the decimal mark, write a point")
    assert "34,5" not in message


def test_a_coil_site_needs_three_columns(tmp_path: Path) -> None:
    message = _refusal(tmp_path / "p.csv", "id,coil_site_x_mm\na,-38\n")
    assert "coil_site_mni_mm: needs coil_site_x_mm, coil_site_y_mm, coil_site_z_mm" in message


@pytest.mark.parametrize("text", ["id,sex\na,F\na,M\n", "id,sex\n,F\nb,M\n"])
def test_an_id_names_one_patient(tmp_path: Path, text: str) -> None:
    message = _refusal(tmp_path / "p.csv", text)
    assert "row 2, participant_id: names more than one patient, or is missing" in message


def test_broken_json_names_line_and_column(tmp_path: Path) -> None:
    text = '[{"age_years": 73},\n {"age_years" 731}]'
    assert "line 2, column 15" in _refusal(tmp_path / "p.json", text)
    lines = '{"age_years": 34}\n\n{"age_years": }\n'
    message = _refusal(tmp_path / "p.jsonl", lines)
    assert "line 3, column 15" in message


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("p.json", "", "p.json is empty."),
        ("p.json", b"\xff\xfe", "p.json is not a text file in UTF-8."),
        ("p.json", "[" * 100_000, "nested too deep"),
        ("p.json", '{"age_years": ' + "7" * 5000 + "}", "a number with too many digits"),
        ("p.json", '{"id": null}', "row 1, id: should be text"),
        ("p.csv", b"\x00\x01", "p.csv is not a text file."),
        ("p.docx", "words", "must end in one of: .json, .jsonl, .csv"),
    ],
)
def test_files_that_hold_no_patients(
    tmp_path: Path, name: str, text: str | bytes, sentence: str
) -> None:
    assert sentence in _refusal(tmp_path / name, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        read_patients(tmp_path / "p.json")
