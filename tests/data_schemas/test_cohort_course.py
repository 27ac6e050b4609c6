"""The section [course] of a cohort.toml: long or wide, and never a source of predictors."""

import pytest

from data_schemas.cohort import CohortSpec, parse_cohort_spec
from data_schemas.errors import ConfigurationError

SPEC = """
name = "Clinic"
licence = "none"
citation = "none"
simulated = false
[treatment]
is_tms = true
description = "TMS"
[tables.people]
file = "people.csv"
[tables.weekly]
file = "weekly.csv"
[patient]
age_years = "people.age"
[outcome]
instrument = "HDRS-17"
baseline = "people.pre"
final = "people.post"
[course]
"""
LONG = 'score = "weekly.total"\nsession = "weekly.session"\n'


def spec(section: str, text: str = SPEC) -> CohortSpec:
    return parse_cohort_spec(text + section)


def refused(section: str, text: str = SPEC) -> str:
    with pytest.raises(ConfigurationError) as caught:
        spec(section, text)
    return str(caught.value)


def test_a_long_course_is_read() -> None:
    course = spec(LONG).course
    assert course is not None
    assert (course.clock, course.sessions_a_week) == ("session", 5)
    assert set(course.sources()) == {"course.score", "course.session"}


def test_a_wide_course_is_read() -> None:
    section = 'visits = [{ week = 2, score = "people.w2" }, { week = 3, score = "people.w3" }]'
    course = spec(section).course
    assert course is not None
    assert (course.clock, course.time) == ("week", None)
    assert set(course.sources()) == {"course.visits.1.score", "course.visits.2.score"}


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ('score = "weekly.total"', "needs score and one of session, day and week"),
        (LONG + 'week = "weekly.week"', "needs score and one of session, day and week"),
        (LONG + 'visits = [{ week = 2, score = "people.w2" }]', "or visits alone"),
        (LONG + 'instrument = "HDRS17"', "Did you mean 'HDRS-17'?"),
        (LONG + 'ended = { value = 12 }', "course.ended: is read from one column"),
        (LONG.replace("weekly.session", "people.session"), "must be of the table of course.score"),
        (LONG.replace("weekly.total", "weakly.total"), "names no table"),
        (LONG.replace("session =", "sesion ="), "Did you mean 'session'?"),
        ('score = "weekly.total"\nday = { column = "weekly.day", from_unit = "cm" }', "convert"),
        ('score = "weekly.total"\nweek = { column = "weekly.visit", values = { w1 = "1" } }',
         "must map to numbers"),
    ],
)  # fmt: skip
def test_a_wrong_section_is_refused_by_key(section: str, problem: str) -> None:
    assert problem in refused(section)


@pytest.mark.parametrize("column", ["weekly.total", "weekly.session"])
def test_nothing_of_the_course_is_a_predictor(column: str) -> None:
    text = SPEC.replace('"people.age"', f'"{column}"')
    assert f"'{column}' cannot be a predictor: it is part of the course" in refused(LONG, text)


def test_a_table_of_all_visits_may_hold_the_one_before() -> None:
    text = SPEC.replace('file = "weekly.csv"', 'file = "weekly.csv"\nvisit = "session"')
    text = text.replace('"people.pre"', '{ column = "weekly.total", visit = "0" }')
    assert spec(LONG, text).course is not None
