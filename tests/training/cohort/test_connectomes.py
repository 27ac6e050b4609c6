from pathlib import Path

import pytest
from small_study import Study

from data_schemas.errors import DataError
from training.cohort.read import read_cohort

BIDS = "derivatives/**/{id}_*_relmat.tsv"


def _with_scans(study: Study, pattern: str, *files: str, required: bool = False) -> Path:
    study.spec += f'\n[connectome]\nfiles = "{pattern}"\nrequired = {str(required).lower()}\n'
    for name in files:
        study.files[name] = "Node\ta\tb\n"
    return study.write()


def _scans(folder: Path) -> dict[str, list[str]]:
    return {
        member.id: [
            path.relative_to(folder.resolve()).as_posix() for path in member.connectome_files
        ]
        for member in read_cohort(folder).members
        if member.connectome_files
    }


def _codes(folder: Path) -> dict[str, str]:
    return {issue.code: issue.message for issue in read_cohort(folder).issues}


def test_files_are_found_in_a_bids_tree(study: Study) -> None:
    one = "derivatives/xcp_d/p1/ses-pre/func/p1_ses-pre_task-rest_stat-pearson_relmat.tsv"
    two = "derivatives/xcp_d/p2/func/p2_task-rest_relmat.tsv"
    folder = _with_scans(study, BIDS, two, one, "derivatives/xcp_d/p2/func/p2_task-rest_bold.tsv")
    assert _scans(folder) == {"p1": [one], "p2": [two]}


@pytest.mark.parametrize("pattern", ["scans/{id}*.tsv", "scans/*{id}*.tsv", "scans/{id}_*.tsv"])
def test_one_id_is_not_found_in_a_longer_one(study: Study, pattern: str) -> None:
    study.change("p2,51", "p10,51")
    folder = _with_scans(study, pattern, "scans/p1_a.tsv", "scans/p10_a.tsv", "scans/p11_a.tsv")
    assert _scans(folder) == {"p1": ["scans/p1_a.tsv"], "p10": ["scans/p10_a.tsv"]}
    assert _codes(folder)["stray_connectomes"].startswith("1 connectome files belong to no")


def test_an_id_may_be_named_twice_in_a_pattern(study: Study) -> None:
    folder = _with_scans(study, "{id}/{id}.tsv", "p1/p1.tsv", "p1/p2.tsv", "p3/p3.tsv")
    assert _scans(folder) == {"p1": ["p1/p1.tsv"], "p3": ["p3/p3.tsv"]}


def test_several_runs_are_sorted_and_noted(study: Study) -> None:
    folder = _with_scans(study, "{id}_run-*.tsv", "p1_run-2.tsv", "p1_run-1.tsv")
    assert _scans(folder) == {"p1": ["p1_run-1.tsv", "p1_run-2.tsv"]}
    assert _codes(folder)["several_connectomes"].startswith("1 participants have more than one")


def test_only_the_session_of_baseline_counts(study: Study) -> None:
    study.files["scores.csv"] = "id,visit,total\np1,ses-pre,24\np1,ses-6w,4\np2,ses-pre,20\n"
    study.change_spec(
        "[patient]", '[tables.scores]\nfile = "scores.csv"\nid = "id"\nvisit = "visit"\n\n[patient]'
    )
    study.change_spec('"people.pre"', '{ column = "scores.total", visit = "ses-pre" }')
    folder = _with_scans(
        study,
        "{id}/**/*.tsv",
        "p1/ses-pre/p1_ses-pre_run-1.tsv",
        "p1/ses-pre/p1_ses-pre_run-2.tsv",
        "p1/ses-mid/p1_ses-mid_run-1.tsv",
        "p2/ses-mid/p2_ses-mid_run-1.tsv",
    )
    assert _scans(folder) == {
        "p1": ["p1/ses-pre/p1_ses-pre_run-1.tsv", "p1/ses-pre/p1_ses-pre_run-2.tsv"]
    }
    assert "2 connectome files are not of ses-pre" in _codes(folder)["later_connectomes"]


def test_two_sessions_of_which_none_is_known_as_baseline_are_refused(study: Study) -> None:
    folder = _with_scans(study, "{id}_*.tsv", "p1_ses-1_a.tsv", "p1_ses-2_a.tsv", "p2_ses-2_a.tsv")
    with pytest.raises(DataError, match=r"p1_ses-2_a\.tsv: is of another session") as caught:
        read_cohort(folder)
    assert "p2_ses-2" not in str(caught.value)


def test_a_file_of_two_participants_is_refused(study: Study) -> None:
    folder = _with_scans(study, "*{id}*.tsv", "p1_p2.tsv")
    with pytest.raises(DataError, match="belongs to more than one participant"):
        read_cohort(folder)


def test_a_link_that_leads_outside_is_refused(study: Study, tmp_path: Path) -> None:
    folder = _with_scans(study, "{id}.tsv")
    (tmp_path / "secret.tsv").write_text("Node\ta\n")
    (folder / "p1.tsv").symlink_to(tmp_path / "secret.tsv")
    with pytest.raises(DataError, match=r"p1\.tsv: is no file in the data folder, or a link"):
        read_cohort(folder)


def test_a_scan_at_the_visit_of_the_outcome_is_refused(study: Study) -> None:
    study.files["scores.csv"] = "id,visit,total\np1,ses-6w,4\np2,ses-6w,20\n"
    study.change_spec(
        "[patient]", '[tables.scores]\nfile = "scores.csv"\nid = "id"\nvisit = "visit"\n\n[patient]'
    )
    study.change_spec('"people.post"', '{ column = "scores.total", visit = "ses-6w" }')
    folder = _with_scans(study, "**/{id}_*.tsv", "p1/ses-6w/p1_ses-6w_relmat.tsv")
    with pytest.raises(DataError, match="was scanned at the visit of the outcome"):
        read_cohort(folder)


def test_required_connectomes_are_a_step_of_the_flow(study: Study) -> None:
    folder = _with_scans(study, "{id}.tsv", "p1.tsv", "p3.tsv", required=True)
    cohort = read_cohort(folder)
    assert [member.id for member in cohort.members] == ["p1", "p3"]
    step = next(step for step in cohort.flow if step.step == "with a connectome")
    assert (step.remaining, step.left_out) == (2, 2)


def test_no_file_at_all_is_a_warning_or_an_error(study: Study) -> None:
    assert (
        "no file in the data folder matches" in _codes(_with_scans(study, BIDS))["no_connectomes"]
    )
    study.change_spec("required = false", "required = true")
    with pytest.raises(DataError, match="no file in the data folder matches"):
        read_cohort(study.write())


def test_files_of_people_left_out_by_a_filter_are_not_strays(study: Study) -> None:
    study.spec += '\n[[keep]]\ncolumn = "people.site"\nequals = "north"\nbecause = "north"\n'
    folder = _with_scans(study, "{id}.tsv", "p1.tsv", "p3.tsv")
    assert _scans(folder) == {"p1": ["p1.tsv"]}
    assert "stray_connectomes" not in _codes(folder)
