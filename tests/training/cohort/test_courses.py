"""Courses from a study's own tables, long or wide, with what is wrong told by row."""

import pytest
from small_study import Study

from data_schemas.course import Course
from data_schemas.errors import DataError
from training.cohort.check import check_cohort
from training.cohort.read import read_cohort

TABLE = '[tables.people]\nfile = "people.csv"\nid = "id"\n'
WEEKLY = """id,session,total
p1,10,15
p2,5,20
p1,5,19
p3,0,30
p3,6,n/a
p9,5,12
"""
LONG = '\n[course]\nscore = "weekly.total"\nsession = "weekly.session"\n'


def long_study(study: Study, section: str = LONG) -> Study:
    study.files["weekly.csv"] = WEEKLY
    study.change_spec(TABLE, f'{TABLE}\n[tables.weekly]\nfile = "weekly.csv"\nid = "id"\n')
    study.spec += section
    return study


def courses(study: Study) -> list[list[tuple[float, float]]]:
    members = read_cohort(study.write()).members
    return [_pairs(member.course) for member in members]


def _pairs(course: Course | None) -> list[tuple[float, float]]:
    if course is None:
        return []
    scores = [visit.score for visit in course.visits]
    return list(zip(course.weeks(), scores, strict=True))


def problems(study: Study) -> str:
    with pytest.raises(DataError) as caught:
        read_cohort(study.write())
    return str(caught.value)


def test_without_a_section_nobody_has_a_course(study: Study) -> None:
    members = read_cohort(study.write()).members
    assert {(member.course, member.course_ended_week) for member in members} == {(None, None)}


def test_rows_of_a_participant_are_put_in_order(study: Study) -> None:
    found = courses(long_study(study))
    # A score before the first session and one that is missing are no part of the course.
    assert found == [[(1.0, 19.0), (2.0, 15.0)], [(1.0, 20.0)], [], []]


def test_days_weeks_and_months_are_converted(study: Study) -> None:
    section = LONG.replace('session = "weekly.session"', 'day = "weekly.session"')
    assert courses(long_study(study, section))[1] == [(round(5 / 7, 9), 20.0)]


def test_weeks_are_converted_from_months(study: Study) -> None:
    source = 'week = { column = "weekly.session", from_unit = "months" }'
    section = LONG.replace('session = "weekly.session"', source)
    assert courses(long_study(study, section))[1] == [(round(5 * 365.25 / 12 / 7, 9), 20.0)]


def test_labels_of_visits_are_mapped_to_weeks(study: Study) -> None:
    source = 'week = { column = "weekly.session", values = { 0 = 0, 5 = 1, 6 = 1, 10 = 2 } }'
    section = LONG.replace('session = "weekly.session"', source)
    assert courses(long_study(study, section))[0] == [(1.0, 19.0), (2.0, 15.0)]


def test_wide_columns_are_read(study: Study) -> None:
    study.spec += '\n[course]\nvisits = [{ week = 2, score = "people.post" }]\n'
    assert courses(study) == [[(2.0, 10.0)], [(2.0, 20.0)], [(2.0, 15.0)], []]


def test_a_check_counts_those_without_a_course(study: Study) -> None:
    (missing,) = (
        each for each in check_cohort(long_study(study).write()).missingness
        if each.field == "course"
    )  # fmt: skip
    assert (missing.missing, missing.total) == (2, 4)


def test_an_early_end_is_told_in_weeks(study: Study) -> None:
    study = long_study(study, LONG + 'ended = "people.failed"\n')
    study.change_spec('failed_trials = "people.failed"\n', "")
    ended = [member.course_ended_week for member in read_cohort(study.write()).members]
    assert ended == [2 / 5, None, 3 / 5, 5 / 5]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("p1,10,15", "p1,10,53", "row 2, weekly.csv, column 'total': is out of range for a HDRS"),
        ("p1,10,15", "p1,,15", "row 2, weekly.csv, column 'session': is empty beside a score"),
        ("p1,10,15", "p1,5,15", "row 4, weekly.csv, column 'session': names the session of an"),
        ("p1,10,15", "p1,9.5,15", "row 2, weekly.csv, column 'session': should be a whole number"),
        ("p1,10,15", "p1,201,15", "row 2, weekly.csv, column 'session': is too late"),
        ("p1,10,15", "p1,x,15", "row 2, weekly.csv, column 'session': is not a number"),
        ("id,session", "id,sesion", "there is no column 'session'. Did you mean 'sesion'?"),
    ],
)  # fmt: skip
def test_wrong_cells_are_named_by_row_and_never_by_value(
    study: Study, old: str, new: str, problem: str
) -> None:
    said = problems(long_study(study).change(old, new, "weekly.csv"))
    assert problem in said
    assert "53" not in said
    assert "201" not in said


def test_another_instrument_has_its_own_range(study: Study) -> None:
    study = long_study(study, LONG + 'instrument = "PHQ-9"\n').change(
        "p1,10,15", "p1,10,28", "weekly.csv"
    )
    assert "is out of range for a PHQ-9 total (allowed: 0 to 27)" in problems(study)
