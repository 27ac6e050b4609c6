"""One landmark judged: what the course adds, on the same patients and in the same splits."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pandas as pd

from training.course.landmarks import LandmarkTable
from training.dataset import TrainingTable
from training.judging.judge import splits_of
from training.judging.parts import (
    COMPARISON,
    PERFORMANCE,
    UNKNOWN_OUTCOMES,
    Material,
    measured,
)
from training.learning.models import LOGISTIC_CLINICAL
from training.learning.validation import (
    bystander_frame,
    compared_models,
    out_of_fold_frame,
    served_model,
    validate,
)
from training.workshop import Workshop

COURSE: Final = "course"
COURSE_LOGISTIC: Final = "course_logistic"
BEFORE: Final = "before_treatment"
RULE: Final = "early_improvement_rule"

COURSE_LABELS: Final = {
    COURSE: "LightGBM, with the course so far",
    COURSE_LOGISTIC: "Logistic regression, with the course so far",
    BEFORE: "LightGBM, before treatment only",
    RULE: "Simple rule: improved early",
}


@dataclass(frozen=True)
class JudgedLandmark:
    """What was fitted and measured at one landmark.

    Attributes
    ----------
    split_name : str
    served : str
        Which of the compared models becomes the artefact.
    out_of_fold : DataFrame
        As of `out_of_fold_frame`; `row` counts the patients of the landmark.
    evaluation : DataFrame
        As `evaluation.csv`, with the names of `COURSE_LABELS`; of the model of the course also
        under what may be assumed of unknown outcomes.
    """

    split_name: str
    served: str
    out_of_fold: pd.DataFrame
    evaluation: pd.DataFrame


def judge_landmark(tables: LandmarkTable, workshop: Workshop) -> JudgedLandmark:
    """Validate the model of a landmark beside those that it must be better than.

    These are a logistic regression on the same columns, the model of the same kind without the
    course, and the simple rule, whose rates of response are learned in each fold. All see the same
    patients in the same splits.
    """
    workshop = at_week(workshop, tables.landmark.week)
    split_name, _ = splits_of(tables.table, workshop.config)
    models = compared_models(
        tables.table,
        too_few=tables.table.smaller_class < workshop.config.minimum.smaller_class,
    )
    served = served_model(models)
    fits = (
        (COURSE, tables.table, served),
        (COURSE_LOGISTIC, tables.table, LOGISTIC_CLINICAL),
        (BEFORE, tables.before, served),
        (RULE, tables.rule, LOGISTIC_CLINICAL),
    )
    predicted = [_held_out(name, table, model, workshop) for name, table, model in fits]
    held_out = pd.concat([known for known, _ in predicted], ignore_index=True)
    # Those of the first alone: the other tables have no bystanders.
    undecided = predicted[0][1]
    tasks = [
        *((PERFORMANCE, name) for name in COURSE_LABELS),
        *((COMPARISON, f"{COURSE} - {name}") for name in COURSE_LABELS if name != COURSE),
        *((UNKNOWN_OUTCOMES, COURSE) for _ in undecided.index[:1]),
    ]
    material = material_of(tables.table, split_name, held_out, workshop, undecided)
    parts = measured(material, tasks, workshop, "judging")
    return JudgedLandmark(split_name, served, held_out, pd.concat(parts, ignore_index=True))


def material_of(
    table: TrainingTable,
    split_name: str,
    held_out: pd.DataFrame,
    workshop: Workshop,
    undecided: pd.DataFrame | None = None,
) -> Material:
    """Return predictions of patients of a landmark as what the parts of a judgement take."""
    nobody = pd.DataFrame()
    return Material(
        table, workshop.config, split_name, (), (), held_out,
        bystanders=nobody if undecided is None else undecided, latest=nobody,
    )  # fmt: skip


def _held_out(
    name: str, table: TrainingTable, model: str, workshop: Workshop
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions of the patients, and of those whose outcome is unknown."""
    config = workshop.config
    stage = f"validating {COURSE_LABELS[name]}"
    results = validate(
        table, splits_of(table, config)[1], [model], config,
        engine=workshop.engine, work=workshop.work, stage=stage, progress=workshop.stage(stage),
        too_few=table.smaller_class < config.minimum.smaller_class,
    )  # fmt: skip
    known, undecided = out_of_fold_frame(table, results), bystander_frame(table, results)
    return known.assign(model=name), undecided.assign(model=name)


def at_week(workshop: Workshop, week: float) -> Workshop:
    """Return a workshop whose stages say of which week they are."""
    return replace(workshop, progress=partial(_of_week, workshop, week))


def _of_week(workshop: Workshop, week: float, stage: str, done: int, total: int) -> None:
    workshop.progress(f"week {week:g}: {stage}", done, total)
