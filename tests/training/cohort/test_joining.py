"""Rows to participants: long and wide tables, visits, courses, duplicates and strays."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import Study

from data_schemas.errors import DataError
from training.cohort.read import read_cohort

SCORES = """id,visit,hama,weight,total
p2,pre,11,80,22
p1,post,90,70,10
p1,pre,12,70,24
p3,pre,13,60,30
p2,post,91,80,20
p3,post,92,60,15
p4,pre,14,50,18
"""

LONG = (
    """
[patient]
""",
    """
[tables.scores]
file = "scores.csv"
id = "id"
visit = "visit"
baseline = "pre"

[patient]
anxiety_instrument = { value = "HAM-A" }
anxiety_total = "scores.hama"
""",
)


def _long(study: Study) -> Study:
    study.files["scores.csv"] = SCORES
    return study.change_spec(*LONG)


def _anxiety(folder: Path) -> dict[str, float | None]:
    return {m.id: m.patient.anxiety_total for m in read_cohort(folder).members}


def _refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_cohort(folder)
    return str(caught.value)


EXPECTED = {"p1": 12.0, "p2": 11.0, "p3": 13.0, "p4": 14.0}


def test_rows_join_by_id_whatever_their_order(study: Study) -> None:
    assert _anxiety(_long(study).write()) == EXPECTED


def test_a_visit_of_its_own_beats_the_baseline_of_the_table(study: Study) -> None:
    _long(study).change_spec('baseline = "pre"', 'baseline = "screening"')
    study.change_spec('"scores.hama"', '{ column = "scores.hama", visit = "pre" }')
    assert _anxiety(study.write()) == EXPECTED


def test_without_a_visit_the_rows_of_a_participant_must_agree(study: Study) -> None:
    _long(study).change_spec('baseline = "pre"\n', "")
    study.change_spec("scores.hama", "scores.weight")
    study.change("p4,pre,14,50", "p4,pre,14,", "scores.csv")
    message = _refusal(study.change("p1,post,90,70", "p1,post,90,47", "scores.csv").write())
    assert "scores.csv, column 'weight': differs between the rows of one participant" in message
    assert "47" not in message


def test_rows_that_agree_fill_each_other(study: Study) -> None:
    _long(study).change_spec('baseline = "pre"\n', "")
    study.change_spec("scores.hama", "scores.weight").change_spec(
        'anxiety_total = "scores.weight"',
        'anxiety_total = { column = "scores.weight", factor = 0.5 }',
    )
    study.change("p1,pre,12,70", "p1,pre,12,n/a", "scores.csv")
    assert _anxiety(study.write()) == {"p1": 35.0, "p2": 40.0, "p3": 30.0, "p4": 25.0}


def test_a_participant_without_a_row_is_unknown_there(study: Study) -> None:
    _long(study).change("p3,pre,13,60,30\n", "", "scores.csv")
    assert _anxiety(study.write()) == {**EXPECTED, "p3": None}


def test_a_duplicated_id_is_named_by_its_row_and_not_by_itself(study: Study) -> None:
    message = _refusal(study.change("p3,48", "p1,48").write())
    assert "row 4, people.csv, column 'id': repeats the id of an earlier row" in message
    assert "p1" not in message


def test_a_visit_repeated_for_one_participant_is_refused(study: Study) -> None:
    message = _refusal(_long(study).change("p1,post", "p1,pre", "scores.csv").write())
    assert "row 4, scores.csv, column 'id': repeats the id of an earlier row" in message
    assert "at the visit 'pre'" in message


def test_a_row_without_an_id_is_named(study: Study) -> None:
    message = _refusal(study.change("p2,51", "n/a,51").write())
    assert "row 3, people.csv, column 'id': has no id" in message


def test_an_unknown_visit_is_named_with_the_nearest(study: Study) -> None:
    rows = "".join(f"q{number},screening,5,60,20\n" for number in range(5))
    _long(study).change("p4,pre,14,50,18\n", "p4,pre,14,50,18\n" + rows, "scores.csv")
    message = _refusal(study.change_spec('baseline = "pre"', 'baseline = "screning"').write())
    assert "no row has the visit 'screning'. Did you mean 'screening'?" in message


def test_a_rare_visit_label_is_not_offered_since_it_may_be_a_value(study: Study) -> None:
    message = _refusal(_long(study).change_spec('baseline = "pre"', 'baseline = "prae"').write())
    assert "no row has the visit 'prae'." in message
    assert "'pre'" not in message


def test_ids_of_nobody_are_counted(study: Study) -> None:
    _long(study).change("p4,pre", "p9,pre", "scores.csv")
    (warning,) = (i for i in read_cohort(study.write()).issues if i.code == "stray_ids")
    assert warning.severity == "warning"
    assert warning.message == "1 ids are not in people.csv and are not used."


def test_tables_that_share_no_id_are_refused(study: Study) -> None:
    _long(study)
    study.files["scores.csv"] = SCORES.replace("\np", "\nsub-p")
    message = _refusal(study.write())
    assert "shares no id with people.csv" in message
    assert "prefixes such as 'sub-'" in message


COURSES = """id,course,start,hama
p1,2,2021-03-01,55
p1,1,2020-01-01,12
p2,1,2020-05-05,11
p3,3,2022-01-01,13
p4,1,2020-02-02,14
p4,2,2020-11-02,56
"""


@pytest.mark.parametrize("column", ["course", "start"])
def test_the_first_of_several_courses_is_kept(study: Study, column: str) -> None:
    study.files["scores.csv"] = COURSES
    study.change_spec(*LONG)
    study.change_spec('visit = "visit"\nbaseline = "pre"', f'first = "{column}"')
    assert _anxiety(study.write()) == EXPECTED


def test_dates_that_do_not_sort_are_refused(study: Study) -> None:
    study.files["scores.csv"] = COURSES.replace("2020-01-01", "31/12/2019")
    study.change_spec(*LONG)
    study.change_spec('visit = "visit"\nbaseline = "pre"', 'first = "start"')
    message = _refusal(study.write())
    assert "row 3, scores.csv, column 'start': is neither a number nor an ISO date" in message
    assert "31/12" not in message


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ('equals = "north"', ["p1", "p2"]),
        ('one_of = ["south", "east"]', ["p3", "p4"]),
        ('none_of = ["south"]', ["p1", "p2"]),
    ],
)
def test_row_filters_of_a_table(study: Study, condition: str, left: list[str]) -> None:
    study.change_spec(
        'file = "people.csv"\nid = "id"',
        f'file = "people.csv"\nid = "id"\n[[tables.people.rows]]\ncolumn = "site"\n{condition}',
    )
    cohort = read_cohort(study.write())
    assert [member.id for member in cohort.members] == left
    assert [(step.remaining, step.left_out) for step in cohort.flow[:2]] == [(4, 0), (2, 2)]


def test_a_table_that_its_filters_empty_is_refused(study: Study) -> None:
    study.change_spec(
        'file = "people.csv"\nid = "id"',
        'file = "people.csv"\nid = "id"\n[[tables.people.rows]]\ncolumn = "site"\nequals = "x"',
    )
    assert "people.csv: no participant is left in this table" in _refusal(study.write())


def test_a_long_first_table_lists_each_participant_once(new_study: Callable[[], Study]) -> None:
    study = new_study()
    study.files["people.csv"] = (
        "id,visit,age,sex,site,failed,bzd,total\n"
        "p1,pre,34,F,north,2,yes,24\np1,post,34,,,,,10\n"
        "p2,pre,51,M,north,,no,22\np2,post,51,,,,,20\n"
    )
    study.change_spec('id = "id"', 'id = "id"\nvisit = "visit"\nbaseline = "pre"')
    study.change_spec('"people.pre"', '{ column = "people.total", visit = "pre" }')
    study.change_spec('"people.post"', '{ column = "people.total", visit = "post" }')
    cohort = read_cohort(study.write())
    assert [member.id for member in cohort.members] == ["p1", "p2"]
    assert [member.outcome and member.outcome.response for member in cohort.members] == [
        True,
        False,
    ]
