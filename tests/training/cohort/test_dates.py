"""Dates of the start of treatment: read in every format, checked, and no part of a patient."""

import io
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_study import Study

from data_schemas.errors import DataError
from training.cohort.check import check_cohort
from training.cohort.dates import parse_date
from training.cohort.read import read_cohort

STARTED = (date(2021, 3, 4), date(2019, 12, 31), None, date(2022, 1, 1))
TMS = 'description = "Left DLPFC TMS"\n'
DAYS = st.dates(date(1926, 1, 1))


def with_dates(study: Study, cells: tuple[str, ...], source: str = '"people.start"') -> Study:
    lines = str(study.files["people.csv"]).splitlines()
    dated = zip(lines, ("start", *cells), strict=True)
    study.files["people.csv"] = "\n".join(f"{line},{cell}" for line, cell in dated)
    return study.change_spec(TMS, f"{TMS}start_date = {source}\n")


def started(folder: Path) -> tuple[date | None, ...]:
    return tuple(member.treatment_started for member in read_cohort(folder).members)


def test_without_a_column_nobody_has_a_date(study: Study) -> None:
    assert started(study.write()) == (None,) * 4


def test_text_dates_are_read(study: Study) -> None:
    assert (
        started(with_dates(study, ("2021-03-04", "2019-12-31", "n/a", "2022")).write()) == STARTED
    )


def test_codes_for_missing_apply(study: Study) -> None:
    source = '{ column = "people.start", missing = [9999] }'
    cells = ("2021-03-04 09:30", "2019-12-31T08:00:00Z", "9999", "2022-01")
    assert started(with_dates(study, cells, source).write()) == STARTED


def as_frame(study: Study, starts: pd.Series | list[int | None]) -> pd.DataFrame:
    study.change_spec(TMS, f'{TMS}start_date = "people.start"\n')
    frame = pd.read_csv(io.StringIO(str(study.files.pop("people.csv"))))
    frame["start"] = starts
    return frame


@pytest.mark.parametrize(
    "starts",
    [
        pd.to_datetime(pd.Series(STARTED)),
        pd.to_datetime(pd.Series(STARTED)).dt.tz_localize("Europe/Madrid"),
        pd.Series(STARTED, dtype="object"),
        pd.Series([None if day is None else day.isoformat() for day in STARTED], dtype="object"),
    ],
    ids=["datetimes", "with a time zone", "dates", "text"],
)
def test_dates_of_a_parquet_file(study: Study, starts: pd.Series) -> None:
    frame = as_frame(study, starts)
    study.change_spec('"people.csv"', '"people.parquet"')
    frame.to_parquet(study.write() / "people.parquet")
    assert started(study.folder) == STARTED


def test_dates_and_years_of_an_excel_sheet(study: Study) -> None:
    frame = as_frame(study, [None] * 4)
    study.change_spec('"people.csv"', '"people.xlsx"').write()
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(frame.columns))
    cells = [datetime(2021, 3, 4), date(2019, 12, 31), None, 2022]  # noqa: DTZ001  # as Excel has it
    for row, cell in zip(frame.astype("object").to_numpy().tolist(), cells, strict=True):
        sheet.append([None if value != value else value for value in row[:-1]] + [cell])  # noqa: PLR0124
    book.save(study.folder / "people.xlsx")
    assert started(study.folder) == STARTED


def test_years_that_a_program_wrote_as_numbers(study: Study) -> None:
    frame = as_frame(study, [2021, 2019, None, 2022])
    study.files["people.csv"] = frame.to_csv(index=False)
    years = [day and day.year for day in started(study.write())]
    assert years == [2021, 2019, None, 2022]


def test_the_date_at_the_baseline_visit_counts(study: Study) -> None:
    study.files["visits.csv"] = (
        "id,visit,day\np1,pre,2021-03-04\np1,post,2021-04-20\np2,pre,2019-12-31\np4,pre,2022-01-01\n"
    )
    study.spec += '[tables.visits]\nfile = "visits.csv"\nid = "id"\nvisit = "visit"\n'
    source = 'start_date = { column = "visits.day", visit = "pre" }\n'
    assert started(study.change_spec(TMS, TMS + source).write()) == STARTED


@pytest.mark.parametrize(
    "cell", ["04/03/2021", "4.3.2021", "20210304", "2021-02-30", "2021-13", "44259", "March 2021"]
)
def test_what_is_no_iso_date_is_named_by_row_and_column(study: Study, cell: str) -> None:
    folder = with_dates(study, ("2021-03-04", cell, "n/a", "2022")).write()
    with pytest.raises(DataError) as caught:
        read_cohort(folder)
    (problem,) = caught.value.problems
    assert str(problem) == (
        "row 3, people.csv, column 'start': is not a date of the start of treatment "
        "(allowed: YYYY-MM-DD, YYYY-MM or YYYY)"
    )
    assert cell not in str(caught.value)


def test_dates_shifted_to_protect_privacy_are_refused(study: Study) -> None:
    folder = with_dates(study, ("1867-06-15T13:45:30", "1925", "1926-01-01", "n/a")).write()
    with pytest.raises(DataError) as caught:
        read_cohort(folder)
    assert [problem.row for problem in caught.value.problems] == [2, 3]
    assert "they do not tell which participant came first" in str(caught.value)
    assert "1867" not in str(caught.value)


def test_a_date_changes_no_patient_and_is_no_predictor(
    study: Study, new_study: Callable[[], Study]
) -> None:
    plain = read_cohort(new_study().write()).members
    dated = read_cohort(with_dates(study, ("2021-03-04", "2019", "", "2022")).write())
    assert [member.patient for member in dated.members] == [member.patient for member in plain]
    assert "treatment.start_date" not in dated.spec.predictors()
    assert "2021" not in " ".join(m.patient.model_dump_json() for m in dated.members)


def test_check_counts_those_without_a_date(study: Study) -> None:
    report = check_cohort(with_dates(study, ("2021-03-04", "2019", "", "2022")).write())
    (undated,) = (row for row in report.missingness if row.field == "start of treatment")
    assert (undated.place, undated.missing, undated.total) == ("people.start", 1, 4)


@given(DAYS, st.times(), st.sampled_from([None, 0, -5, 14]))
def test_any_day_comes_back_with_or_without_a_time(
    day: date, time: object, hours: int | None
) -> None:
    zone = None if hours is None else timezone(timedelta(hours=hours))
    moment = datetime.combine(day, time, zone)  # type: ignore[arg-type]
    for text in (day.isoformat(), str(moment), moment.isoformat()):
        assert parse_date(text) == day
    assert parse_date(f"{day:%Y-%m}") == day.replace(day=1)
    assert parse_date(f"{day.year:04d}") == date(day.year, 1, 1)


@given(st.text(max_size=12))
def test_any_other_text_is_none_or_a_date(text: str) -> None:
    day = parse_date(text)
    assert day is None or text.startswith(f"{day.year:04d}")
