"""Every week judged on the patients of all weeks, so that its growth is not that of who is left."""

from collections.abc import Sequence
from functools import reduce
from typing import Final

import numpy as np
import pandas as pd

from training.course.judging import COURSE, JudgedLandmark, at_week, material_of
from training.course.landmarks import LandmarkTable
from training.judging.parts import COMPARISON, PERFORMANCE, measured
from training.learning.rows import IntArray
from training.workshop import Workshop

# Names in course.csv.
SAME_PATIENTS: Final = "course_same_patients"
GROWTH: Final = "course_since_first_week"

_FIRST: Final = "first_week"
_PAIR: Final = f"{COURSE} - {_FIRST}"
_NAMES: Final = {COURSE: SAME_PATIENTS, _PAIR: GROWTH}


def judge_same_patients(
    judged: Sequence[tuple[LandmarkTable, JudgedLandmark]], workshop: Workshop
) -> pd.DataFrame:
    """Return the rows of `course.csv` of those who are learned from at every landmark.

    Parameters
    ----------
    judged : sequence of (LandmarkTable, JudgedLandmark)
        The earliest first.

    Returns
    -------
    DataFrame
        As `evaluation.csv`, and `week`: `SAME_PATIENTS`, and from the second landmark on `GROWTH`,
        the paired difference from the first. Empty where there are not two landmarks, judged in
        one way, or not both outcomes among those patients.
    """
    if len(judged) < 2 or len({each.split_name for _, each in judged}) > 1:
        return pd.DataFrame()
    rows: IntArray = reduce(np.intersect1d, [tables.rows for tables, _ in judged])
    tables, first = judged[0]
    y = tables.table.y[np.isin(tables.rows, rows)]
    if not 0 < np.count_nonzero(y) < len(y):
        return pd.DataFrame()
    earlier = _of(rows, tables, first).assign(model=_FIRST)
    parts = [
        _at(each, own, rows, None if own is first else earlier, workshop) for each, own in judged
    ]
    return pd.concat(parts, ignore_index=True)


def _of(rows: IntArray, tables: LandmarkTable, judged: JudgedLandmark) -> pd.DataFrame:
    """Return the predictions of these patients by the model of the course, numbered alike."""
    held_out = judged.out_of_fold[judged.out_of_fold["model"] == COURSE]
    patients = tables.rows[held_out["row"].to_numpy() - 1]
    chosen = np.isin(patients, rows)
    return held_out[chosen].assign(row=np.searchsorted(rows, patients[chosen]) + 1)


def _at(
    tables: LandmarkTable,
    judged: JudgedLandmark,
    rows: IntArray,
    earlier: pd.DataFrame | None,
    workshop: Workshop,
) -> pd.DataFrame:
    week, own = tables.landmark.week, _of(rows, tables, judged)
    tasks = [(PERFORMANCE, COURSE)]
    if earlier is not None:
        own, tasks = pd.concat([own, earlier], ignore_index=True), [*tasks, (COMPARISON, _PAIR)]
    material = material_of(tables.table, judged.split_name, own, workshop)
    stage = "judging on the patients of all weeks"
    frame = pd.concat(measured(material, tasks, at_week(workshop, week), stage), ignore_index=True)
    return frame.assign(model=frame["model"].map(_NAMES), week=week)
