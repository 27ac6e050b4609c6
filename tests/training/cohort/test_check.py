"""What `tms-response check` shows."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from small_study import Study

from data_schemas.errors import ConfigurationError, DataError
from training.cohort.check import check_cohort, render_check
from training.cohort.read import read_cohort
from training.cohort.records import CheckReport, GroupRates, Missingness

ARMS = '\n[arms]\ncolumn = "people.arm"\nactive = ["a"]\nsham = ["s"]\n'


def _shown(report: CheckReport) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(render_check(report))
    return stream.getvalue()


def _two_arms(study: Study, n: int = 24) -> Path:
    """Every third of the active arm responds and every fourth of the sham arm."""
    rows = [
        f"q{k},40,F,{'small' if k < 3 else 'large'},{'' if k % 2 else 1},no,24,"
        f"{6 if k % 3 == 0 else 20},a\n"
        for k in range(n)
    ] + [
        f"s{k},40,M,large,1,no,24,{'' if k == 0 else 6 if k % 4 == 1 else 24},s\n"
        for k in range(13)
    ]
    study.files["people.csv"] = "id,age,sex,site,failed,bzd,pre,post,arm\n" + "".join(rows)
    study.spec += ARMS
    return study.write()


def test_rates_are_counted_by_all_arm_and_site(study: Study) -> None:
    report = check_cohort(_two_arms(study))
    assert not report.has_errors
    assert report.rates == (
        GroupRates("all", "learned from", 24, 8, 8),
        GroupRates("arm", "active", 24, 8, 8),
        GroupRates("arm", "sham", 12, 3, 3),
        GroupRates("site", "large", 21, 7, 7),
        GroupRates("site", "small", 3, 1, 1),
    )


def test_rates_add_up_to_the_cohort(study: Study) -> None:
    folder = _two_arms(study)
    report, cohort = check_cohort(folder), read_cohort(folder)
    total = report.rates[0]
    sites = [rate for rate in report.rates if rate.grouping == "site"]
    assert sum(rate.patients for rate in sites) == total.patients == len(cohort.trained_on())
    assert sum(rate.responses for rate in sites) == total.responses
    assert report.flow == cohort.flow
    assert report.issues == cohort.issues


def test_missing_values_are_counted_a_field(study: Study) -> None:
    report = check_cohort(_two_arms(study))
    missing = {field.field: field for field in report.missingness}
    assert missing["failed_trials"] == Missingness(
        "failed_trials", "people.csv, column 'failed'", 12, 37
    )
    assert missing["age_years"].missing == 0
    assert missing["depression_total"].place == "people.csv, column 'pre'"


def test_small_numbers_and_what_tells_them_are_withheld(study: Study) -> None:
    shown = _shown(check_cohort(_two_arms(study)))
    rows = [line.split("│")[1:-1] for line in shown.splitlines() if "│ " in line]
    cells = {row[1].strip(): [cell.strip() for cell in row[2:]] for row in rows}
    assert cells["active"] == ["24", "8 (33 %)", "8 (33 %)"]
    assert cells["sham"] == ["12", "withheld", "withheld"]
    # The large site with the total would tell the small one.
    assert cells["small"] == cells["large"] == ["withheld"] * 3
    assert "withheld: a number under 5, or one that would tell it" in shown


def test_the_flow_is_told_in_words(study: Study) -> None:
    study.spec += '\n[[keep]]\ncolumn = "people.age"\nat_least = 40\nbecause = "from forty"\n'
    shown = _shown(check_cohort(study.write()))
    assert shown.index("listed in people.csv") < shown.index("from forty")
    assert "HDRS-17 known before treatment and at end of treatment" in shown


def test_bad_data_is_reported_and_not_raised(study: Study) -> None:
    report = check_cohort(study.change("p2,51", "p2,731").write())
    assert report.has_errors
    (error,) = (issue for issue in report.issues if issue.severity == "error")
    assert error.where == "people.csv, column 'age', row 3"
    assert error.message == "age_years is out of range (allowed: 10 to 110)"
    assert report.missingness
    shown = _shown(report)
    assert "Not fit to train on: 1 error to mend." in shown
    assert "731" not in shown


def test_a_missing_table_is_reported_with_nothing_else_to_show(study: Study) -> None:
    folder = study.write()
    (folder / "people.csv").unlink()
    report = check_cohort(folder)
    assert report.has_errors
    assert (report.flow, report.missingness, report.rates) == ((), (), ())
    assert "There is no file 'people.csv'" in _shown(report)


@pytest.mark.parametrize(
    ("final", "sentence"), [("6", "all patients are of one class"), ("", "nobody has both totals")]
)
def test_outcomes_all_alike_are_an_error(study: Study, final: str, sentence: str) -> None:
    study.files["people.csv"] = "id,age,sex,site,failed,bzd,pre,post\n" + "".join(
        f"q{number},40,F,north,1,no,24,{final}\n" for number in range(30)
    )
    report = check_cohort(study.write())
    assert report.has_errors
    assert sentence in report.issues[0].message
    # No doubt speaks of a model that could be trained after all.
    assert "few_in_the_smaller_class" not in {issue.code for issue in report.issues}


def test_long_lists_of_issues_are_cut(study: Study) -> None:
    rows = "".join(f"q{number},731,F,north,1,no,20,10\n" for number in range(80))
    study.files["people.csv"] = f"{study.files['people.csv']!s}{rows}"
    shown = _shown(check_cohort(study.write()))
    assert shown.count("column 'age', row ") == 50
    assert "Not fit to train on: 80 errors to mend." in shown


def test_what_was_no_tms_is_said_so(study: Study) -> None:
    study.change_spec('is_tms = true\ndescription = "Left DLPFC TMS"',
                      'is_tms = false\ndescription = "A computer programme"')  # fmt: skip
    assert "A computer programme. This is not TMS." in _shown(check_cohort(study.write()))


def test_markup_in_a_name_is_shown_as_it_is(study: Study) -> None:
    study.change("north", "[red]north[/red]")
    assert "[red]north[/red]" in _shown(check_cohort(study.write()))


def test_a_wrong_spec_and_an_absent_folder_are_raised(
    study: Study, new_study: Callable[[], Study]
) -> None:
    with pytest.raises(ConfigurationError):
        check_cohort(study.change_spec("HDRS-17", "HDRS-71").write())
    with pytest.raises(DataError):
        check_cohort(new_study().folder)


def test_remission_without_a_cutoff_is_said_to_have_none(study: Study) -> None:
    report = check_cohort(study.change_spec('"HDRS-17"', '"Y-BOCS"').write())
    assert {rate.remissions for rate in report.rates} == {None}
    assert "no cutoff" in _shown(report)
