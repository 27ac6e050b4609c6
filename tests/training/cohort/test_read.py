"""The whole way from a folder to a cohort: flow, arms, warnings, fingerprint, refusals."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import Study

from data_schemas.errors import ConfigurationError, DataError
from training.cohort.read import read_cohort
from training.cohort.records import CohortIssue, FlowStep

ARMS = """
[arms]
column = "people.arm"
active = ["itbs", "hf"]
sham = ["placebo"]
"""


def _with_arms(study: Study, labels: tuple[str, ...] = ("itbs", "hf", "placebo", "itbs")) -> Study:
    lines = str(study.files["people.csv"]).splitlines()
    cells = zip(lines, ("arm", *labels), strict=True)
    study.files["people.csv"] = "\n".join(f"{line},{cell}" for line, cell in cells)
    study.spec += ARMS
    return study


def _refusal(folder: Path, data: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_cohort(folder, data)
    assert caught.value.exit_code == 10
    return str(caught.value)


def _unchanged(_study: Study) -> None:
    pass


def _issues(folder: Path) -> dict[str, CohortIssue]:
    return {issue.code: issue for issue in read_cohort(folder).issues}


def _larger(study: Study, n: int, final: Callable[[int], str]) -> Study:
    header = "id,age,sex,site,failed,bzd,pre,post\n"
    study.files["people.csv"] = header + "".join(
        f"q{number},40,F,north,1,no,24,{final(number)}\n" for number in range(n)
    )
    return study


def test_a_cohort_has_its_members_in_the_order_of_the_file(study: Study) -> None:
    cohort = read_cohort(study.write())
    assert cohort.name == "Test clinic"
    assert not cohort.simulated
    assert [member.id for member in cohort.members] == ["p1", "p2", "p3", "p4"]
    assert [m.outcome.response if m.outcome else None for m in cohort.members] == [
        True, False, True, None,
    ]  # fmt: skip
    assert [member.id for member in cohort.trained_on()] == ["p1", "p2", "p3"]
    assert [member.id for member in cohort.not_trained_on()] == ["p4"]


def test_a_spec_can_lie_apart_from_its_data(study: Study, tmp_path: Path) -> None:
    folder = study.write()
    spec = tmp_path / "elsewhere" / "pooled.toml"
    spec.parent.mkdir()
    shutil.move(folder / "cohort.toml", spec)
    by_file = read_cohort(spec, folder)
    shutil.copy(spec, folder / "cohort.toml")
    assert by_file == read_cohort(folder)


def test_the_flow_counts_everybody_down(study: Study) -> None:
    study.spec += '\n[[keep]]\ncolumn = "people.site"\nequals = "south"\nbecause = "the south"\n'
    study.spec += '\n[[keep]]\ncolumn = "people.age"\nat_most = 50\nbecause = "up to 50"\n'
    assert read_cohort(study.write()).flow == (
        FlowStep("listed in people.csv", 4),
        FlowStep("the south", 2, 2),
        FlowStep("up to 50", 1, 1),
        FlowStep("HDRS-17 known before treatment and at end of treatment", 1, 0),
    )


def test_steps_of_the_flow_add_up(study: Study) -> None:
    study.spec += '\n[[keep]]\ncolumn = "people.age"\nat_least = 40\nbecause = "from 40"\n'
    flow = read_cohort(_with_arms(study).write()).flow
    for before, after in itertools.pairwise(flow):
        assert before.remaining - after.left_out == after.remaining
    assert flow[-1].remaining == len(read_cohort(study.write()).trained_on())


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("at_least = 48", ["p2", "p3", "p4"]),
        ("at_most = 48", ["p1", "p3"]),
        ("at_least = 40\nat_most = 60", ["p2", "p3"]),
        ("equals = 51", ["p2"]),
        ("one_of = [34, 62.0]", ["p1", "p4"]),
        ("none_of = [34]", ["p2", "p3", "p4"]),
        ("none_of = [34]\nat_most = 55", ["p2", "p3"]),
    ],
)
def test_filters(study: Study, condition: str, ids: list[str]) -> None:
    study.spec += f'\n[[keep]]\ncolumn = "people.age"\n{condition}\nbecause = "chosen"\n'
    assert [member.id for member in read_cohort(study.write()).members] == ids


def test_a_missing_cell_fails_every_condition_but_none_of(study: Study) -> None:
    keep = '\n[[keep]]\ncolumn = "people.failed"\n{}\nbecause = "chosen"\n'
    study.spec += keep.format("at_least = 0")
    assert [member.id for member in read_cohort(study.write()).members] == ["p1", "p3", "p4"]
    study.change_spec("at_least = 0", "none_of = [5]")
    assert [member.id for member in read_cohort(study.write()).members] == ["p1", "p2", "p3"]


def test_a_filter_that_leaves_nobody_is_refused(study: Study) -> None:
    study.spec += '\n[[keep]]\ncolumn = "people.sex"\nequals = "female "\nbecause = "women"\n'
    study.change("48,female", "48,F")
    assert "keep.1: leaves nobody" in _refusal(study.write())


def test_sham_patients_are_kept_but_not_learned_from(study: Study) -> None:
    cohort = read_cohort(_with_arms(study).write())
    assert [member.arm for member in cohort.members] == ["active", "active", "sham", "active"]
    assert [member.id for member in cohort.trained_on()] == ["p1", "p2"]
    assert [member.id for member in cohort.not_trained_on()] == ["p3", "p4"]
    study.spec += 'train_on = ["active", "sham"]\n'
    pooled = read_cohort(study.write())
    assert [member.id for member in pooled.trained_on()] == ["p1", "p2", "p3"]
    assert [member.id for member in pooled.not_trained_on()] == ["p4"]


def test_an_arm_that_the_spec_does_not_know_is_refused(study: Study) -> None:
    message = _refusal(_with_arms(study, ("itbs", "secret", "placebo", "itbs")).write())
    assert "row 3, people.csv, column 'arm'" in message
    assert "(allowed: itbs, hf, placebo)" in message
    assert "secret" not in message


def test_patients_without_an_arm_are_not_learned_from(study: Study) -> None:
    folder = _with_arms(study, ("itbs", "", "placebo", "itbs")).write()
    assert [member.id for member in read_cohort(folder).trained_on()] == ["p1"]
    assert _issues(folder)["missing_arm"].message.startswith("1 participants have no arm")


def test_an_unknown_column_is_named_with_the_nearest(study: Study) -> None:
    message = _refusal(study.change_spec('"people.failed"', '"people.faild"').write())
    assert "people.csv: there is no column 'faild'. Did you mean 'failed'?" in message
    assert "(allowed: id, age, sex, site, failed, bzd, pre, post)" in message


def test_a_table_without_a_header_is_refused_without_repeating_a_value(study: Study) -> None:
    message = _refusal(study.change("id,age,sex,site,failed,bzd,pre,post\n", "").write())
    assert "people.csv: has none of the columns that the spec names" in message
    assert "34" not in message


def test_a_cell_that_cannot_be_compared_is_refused(study: Study) -> None:
    study.spec += '\n[[keep]]\ncolumn = "people.age"\nat_least = 40\nbecause = "from forty"\n'
    message = _refusal(study.change("p2,51", "p2,>73").write())
    assert "row 3, people.csv, column 'age': is not a number" in message
    assert "73" not in message


def test_an_unknown_instrument_is_named_with_the_nearest(study: Study) -> None:
    with pytest.raises(ConfigurationError, match=r"'HDRS17' is not a known.*'HDRS-17'\?"):
        read_cohort(study.change_spec('"HDRS-17"', '"HDRS17"').write())


def test_a_post_treatment_column_is_refused_as_a_predictor(study: Study) -> None:
    with pytest.raises(ConfigurationError, match=r"'people\.post' cannot be a predictor"):
        read_cohort(study.change_spec('"people.failed"', '"people.post"').write())


def test_an_empty_file_and_a_file_that_is_not_text(study: Study) -> None:
    study.files["people.csv"] = ""
    assert "people.csv is empty." in _refusal(study.write())
    study.files["people.csv"] = b"\x00\x01\x02\xff"
    assert "people.csv is not a text file." in _refusal(study.write())


def test_paths_that_are_not_there(study: Study, tmp_path: Path) -> None:
    assert "There is no folder or file" in _refusal(tmp_path / "nowhere")
    folder = study.write()
    assert "is not there" in _refusal(folder, tmp_path / "nowhere")
    assert "is a file, not a folder" in _refusal(folder, folder / "people.csv")
    (folder / "people.csv").unlink()
    assert "There is no file 'people.csv' in the data folder" in _refusal(folder)


def test_a_folder_without_a_spec_names_those_it_has(study: Study) -> None:
    folder = study.write()
    (folder / "cohort.toml").rename(folder / "pooled.toml")
    with pytest.raises(ConfigurationError, match=r"no cohort\.toml. It holds pooled\.toml"):
        read_cohort(folder)


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "is empty"), (b"name = '\xff'", "is not a text file in UTF-8")]
)
def test_a_spec_that_cannot_be_read(study: Study, content: bytes, sentence: str) -> None:
    folder = study.write()
    (folder / "cohort.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence):
        read_cohort(folder)


def test_all_files_are_looked_at_before_anything_is_refused(study: Study) -> None:
    study.change_spec("[patient]", '[tables.more]\nfile = "more.csv"\nid = "id"\n\n[patient]')
    study.change_spec('"people.age"', '"people.agee"')
    message = _refusal(study.write())
    assert "There is no file 'more.csv'" in message
    assert "there is no column 'agee'" in message


def test_a_site_with_one_patient_is_a_warning(study: Study) -> None:
    issue = _issues(study.write())["site_with_one_patient"]
    # Two in the north; in the south, one of two has no outcome.
    assert issue.severity == "warning"
    assert issue.message.startswith("1 site has a single patient with a known outcome")
    assert "pooled" in issue.message
    assert "south" not in issue.message


def test_too_few_patients_in_the_rarer_outcome_are_a_warning(study: Study) -> None:
    _larger(study, 40, lambda number: "5" if number < 9 else "20")
    assert "Fewer than 10 patients" in _issues(study.write())["few_in_the_smaller_class"].message
    _larger(study, 40, lambda number: "5" if number < 10 else "20")
    assert read_cohort(study.write()).issues == ()


def test_many_lost_outcomes_and_early_remission_are_warnings(study: Study) -> None:
    _larger(study, 40, lambda number: "" if number % 4 == 0 else str(number))
    study.change(",24,1\n", ",6,1\n")
    issues = _issues(study.write())
    assert issues["missing_outcome"].message.startswith("10 of 40 participants have no outcome")
    assert issues["remitted_baseline"].message.startswith("1 participants are already at or below")
    assert all(issue.severity == "warning" for issue in issues.values())


def test_the_fingerprint_tells_every_file_apart(new_study: Callable[[], Study]) -> None:
    def fingerprint(change: Callable[[Study], object]) -> str:
        study = new_study()
        study.change_spec("[patient]", '[tables.more]\nfile = "more.csv"\nid = "id"\n\n[patient]')
        study.files["more.csv"] = "id,x\np1,1\n"
        study.files["scans/p1_relmat.tsv"] = "Node\ta\tb\n"
        study.spec += '\n[connectome]\nfiles = "scans/{id}_relmat.tsv"\n'
        change(study)
        return read_cohort(study.write()).fingerprint

    base = fingerprint(_unchanged)
    assert len(base) == 64
    assert fingerprint(_unchanged) == base
    changed = {
        fingerprint(lambda study: study.change_spec("Test clinic", "Test klinik")),
        fingerprint(lambda study: study.change("34,F", "35,F")),
        fingerprint(lambda study: study.change("p1,1", "p1,2", "more.csv")),
        fingerprint(lambda study: study.change("\ta", "\tA", "scans/p1_relmat.tsv")),
        base,
    }
    assert len(changed) == 5


def test_progress_reaches_the_end(study: Study) -> None:
    seen: list[tuple[int, int]] = []
    read_cohort(study.write(), progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 4)
    assert seen[-1] == (4, 4)
