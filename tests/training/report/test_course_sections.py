"""The report on the course: every week beside what it must be better than, and who was lost."""

from pathlib import Path

import pytest
from course_cohorts import WEEKS, standard_course

from data_schemas.errors import DataError
from training.course.judging import COURSE_LABELS
from training.course.models import write_course
from training.course.summary import COURSE_EVALUATION_FILE
from training.report.course_sections import course_section


def test_a_run_without_a_course_has_no_section(tmp_path: Path) -> None:
    assert course_section(tmp_path) is None


def test_each_week_stands_beside_what_it_must_be_better_than(tmp_path: Path) -> None:
    made = standard_course()[2]
    write_course(tmp_path, made)
    section = course_section(tmp_path)
    assert section is not None
    auroc = section["measures"][0]
    assert [cell.text for cell in auroc.header] == ["Model", *(f"Week {w:g}" for w in WEEKS)]
    assert [row[0].text for row in auroc.rows] == list(COURSE_LABELS.values())
    assert all(" to " in cell.detail for row in auroc.rows for cell in row[1:])
    for row, landmark in zip(section["patients"].rows, made.summary.landmarks, strict=True):
        assert [cell.text for cell in row[1:]] == [str(n) for _, n in landmark.counts]
    assert len(section["differences"].rows) == len(COURSE_LABELS) - 1
    (tmp_path / COURSE_EVALUATION_FILE).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        course_section(tmp_path)
