"""Predictions of a file of patients, written as a file: what `tms-response predict` does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson
import pandas as pd

from data_schemas.course import Course
from data_schemas.errors import DataError, FieldProblem, UsageError
from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.patient_frame import predictions_to_frame
from serving.predictor import ResponsePredictor

_SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_ENDINGS: Final = (*_SEPARATORS, ".json")

Named = Sequence[tuple[str, Patient]]


def check_predictions_path(path: Path) -> None:
    """Raise, before any work is done, when predictions cannot be written to `path`.

    Raises
    ------
    UsageError
        When it ends in something else than `.csv`, `.tsv` or `.json`, or its folder is not there.
    """
    if path.suffix not in _ENDINGS:
        raise UsageError(f"Predictions are written to a file ending in {', '.join(_ENDINGS)}.")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")


def predict_all(
    predictor: ResponsePredictor, patients: Named, courses: Mapping[str, Course] | None = None
) -> list[Prediction]:
    """Answer for every patient, or for none where the model refuses one.

    Parameters
    ----------
    predictor : ResponsePredictor
    patients : sequence of (id, Patient)
    courses : mapping of str to Course, optional
        The scores during treatment, by id; patients without any are asked about without.

    Raises
    ------
    DataError
        Naming, by the patient's number in the file, every field that the model refuses.
    """
    predictions: list[Prediction] = []
    problems: list[FieldProblem] = []
    for number, (name, patient) in enumerate(patients, start=1):
        try:
            predictions.append(predictor.predict(patient, course=(courses or {}).get(name)))
        except DataError as error:
            problems += [
                replace(problem, field=f"patient {number}, {problem.field}")
                for problem in error.problems
            ]
    if problems:
        raise DataError("This model cannot be asked about these patients.", problems)
    return predictions


def write_predictions(
    path: Path, patients: Named, predictions: Sequence[Prediction], predictor: ResponsePredictor
) -> None:
    """Write predictions in the order of their patients; an existing file is replaced.

    Parameters
    ----------
    path : Path
        `.csv` or `.tsv`: a row a patient, with a column for what each feature contributed;
        `.json`: a list of what `/predict` answers, each with its patient's `id`.
    patients : sequence of (id, Patient), length n
    predictions : sequence of Prediction, length n
    predictor : ResponsePredictor
        That made them.
    """
    check_predictions_path(path)
    ids = [name for name, _ in patients]
    if path.suffix == ".json":
        answers = [
            {"id": name, **prediction.model_dump(mode="json")}
            for name, prediction in zip(ids, predictions, strict=True)
        ]
        path.write_bytes(orjson.dumps(answers, option=orjson.OPT_INDENT_2))
        return
    models = (predictor, *predictor.landmarks)
    features = list(dict.fromkeys(name for model in models for name in model.feature_names))
    table = predictions_to_frame(predictions, features, pd.Index(ids, name="id"))
    table.to_csv(path, sep=_SEPARATORS[path.suffix])
