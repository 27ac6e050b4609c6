import csv
import io
import tomllib
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.cohort_tables import CohortTable
from data_schemas.errors import DataError
from training.cohort.tables import MISSING_TEXTS, read_table, table_from_bytes

CSV = "id,age,note\na,34,ok\nb,,n/a\nc,999,\n"


def _spec(**settings: object) -> CohortTable:
    return CohortTable.model_validate({"file": "t.csv", "id": "id", **settings})


def _refusal(content: str | bytes, **settings: object) -> str:
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(DataError) as caught:
        table_from_bytes(data, "t", _spec(**settings))
    return str(caught.value)


def _as_excel(rows: list[list[object]], sheet: str = "Data") -> bytes:
    book = openpyxl.Workbook()
    page = book.create_sheet(sheet, 0)
    for row in rows:
        page.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def test_every_format_gives_the_same_cells(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "age": [34.0, np.nan, 61.5],
            "trials": pd.array([2, None, 4], dtype="Int64"),
            "works": pd.array([True, False, None], dtype="boolean"),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t", na_rep="n/a")
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    columns = []
    for suffix in ("csv", "tsv", "parquet", "xlsx"):
        table = read_table(tmp_path, "t", CohortTable(file=f"t.{suffix}", id="id"))
        numbers = {name: pd.to_numeric(table.cells(name)).tolist() for name in ("age", "trials")}
        truth = table.cells("works").str.lower().fillna("unknown").tolist()
        columns.append((table.cells("id").tolist(), str(numbers), truth))
    assert columns[0][2] == ["true", "false", "unknown"]
    assert all(other == columns[0] for other in columns[1:])


def test_missing_codes_are_text_or_numbers() -> None:
    table = table_from_bytes(CSV.encode(), "t", _spec(missing=[999]))
    assert table.cells("age").isna().tolist() == [False, True, True]
    assert table.cells("note").isna().tolist() == [False, True, True]
    assert table.cells("note", missing=["ok"]).isna().all()
    longer = CSV.replace("999", "999.0")
    assert table_from_bytes(longer.encode(), "t", _spec(missing=[999])).cells("age").isna()[2]
    assert not table_from_bytes(longer.encode(), "t", _spec()).cells("age").isna()[2]


def test_none_is_a_word_and_not_a_missing_code() -> None:
    # It is a level of tms_history.
    assert not {"none", "None"} & MISSING_TEXTS


def test_rows_are_lines_of_the_file_whatever_is_quoted_or_empty() -> None:
    text = 'id,note\na,"two\nlines"\n\nb,"three\nmore\nlines"\nc,x\n'
    table = table_from_bytes(text.encode(), "t", _spec())
    lines = text.splitlines()
    assert [lines[row - 1][0] for row in table.rows] == table.cells("id").tolist()
    assert table.rows.tolist() == [2, 5, 8]


def test_excel_rows_are_those_of_the_sheet() -> None:
    content = _as_excel([["id", "age"], ["a", 3], [None, None], ["b", 4.5]])
    table = table_from_bytes(content, "t", CohortTable(file="t.xlsx", id="id"))
    assert table.rows.tolist() == [2, 4]
    assert table.cells("age").tolist() == ["3", "4.5"]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6))
def test_any_text_comes_back_stripped(rows: list[tuple[str, str]]) -> None:
    filled = [("an id", "any"), *rows]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([("id", "x"), *filled])
    table = table_from_bytes(stream.getvalue().encode(), "t", _spec())
    kept = [row for row in filled if any(row)]
    assert table.frame["x"].tolist() == [x.strip() for _, x in kept]


def test_separator_decimal_and_encoding_are_settings() -> None:
    text = "id;größe\na;1,5\n"
    table = table_from_bytes(
        text.encode("cp1252"), "t", _spec(separator=";", decimal=",", encoding="cp1252")
    )
    assert table.frame.columns.tolist() == ["id", "größe"]
    assert table.cells("größe").tolist() == ["1,5"]


@pytest.mark.parametrize(
    ("file", "text", "not_by", "setting"),
    [
        ("t.csv", "id;age\na;3,5\nb;7\n", "by ';', not by ','", 'separator = ";"'),
        ("t.csv", "id\tage\na\t3\n", "by tabs, not by ','", 'separator = "\\t"'),
        ("t.txt", "id,age\na,3\n", "by ',', not by tabs", 'separator = ","'),
    ],
)
def test_another_separator_is_guessed_and_its_setting_named(
    file: str, text: str, not_by: str, setting: str
) -> None:
    with pytest.raises(DataError) as caught:
        table_from_bytes(text.encode(), "people", CohortTable(file=file))
    assert str(caught.value) == (
        f"{file} looks separated {not_by}: its first line is a single column. "
        f"{setting} in [tables.people] reads it."
    )
    spec = CohortTable(file=file, **tomllib.loads(setting))
    assert table_from_bytes(text.encode(), "people", spec).frame.columns.tolist() == ["id", "age"]


