"""Models of the course: better than before treatment, in the same splits, bound to their week."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from course_cohorts import (
    WEEKS,
    altered_after,
    course_cohort,
    course_config,
    course_family,
    made_course,
    standard_course,
)

from data_schemas.errors import ModelError
from serving.model_document import LandmarkDocument
from serving.predictor import ResponsePredictor
from training.cohort.records import Cohort
from training.course.judging import BEFORE, COURSE, COURSE_LABELS, RULE
from training.course.models import MadeCourse, write_course
from training.course.summary import (
    COURSE_EVALUATION_FILE,
    COURSE_OUT_OF_FOLD_FILE,
    CourseSummary,
)
from training.learning.fit import fit_predictor
from training.report.explain import explain

CONFIG = course_config()


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return standard_course()[0]


@pytest.fixture(scope="module")
def made() -> MadeCourse:
    return standard_course()[2]


def auroc(made: MadeCourse, week: float, model: str) -> float:
    (judged,) = (each.judged for each in made.landmarks if each.tables.landmark.week == week)
    assert judged is not None
    rows = judged.evaluation
    rows = rows[(rows["model"] == model) & (rows["metric"] == "auroc")]
    return float(rows[~rows["split"].str.contains("site=")]["estimate"].iloc[0])


def test_the_course_tells_more_every_week_than_what_was_known_before(made: MadeCourse) -> None:
    for week in WEEKS:
        assert auroc(made, week, COURSE) > auroc(made, week, BEFORE) + 0.05
    assert auroc(made, 3, COURSE) > auroc(made, 1, COURSE)
    assert auroc(made, 3, COURSE) > auroc(made, 3, RULE)


def test_all_models_predict_the_same_patients_in_the_same_splits(made: MadeCourse) -> None:
    for landmark in made.landmarks:
        assert landmark.judged is not None
        held_out = landmark.judged.out_of_fold
        assert set(held_out["model"]) == set(COURSE_LABELS)
        columns = ["row", "site", "repeat", "fold", "y"]
        parts = [part[columns].reset_index(drop=True) for _, part in held_out.groupby("model")]
        assert all(part.equals(parts[0]) for part in parts)
        assert sorted(parts[0]["row"]) == [*range(1, len(landmark.tables.table.y) + 1)]


def test_differences_are_paired_on_all_patients(made: MadeCourse) -> None:
    for landmark in made.landmarks:
        assert landmark.judged is not None
        evaluation = landmark.judged.evaluation
        pairs = {str(name) for name in evaluation["model"] if " - " in str(name)}
        assert pairs == {f"{COURSE} - {other}" for other in COURSE_LABELS if other != COURSE}
        brier = evaluation[evaluation["model"].isin(pairs) & (evaluation["metric"] == "brier")]
        assert set(brier["n"]) == {len(landmark.tables.table.y)}


def test_a_landmark_is_an_ordinary_artefact_that_says_its_week(made: MadeCourse) -> None:
    for week, landmark in zip(WEEKS, made.landmarks, strict=True):
        predictor, table = landmark.predictor, landmark.tables.table
        assert predictor is not None
        assert predictor.document.landmark is not None
        assert predictor.document.landmark.week == week
        assert predictor.document.trained_on.n_patients == len(table.y)
        names = [feature.name for feature in table.features]
        columns = [names.index(name) for name in predictor.feature_names]
        # Additive, and the same as the shap package says.
        assert explain(predictor, table.X[:, columns], table.y).shap_difference < 1e-6


def test_later_scores_change_no_bit_of_a_model(cohort: Cohort, made: MadeCourse) -> None:
    first = made.landmarks[0].predictor
    altered = made_course(altered_after(cohort, 1), CONFIG)[1]
    one, two = altered.landmarks
    assert first is not None
    assert one.predictor is not None
    assert one.predictor.document.to_text() == first.document.to_text()
    assert two.judged is not None
    assert made.landmarks[1].judged is not None
    assert not two.judged.out_of_fold.equals(made.landmarks[1].judged.out_of_fold)


def test_what_is_written_says_how_many_and_what_matters(made: MadeCourse, tmp_path: Path) -> None:
    write_course(tmp_path, made)
    summary = CourseSummary.load(tmp_path)
    assert summary == made.summary
    assert summary is not None
    evaluation = pd.read_csv(tmp_path / COURSE_EVALUATION_FILE)
    held_out = pd.read_csv(tmp_path / COURSE_OUT_OF_FOLD_FILE)
    assert evaluation.columns[0] == held_out.columns[0] == "week"
    assert set(evaluation["week"]) == set(held_out["week"]) == set(WEEKS)
    for landmark in summary.landmarks:
        assert landmark.course_share is not None
        assert landmark.course_share > 0.3
        assert any(driver.of_course for driver in landmark.drivers)
    assert CourseSummary.load(tmp_path.parent) is None


@pytest.mark.parametrize("number", [0, 1])
def test_a_model_of_the_others_answers_as_was_judged(
    cohort: Cohort, made: MadeCourse, number: int
) -> None:
    """What is served, asked as in the clinic, is what stands in `course_out_of_fold.csv`."""
    judged, tables = made.landmarks[number].judged, made.landmarks[number].tables
    assert judged is not None
    frame = judged.out_of_fold[judged.out_of_fold["model"] == COURSE]
    held_out = frame[frame["fold"] == frame["fold"].iloc[0]]
    others = ~np.isin(np.arange(len(tables.rows)) + 1, held_out["row"])
    table, landmark = tables.table, tables.landmark
    learned_from = replace(
        table, X=table.X[others], y=table.y[others], site=table.site[others], bystanders=None
    )
    predictor = fit_predictor(
        learned_from, cohort.spec, CONFIG, served=judged.served, fingerprint="f" * 64,
        landmark=LandmarkDocument(
            week=landmark.week, instrument=landmark.instrument,
            sessions_a_week=landmark.sessions_a_week,
        ),
    )  # fmt: skip
    given = 0
    for row, chance in zip(held_out["row"], held_out["probability"], strict=True):
        member = cohort.trained_on()[tables.rows[row - 1]]
        answer = predictor.predict(member.patient, course=member.course)
        if answer.response_probability is not None:
            given += 1
            assert answer.response_probability == pytest.approx(chance, abs=1e-9)
    assert given > 0.8 * len(held_out)
    assert len(set(held_out["probability"])) > 10


def test_a_week_without_two_classes_has_no_model(cohort: Cohort) -> None:
    course = CONFIG.course.model_copy(update={"landmark_weeks": (0.1, 3.0)})
    config = CONFIG.model_copy(update={"course": course, "stability": no_replicates()})
    made = made_course(cohort, config)[1]
    nobody, somebody = made.summary.landmarks
    assert nobody.no_model == "Nobody who is in treatment and scored by week 0.1 has an outcome."
    assert (nobody.counts.learned_from, nobody.split_name) == (0, None)
    assert somebody.no_model is None
    assert len(made.predictors) == 1


def no_replicates() -> object:
    return CONFIG.stability.model_copy(update={"replicates": 0})


def test_too_few_patients_give_a_model_that_never_answers() -> None:
    cohort = course_cohort(40, n_sites=1)
    minimum = CONFIG.minimum.model_copy(update={"smaller_class": 30})
    config = CONFIG.model_copy(update={"minimum": minimum, "stability": no_replicates()})
    for landmark in made_course(cohort, config)[1].summary.landmarks:
        assert landmark.always_abstains is not None
        assert landmark.drivers == ()


def test_a_family_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    family = course_family()
    family.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["week-1", "week-3"]
    again = ResponsePredictor.load(tmp_path)
    assert again.versions == family.versions
    assert len(again.landmarks) == len(WEEKS)
    again.with_landmarks(()).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", "booster.txt"}


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("course.json", '"week-1"', '"../week-1"', "does not list the models of a course"),
        ("course.json", '"week": 1.0', '"week": 4.0', "does not list the models of a course"),
        ("course.json", '"week": 1.0', '"week": 1.5', "week-1 does not hold the model"),
        ("course.json", '"format_version": 1', '"format_version": 2', "does not list"),
        ("week-1/model.json", '"name": "tms', '"name": "other-tms', "week-1 does not hold"),
    ],
)
def test_a_damaged_family_is_refused(
    tmp_path: Path, name: str, old: str, new: str, problem: str
) -> None:
    course_family().save(tmp_path)
    text = (tmp_path / name).read_text("utf-8")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ModelError, match=problem):
        ResponsePredictor.load(tmp_path)


def test_models_out_of_order_do_not_belong_together() -> None:
    family = course_family()
    with pytest.raises(ModelError, match="do not belong together"):
        family.with_landmarks(family.landmarks[::-1])
    with pytest.raises(ModelError, match="do not belong together"):
        family.landmarks[0].with_landmarks(family.landmarks[1:])
    with pytest.raises(ModelError, match="does not say its week"):
        family.with_landmarks([family.with_landmarks(())])


def test_rows_are_those_of_the_summary(made: MadeCourse) -> None:
    for landmark, summary in zip(made.landmarks, made.summary.landmarks, strict=True):
        assert landmark.judged is not None
        n_rows = landmark.judged.out_of_fold["row"].nunique()
        assert n_rows == summary.counts.learned_from
        events = landmark.judged.out_of_fold.drop_duplicates("row")["y"].sum()
        assert int(np.asarray(events)) == summary.counts.events
