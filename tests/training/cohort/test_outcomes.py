"""The same outcomes, however a study wrote them down."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_study import Study

from data_schemas.errors import DataError
from data_schemas.outcome import Outcome
from training.cohort.read import read_cohort

N_ITEMS = 9
ITEMS = st.lists(st.integers(0, 3), min_size=N_ITEMS, max_size=N_ITEMS)
SCORES = st.lists(st.tuples(ITEMS, st.none() | ITEMS), min_size=1, max_size=6)

HEAD = """
name = "Written four ways"
licence = "none"
citation = "none"
simulated = false
treatment = { is_tms = true, description = "TMS" }

[tables.people]
file = "people.csv"
id = "id"
"""
WIDE = """
[outcome]
instrument = "PHQ-9"
baseline = "people.pre"
final = "people.post"
"""
ITEMISED = """
[outcome]
instrument = "PHQ-9"
baseline = [{pre}]
final = [{post}]
"""
LONG_TABLE = """
[tables.scores]
file = "scores.tsv"
id = "id"
visit = "visit"
"""
LONG = """
[outcome]
instrument = "PHQ-9"
baseline = { column = "scores.total", visit = "pre" }
final = { column = "scores.total", visit = "week 6" }
"""
BESIDE = """
[outcome]
instrument = "PHQ-9"
baseline = "scores.start"
final = { column = "scores.total", visit = "week 6" }
"""


def _text(items: list[int] | None) -> str:
    return "n/a" if items is None else str(sum(items))


def _cells(items: list[int] | None) -> list[str]:
    return ["n/a"] * N_ITEMS if items is None else [str(item) for item in items]


def _outcomes(study: Study, spec: str, files: dict[str, str | bytes]) -> list[Outcome | None]:
    study.spec, study.files = spec, files
    return [member.outcome for member in read_cohort(study.write()).members]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scores=SCORES)
def test_wide_long_beside_and_items_agree(
    study: Study, scores: list[tuple[list[int], list[int] | None]]
) -> None:
    ids = [f"p{number}" for number in range(len(scores))]
    rows = list(zip(ids, scores, strict=True))
    wide = "id,pre,post\n" + "".join(f"{i},{_text(a)},{_text(b)}\n" for i, (a, b) in rows)
    people: dict[str, str | bytes] = {"people.csv": "id,x\n" + "".join(f"{i},1\n" for i in ids)}
    long = "id\tvisit\ttotal\tstart\n" + "".join(
        f"{i}\tweek 6\t{_text(b)}\t{_text(a)}\n{i}\tpre\t{_text(a)}\tn/a\n"
        for i, (a, b) in reversed(rows)
    )
    names = {when: [f"{when}{k}" for k in range(N_ITEMS)] for when in ("pre", "post")}
    items = ",".join(["id", *names["pre"], *names["post"]]) + "\n" + "".join(
        ",".join([i, *_cells(a), *_cells(b)]) + "\n" for i, (a, b) in rows
    )  # fmt: skip
    quoted = {when: ", ".join(f'"people.{name}"' for name in names[when]) for when in names}
    itemised = ITEMISED.format(**quoted)

    expected = [
        Outcome(instrument="PHQ-9", baseline_total=sum(a), final_total=sum(b))
        if b is not None and sum(a) > 0
        else None
        for a, b in scores
    ]
    assert _outcomes(study, HEAD + WIDE, {"people.csv": wide}) == expected
    assert _outcomes(study, HEAD + itemised, {"people.csv": items}) == expected
    with_scores = people | {"scores.tsv": long}
    assert _outcomes(study, HEAD + LONG_TABLE + LONG, with_scores) == expected
    assert _outcomes(study, HEAD + LONG_TABLE + BESIDE, with_scores) == expected


def test_a_missing_item_makes_the_total_missing_and_not_smaller(study: Study) -> None:
    names = [f"q{number}" for number in range(N_ITEMS)]
    quoted = ", ".join(f'"people.{name}"' for name in names)
    spec = HEAD + ITEMISED.format(pre=quoted, post=", ".join(
        f'"people.r{number}"' for number in range(N_ITEMS)))  # fmt: skip
    header = ",".join(["id", *names, *(f"r{number}" for number in range(N_ITEMS))])
    cells = ["3"] * (2 * N_ITEMS)
    whole, partial = ",".join(cells), ",".join([*cells[:-1], ""])
    outcomes = _outcomes(study, spec, {"people.csv": f"{header}\na,{whole}\nb,{partial}\n"})
    assert outcomes[0] is not None
    assert outcomes[0].final_total == 3 * N_ITEMS
    assert outcomes[1] is None


def test_an_item_out_of_range_is_named_by_its_column(study: Study) -> None:
    names = [f"q{number}" for number in range(N_ITEMS)]
    pre = ", ".join(f'"people.{name}"' for name in names)
    post = ", ".join(f'"people.r{number}"' for number in range(N_ITEMS))
    header = ",".join(["id", *names, *(f"r{number}" for number in range(N_ITEMS))])
    study.spec = HEAD + ITEMISED.format(pre=pre, post=post)
    cells = ["2"] * (2 * N_ITEMS)
    cells[4] = "731"
    study.files = {"people.csv": f"{header}\na,{','.join(cells)}\n"}
    with pytest.raises(DataError) as caught:
        read_cohort(study.write())
    assert (
        "row 2, people.csv, column 'q4': is out of range for a PHQ-9 item score (allowed: 0 to 3)"
    ) in str(caught.value)
    assert "731" not in str(caught.value)


def test_a_baseline_of_nothing_has_no_outcome_and_a_warning(study: Study) -> None:
    study.spec = HEAD + WIDE
    study.files = {"people.csv": "id,pre,post\na,0,0\nb,20,9\n"}
    cohort = read_cohort(study.write())
    assert [member.outcome is None for member in cohort.members] == [True, False]
    (issue,) = (issue for issue in cohort.issues if issue.code == "lowest_baseline")
    assert issue.message.startswith("1 participants start at the lowest possible PHQ-9 total")