def test_a_single_column_of_ids_may_hold_a_semicolon() -> None:
    table = table_from_bytes(b"id; as given\na\n", "t", _spec(id="id; as given"))
    assert table.n_ids() == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_not_part_of_the_header(encoding: str) -> None:
    setting = {} if encoding == "utf-8-sig" else {"encoding": encoding}
    table = table_from_bytes(CSV.encode(encoding), "t", _spec(**setting))
    assert table.frame.columns.tolist() == ["id", "age", "note"]


def test_an_unnamed_first_column_is_named_by_nothing() -> None:
    text = '"","x"\n"1","2"\n'
    assert table_from_bytes(text.encode(), "t", _spec()).cells("").tolist() == ["1"]


@pytest.mark.parametrize("content", ["", "   \n \n", ",,\n,,\n", "\ufeff"])
def test_an_empty_file_is_said_to_be_empty(content: str) -> None:
    assert "t.csv is empty." in _refusal(content)


def test_a_header_alone_is_no_table() -> None:
    assert "t.csv has a header and no rows." in _refusal("id,age\n")


def test_a_file_that_is_not_text_is_said_to_be_so() -> None:
    assert "t.csv is not a text file." in _refusal(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")


def test_other_encodings_are_named_with_the_line() -> None:
    message = _refusal("id,x\na,1\nb,M\xfcller\n".encode("latin-1"))
    assert "t.csv is not text in utf-8: line 3 holds other bytes" in message
    assert 'encoding = "cp1252"' in message
    assert "ller" not in message


def test_rows_of_other_lengths_are_listed() -> None:
    message = _refusal("id,x\na,1\nb,4711,3\nc\n")
    assert "its rows differ in length" in message
    assert "row 3, t.csv: has 3 cells where the header has 2" in message
    assert "row 4, t.csv: has 1 cells where the header has 2" in message
    assert "4711" not in message


def test_a_column_named_twice_is_refused() -> None:
    message = _refusal("id,731,731\na,1,2\n")
    assert "t.csv has columns of the same name: columns 2, 3." in message
    assert "731" not in message


def test_an_oversized_cell_is_refused_in_a_sentence() -> None:
    message = _refusal('id,x\na,"' + "4" * 200_000 + '"\n')
    assert "t.csv is not a table of text: line 2 cannot be read." in message


@pytest.mark.parametrize("name", ["t.xlsx", "t.parquet"])
def test_a_file_that_is_not_what_its_name_says(name: str) -> None:
    with pytest.raises(DataError, match=r"t\.\w+ is not an? (Excel workbook|Parquet file)"):
        table_from_bytes(b"id,age\na,34\n", "t", CohortTable(file=name, id="id"))


def test_an_unknown_sheet_is_named_with_the_nearest() -> None:
    content = _as_excel([["id"], ["a"]], sheet="Baseline")
    with pytest.raises(DataError, match=r"no sheet 'Baselin'.* 'Baseline'"):
        table_from_bytes(content, "t", CohortTable(file="t.xlsx", id="id", sheet="Baselin"))


def test_cells_beside_the_header_of_a_sheet_are_refused() -> None:
    content = _as_excel([["id", None], ["a", "stray"]])
    with pytest.raises(DataError, match="cells to the right of its header"):
        table_from_bytes(content, "t", CohortTable(file="t.xlsx", id="id"))


def test_a_missing_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("id\n1\n")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path, "t", CohortTable(file="participant.tsv"))
    assert "There is no file 'participant.tsv'" in str(caught.value)
    assert "Did you mean 'participants.tsv'?" in str(caught.value)
    assert "--data" in str(caught.value)


def test_a_link_out_of_the_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(CSV)
    data = tmp_path / "data"
    data.mkdir()
    (data / "t.csv").symlink_to(tmp_path / "secret.csv")
    (data / "inner.csv").write_text(CSV)
    (data / "u.csv").symlink_to(data / "inner.csv")
    with pytest.raises(DataError, match="a link that leads out of the data folder"):
        read_table(data.resolve(), "t", CohortTable(file="t.csv"))
    assert len(read_table(data.resolve(), "u", CohortTable(file="u.csv")).rows) == 3


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(DataError, match=r"'t\.csv' is not a file"):
        read_table(tmp_path.resolve(), "t", CohortTable(file="t.csv"))
