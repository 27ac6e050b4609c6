"""Scores beside a file of patients: read by id, and refused by row."""

from pathlib import Path

import pytest
from course_cohorts import course_family, standard_course

import tms_response
from data_schemas.course import Course
from data_schemas.errors import DataError
from serving.patient_frame import patients_to_frame
from training.cohort.course_files import read_course_file
from training.prediction_files import predict_all, write_predictions

KNOWN = ("a", "b")
TABLE = "participant_id,session,score\na,10,15\nb,5,20\na,5,19.5\n"


def written(folder: Path, text: str, name: str = "course.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_scores_are_put_in_order_by_patient(tmp_path: Path) -> None:
    found = read_course_file(written(tmp_path, TABLE), KNOWN)
    visits = [{"session": 5, "score": 19.5}, {"session": 10, "score": 15}]
    assert found == {
        "a": Course.model_validate({"visits": visits}),
        "b": Course.model_validate({"visits": [{"session": 5, "score": 20}]}),
    }


def test_days_are_read_too(tmp_path: Path) -> None:
    text = "id\tday\tscore\na\t7.5\t15\n"
    found = read_course_file(written(tmp_path, text, "course.tsv"), KNOWN)
    assert found["a"].visits[0].day == 7.5


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("b,5,20", "c,5,20", "row 3, participant_id: names none of the patients"),
        ("b,5,20", "b,5,x", "row 3, score: is not a number"),
        ("b,5,20", "b,5.5,20", "row 3, session: should be a whole number"),
        ("b,5,20", "b,,20", "row 3, session: or day is needed"),
        ("b,5,20", "b,5,", "row 3, score: should be a number"),
        ("a,5,19.5", "a,10,19.5", "row 4, session: does not come after"),
        ("session", "week", "needs the columns participant_id or id, session or day"),
    ],
)
def test_what_is_wrong_is_named_by_row(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        read_course_file(written(tmp_path, TABLE.replace(old, new)), KNOWN)
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "course.pdf"])
def test_another_file_is_refused(tmp_path: Path, name: str) -> None:
    if name.endswith("pdf"):
        written(tmp_path, TABLE, name)
    with pytest.raises(DataError, match=name):
        read_course_file(tmp_path / name, KNOWN)


def test_the_command_predicts_each_patient_by_his_own_week(tmp_path: Path) -> None:
    family, members = course_family(), standard_course()[0].members[:12]
    family.save(tmp_path / "model")
    named = [(member.id, member.patient) for member in members]
    frame = patients_to_frame([patient for _, patient in named]).dropna(axis=1, how="all")
    frame.insert(0, "participant_id", [name for name, _ in named])
    frame.to_csv(tmp_path / "patients.csv", index=False)
    lines = [
        f"{member.id},{visit.session},{visit.score}"
        for member in members
        for visit in (member.course.visits if member.course else ())
    ]
    course = written(tmp_path, "\n".join(["id,session,score", *lines]))
    arguments = [
        "predict", str(tmp_path / "model"), str(tmp_path / "patients.csv"),
        "--course", str(course), "--out", str(tmp_path / "out.csv"),
    ]  # fmt: skip
    assert tms_response.run(arguments) == 0
    courses = {member.id: member.course for member in members if member.course}
    predictions = predict_all(family, named, courses)
    write_predictions(tmp_path / "expected.csv", named, predictions, family)
    told = (tmp_path / "out.csv").read_text("utf-8")
    assert told == (tmp_path / "expected.csv").read_text("utf-8")
    assert "contribution.course_improvement" in told.splitlines()[0]
    assert len({prediction.model.version for prediction in predictions}) > 1
