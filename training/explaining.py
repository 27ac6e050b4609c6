"""The report of one patient of a file, written as a page: what `tms-response explain` does."""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from data_schemas.errors import UsageError
from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.patient_report.made import MadePrediction
from serving.patient_report.page import report_page
from serving.predictor import ResponsePredictor
from training.cohort.course_files import read_course_file
from training.cohort.patients import read_patients


def explain_patient(
    predictor: ResponsePredictor,
    patients: Path,
    row: int | None = None,
    scores: Path | None = None,
) -> str:
    """Return the page about one patient of a file.

    Parameters
    ----------
    predictor : ResponsePredictor
        The model.
    patients : Path
        As in `training.cohort.patients.read_patients`.
    row : int, optional
        Which patient of the file, counted from 1; needed where it holds several.
    scores : Path, optional
        Scores during treatment, as in `training.cohort.course_files.read_course_file`; the model of
        the week that the patient's reach answers.

    Raises
    ------
    DataError
        When the patients or scores cannot be read, or the model refuses this one.
    UsageError
        When the row is not given, or not there.
    """
    named = read_patients(patients)
    name, patient = _chosen(named, row)
    course = None
    if scores is not None:
        course = read_course_file(scores, [each for each, _ in named]).get(name)
    model = predictor if course is None else predictor.at(course)
    content, features = model.answer(patient, course=course)
    prediction = Prediction.model_validate(content)
    return report_page(MadePrediction.of(prediction, features, datetime.now(UTC)), model)


def _chosen(patients: list[tuple[str, Patient]], row: int | None) -> tuple[str, Patient]:
    if row is None and len(patients) > 1:
        raise UsageError(
            f"The file holds {len(patients)} patients; choose one with --row 1 to {len(patients)}."
        )
    number = 1 if row is None else row
    if not 1 <= number <= len(patients):
        raise UsageError(f"There is no such row; the file's patients are 1 to {len(patients)}.")
    return patients[number - 1]


def check_report_path(path: Path) -> None:
    """Raise, before any work is done, when a page cannot be written to `path`.

    Raises
    ------
    UsageError
        When it does not end in `.html`, or its folder is not there.
    """
    if path.suffix != ".html":
        raise UsageError("The report is written to a file ending in .html.")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; an existing one is replaced as a whole."""
    # A temporary file is private from its first moment on, whatever the umask and the old file.
    descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
