"""The report on the course: every week beside what it must be better than, and who was lost."""

import base64
import json
from pathlib import Path

import pytest
from course_cohorts import WEEKS, standard_course

from data_schemas.errors import DataError
from training.course.judging import COURSE_LABELS
from training.course.models import write_course
from training.course.same_patients import GROWTH
from training.course.summary import COURSE_EVALUATION_FILE, COURSE_SUMMARY_FILE, CourseSummary
from training.report.course_sections import course_section
from training.report.tables import Cell, Picture, Table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    made = standard_course()[2]
    write_course(folder, made)
    return folder


def section_of(folder: Path) -> dict[str, object]:
    section = course_section(folder)
    assert section is not None
    return section


def table_of(section: dict[str, object], name: str) -> Table:
    found = section[name]
    assert isinstance(found, Table)
    return found


def picture_of(section: dict[str, object]) -> Picture:
    found = section["picture"]
    assert isinstance(found, Picture)
    return found


def texts(row: tuple[Cell, ...]) -> list[str]:
    return [cell.text for cell in row]


def test_a_run_without_a_course_has_no_section(tmp_path: Path) -> None:
    assert course_section(tmp_path) is None


def test_each_week_stands_beside_what_it_must_be_better_than(run: Path) -> None:
    section = section_of(run)
    measures = section["measures"]
    assert isinstance(measures, list)
    auroc = measures[0]
    assert texts(auroc.header) == ["Model", *(f"Week {w:g}" for w in WEEKS)]
    assert [row[0].text for row in auroc.rows] == list(COURSE_LABELS.values())
    assert all(" to " in cell.detail for row in auroc.rows for cell in row[1:])
    assert len(table_of(section, "differences").rows) == len(COURSE_LABELS) - 1


def test_every_value_of_the_picture_stands_in_its_table(run: Path) -> None:
    made = standard_course()[2]
    picture = picture_of(section_of(run))
    assert picture.table is not None
    shown = {f"{c.text} ({c.detail})" for row in picture.table.rows for c in row if c.detail}
    told = [str(value[2]) for value in json.loads(picture.values)]
    assert {each.partition(": ")[2] for each in told} <= shown
    # Of each week: AUROC with and without the course, slope, O:E; the rule's week has no model.
    assert len(told) == 4 * len(WEEKS)
    patients = [str(each.tables.counts.learned_from) for each in made.landmarks]
    assert [row[1].text for row in picture.table.rows] == patients
    assert "Rule" not in picture.values
    assert "No model answers at week 2" in picture.alt


def test_the_rule_is_one_point_at_its_own_week(run: Path, tmp_path: Path) -> None:
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = json.loads((run / COURSE_SUMMARY_FILE).read_text("utf-8"))
    text = json.dumps({**content, "rule_week": WEEKS[1]})
    (tmp_path / COURSE_SUMMARY_FILE).write_text(text, encoding="utf-8")
    section = section_of(tmp_path)
    picture = picture_of(section)
    told = [str(value[2]) for value in json.loads(picture.values)]
    (rule,) = (each for each in told if each.startswith("Rule"))
    assert rule.startswith("Rule: 20 % better by week 3, week 3: 0.")
    assert f"At week {WEEKS[1]:g} the simple rule reaches 0." in picture.alt
    assert str(section["finding"]) in picture.alt
    svg = base64.b64decode(picture.source.partition(",")[2]).decode()
    for colour in ("#c44e00", "#0072b2", "#b5578a"):
        assert colour in svg


def test_the_finding_says_the_growth_in_the_same_patients(run: Path) -> None:
    frame = standard_course()[2].same_patients
    rows = frame[(frame["model"] == GROWTH) & (frame["metric"] == "auroc")]
    growth = rows[~rows["split"].str.contains("site=")]["estimate"].iloc[0]
    finding = str(section_of(run)["finding"])
    assert f"In the patients of all weeks it changes by {growth:+.2f} (" in finding
    assert "The calibration slope lies between" in finding
    assert "At week 3 a logistic regression of the same reaches 0." in finding


def test_who_left_is_counted_and_small_cells_are_withheld(run: Path) -> None:
    made = standard_course()[2]
    rows = table_of(section_of(run), "departures").rows
    for row, landmark in zip(rows, made.landmarks, strict=True):
        counts = landmark.tables.counts
        week, listed, stopped, reached, at_risk, *rest = texts(row)
        assert (listed, stopped) == (str(counts.listed), str(counts.stopped))
        assert int(at_risk) == counts.listed - counts.stopped
        assert sum(map(int, rest[:3])) == int(at_risk), week
        # Earlier weeks would tell, by their difference, of the few who stopped between them.
        few = counts.stopped_events is None or landmark is not made.landmarks[-1]
        assert reached == ("withheld" if few else str(counts.stopped_events))
        assert counts.stopped_known > 0


def test_what_is_not_seen_is_bounded(run: Path) -> None:
    for row in table_of(section_of(run), "sensitivity").rows:
        _, main, _, lowest, highest, _, ratio, none, everybody = texts(row)
        assert float(lowest) <= float(main) <= float(highest)
        assert float(none) < float(ratio) < float(everybody)
    words = str(section_of(run)["sensitivity_words"])
    assert "weighting for who had an outcome moves it by 0." in words
    assert "keeping to the patients of all weeks moves it by 0." in words
    assert f"unknown, at week 3 it lies between {lowest} and {highest}." in words


def test_files_that_do_not_belong_together_are_refused(run: Path, tmp_path: Path) -> None:
    summary = CourseSummary.load(run)
    assert summary is not None
    summary.save(tmp_path)
    with pytest.raises(DataError, match=f"{COURSE_EVALUATION_FILE} cannot be read"):
        course_section(tmp_path)
