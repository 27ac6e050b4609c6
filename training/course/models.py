"""The models of all landmarks of a cohort: judged, fitted, explained, and put beside the first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from features.course import COURSE_NAMES
from serving.model_document import LandmarkDocument
from serving.predictor import ResponsePredictor
from training.checks.sample_checks import too_few_sentence
from training.cohort.records import Cohort
from training.course.judging import COURSE_LABELS, JudgedLandmark, at_week, judge_landmark
from training.course.landmarks import LandmarkTable, landmark_table, landmarks_of
from training.course.same_patients import judge_same_patients
from training.course.summary import (
    COURSE_EVALUATION_FILE,
    COURSE_OUT_OF_FOLD_FILE,
    CourseSummary,
    Driver,
    LandmarkSummary,
)
from training.dataset import TrainingTable
from training.learning.fit import fit_predictor, served_rows
from training.performance.evaluation import write_table
from training.report.explain import explain, importances
from training.stability.served import measure_stability
from training.workshop import Workshop

_DRIVERS: Final = 6


@dataclass(frozen=True)
class MadeLandmark:
    """One landmark, with its model.

    Attributes
    ----------
    tables : LandmarkTable
    judged : JudgedLandmark or None
        None where there is no model.
    predictor : ResponsePredictor or None
        The artefact.
    no_model : str or None
        Why there is none.
    """

    tables: LandmarkTable
    judged: JudgedLandmark | None
    predictor: ResponsePredictor | None
    no_model: str | None = None


@dataclass(frozen=True)
class MadeCourse:
    """What a run has made of the course of treatment before anything is written.

    Attributes
    ----------
    landmarks : tuple of MadeLandmark
    summary : CourseSummary
    same_patients : DataFrame
        From `training.course.same_patients`.
    """

    landmarks: tuple[MadeLandmark, ...]
    summary: CourseSummary
    same_patients: pd.DataFrame

    @property
    def predictors(self) -> tuple[ResponsePredictor, ...]:
        """The artefacts of the landmarks, the earliest first."""
        return tuple(made.predictor for made in self.landmarks if made.predictor is not None)


def make_course(cohort: Cohort, table: TrainingTable, workshop: Workshop) -> MadeCourse:
    """Fit and judge the models of all configured landmarks, and write nothing.

    Raises
    ------
    ConfigurationError
        When the cohort's spec names no scores during treatment.
    """
    config = workshop.config.course
    landmarks = landmarks_of(cohort.spec, config)
    made = tuple(
        _make(cohort, landmark_table(cohort, table, landmark, workshop.config), workshop)
        for landmark in landmarks
    )
    judged = [(each.tables, each.judged) for each in made if each.judged is not None]
    summary = CourseSummary(
        instrument=landmarks[0].instrument,
        outcome=workshop.config.outcome,
        horizon=cohort.spec.outcome.horizon,
        rule_week=config.rule_week,
        rule_percent=config.rule_percent,
        ends_known=cohort.spec.course is not None and cohort.spec.course.ended is not None,
        labels=COURSE_LABELS,
        landmarks=tuple(_summary(each, last=each is made[-1]) for each in made),
    )
    return MadeCourse(made, summary, judge_same_patients(judged, workshop))


def _make(cohort: Cohort, tables: LandmarkTable, workshop: Workshop) -> MadeLandmark:
    table, landmark, config = tables.table, tables.landmark, workshop.config
    if table.smaller_class == 0:
        why = (
            f"Nobody who is in treatment and scored by week {landmark.week:g} has an outcome."
            if len(table.y) == 0
            else f"All who are in treatment and scored by week {landmark.week:g} are of one class."
        )
        return MadeLandmark(tables, None, None, why)
    judged = judge_landmark(tables, workshop)
    predictor = fit_predictor(
        table, cohort.spec, config,
        served=judged.served, fingerprint=cohort.fingerprint,
        always_abstains=too_few_sentence(table, config.minimum.smaller_class),
        landmark=LandmarkDocument(
            week=landmark.week, instrument=landmark.instrument,
            sessions_a_week=landmark.sessions_a_week,
        ),
    )  # fmt: skip
    stability = measure_stability(predictor, table, judged.served, at_week(workshop, landmark.week))
    return MadeLandmark(tables, judged, stability.predictor if stability else predictor)


def _summary(made: MadeLandmark, *, last: bool) -> LandmarkSummary:
    predictor, judged, counts = made.predictor, made.judged, made.tables.counts
    drivers = tuple(_drivers(predictor, made.tables.table)) if predictor else ()
    of_course = sum(driver.share for driver in drivers if driver.of_course)
    return LandmarkSummary(
        week=made.tables.landmark.week,
        # The difference of two weeks would tell of the few who stopped between them.
        counts=counts if last else counts.model_copy(update={"stopped_events": None}),
        split_name=judged and judged.split_name,
        model_version=predictor and predictor.identity.version,
        always_abstains=predictor and predictor.document.abstention.always,
        no_model=made.no_model,
        course_share=min(of_course, 1.0) if drivers else None,
        drivers=drivers[:_DRIVERS],
    )


def _drivers(predictor: ResponsePredictor, table: TrainingTable) -> Iterator[Driver]:
    """Yield the features by importance; the explanation is proven on the way."""
    explanations = explain(predictor, served_rows(table, predictor).X, table.y)
    labels = {feature.name: feature.label for feature in predictor.features}
    if not explanations.any_signal:
        return
    ranked = importances(explanations)
    for name, share in zip(ranked["feature"], ranked["share"], strict=True):
        if share > 0:
            yield Driver(
                feature=labels[name], share=min(float(share), 1.0), of_course=name in COURSE_NAMES
            )


def write_course(folder: Path, made: MadeCourse) -> None:
    """Write the tables and the summary of the course; the artefacts are saved with the first."""
    judged = [(each.tables.landmark.week, each.judged) for each in made.landmarks if each.judged]
    outcome = made.summary.outcome
    evaluations = [each.evaluation.assign(week=week, outcome=outcome) for week, each in judged]
    if len(made.same_patients):
        evaluations.append(made.same_patients.assign(outcome=outcome))
    held_out = [each.out_of_fold.assign(week=week) for week, each in judged]
    write_table(_joined(evaluations), folder / COURSE_EVALUATION_FILE)
    write_table(_joined(held_out), folder / COURSE_OUT_OF_FOLD_FILE)
    made.summary.save(folder)


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the frames one below the other, the week first."""
    if not frames:
        return pd.DataFrame({"week": np.empty(0)})
    frame = pd.concat(frames, ignore_index=True)
    return frame[["week", *(name for name in frame if name != "week")]]
