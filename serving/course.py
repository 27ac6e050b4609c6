"""Models in the course of treatment: one artefact a landmark, beside the one before treatment.

The folder of the model before treatment also holds `course.json` and, for each landmark, a folder
`week-1`, `week-2` ... with an ordinary artefact. A request with a course is answered by the latest
landmark that is not after its last score; earlier scores alone leave it to the model before
treatment.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data_schemas.course import Course
from data_schemas.errors import FieldProblem, ModelError, field_problems
from data_schemas.patient import Patient
from data_schemas.prediction import Notice
from serving.admission import RefusedPatientError
from serving.model_document import LandmarkDocument, ModelDocument

COURSE_FILE: Final = "course.json"

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LandmarkEntry(BaseModel):
    """Where the model of one landmark lies, and which it is."""

    model_config = _FROZEN

    week: float = Field(gt=0, description="Weeks of treatment.")
    folder: str = Field(pattern=r"^week-[0-9]+([.][0-9]+)?$", description="Beside course.json.")
    digest: str = Field(pattern="^[0-9a-f]{12}$", description="Of its model.json.")


class CourseDocument(BaseModel):
    """The content of `course.json`."""

    model_config = _FROZEN

    format_version: Literal[1] = 1
    landmarks: tuple[LandmarkEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _weeks_ascend(self) -> Self:
        weeks = [entry.week for entry in self.landmarks]
        if weeks != sorted(set(weeks)):
            raise ValueError("landmarks must be of different weeks, the earliest first")
        return self


class HasDocument(Protocol):
    """A model, as far as it is looked at here."""

    document: ModelDocument

    def save(self, folder: str | Path) -> None:
        """Write it into a folder."""


Model = TypeVar("Model", bound=HasDocument)


def landmark_of(model: HasDocument) -> LandmarkDocument:
    """Return when a model is asked.

    Raises
    ------
    ModelError
        When it is asked before treatment.
    """
    if model.document.landmark is None:
        raise ModelError("A model of the course does not say its week; train it again.")
    return model.document.landmark


def load_landmarks(folder: Path, load: Callable[[Path], Model]) -> tuple[Model, ...]:
    """Return the models of the landmarks beside a model; none without `course.json`.

    Parameters
    ----------
    folder : Path
        Of the model before treatment.
    load : callable
        Reads one model from its folder.

    Raises
    ------
    ModelError
        When one of them is absent, damaged, or not the one that `course.json` names.
    """
    path = folder / COURSE_FILE
    if not path.is_file():
        return ()
    try:
        document = CourseDocument.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelError(
            f"{COURSE_FILE} does not list the models of a course; train them again.",
            field_problems(error),
        ) from None
    models = tuple(load(folder / entry.folder) for entry in document.landmarks)
    for entry, model in zip(document.landmarks, models, strict=True):
        if model.document.digest != entry.digest or landmark_of(model).week != entry.week:
            raise ModelError(
                f"{entry.folder} does not hold the model that {COURSE_FILE} names; copy the whole "
                "folder again."
            )
    return models


def check_landmarks(document: ModelDocument, landmarks: Sequence[HasDocument]) -> None:
    """Do nothing where landmarks belong to the model before treatment.

    Raises
    ------
    ModelError
        When they are not in order, or one answers another question.
    """
    weeks = [landmark_of(model).week for model in landmarks]
    same = all(model.document.outcome == document.outcome for model in landmarks)
    if weeks != sorted(set(weeks)) or not same or (weeks and document.landmark is not None):
        raise ModelError("The models of the course do not belong together; train them again.")


def save_landmarks(folder: Path, landmarks: Sequence[HasDocument]) -> None:
    """Write `course.json` and a folder a landmark; remove what other landmarks left."""
    (folder / COURSE_FILE).unlink(missing_ok=True)
    for earlier in folder.glob("week-*/"):
        shutil.rmtree(earlier)
    if not landmarks:
        return
    entries = []
    for model in landmarks:
        week = landmark_of(model).week
        entry = LandmarkEntry(week=week, folder=f"week-{week:g}", digest=model.document.digest)
        model.save(folder / entry.folder)
        entries.append(entry)
    content = CourseDocument(landmarks=tuple(entries)).model_dump(mode="json")
    text = json.dumps(content, indent=1) + "\n"
    (folder / COURSE_FILE).write_text(text, encoding="utf-8", newline="\n")


def answering(before: Model, landmarks: Sequence[Model], course: Course) -> Model:
    """Return the model that answers after these scores.

    The latest landmark not after the last score, of those up to which there is a score; the model
    before treatment where there is none.
    """
    for model in reversed(landmarks):
        landmark = landmark_of(model).landmark()
        last = course.weeks(landmark.sessions_a_week)[-1]
        if landmark.week <= last and landmark.seen(course) is not None:
            return model
    return before


def refuse_landmark_alone(document: ModelDocument) -> None:
    """Raise where a model of the course is to be served without the one before treatment.

    Raises
    ------
    ModelError
        Saying what to serve instead.
    """
    if document.landmark is not None:
        raise ModelError(
            f"This is the model of week {document.landmark.week:g} of treatment alone; serve the "
            f"folder above it, which holds {COURSE_FILE}."
        )


def refuse_unfit_course(
    course: Course | None,
    patient: Patient,
    document: ModelDocument,
    landmarks: Sequence[HasDocument],
) -> None:
    """Raise when a course, or its absence, does not fit the model.

    Raises
    ------
    RefusedPatientError
        Where a model before treatment alone is sent a course, a model of the course is sent none,
        a score is out of the instrument's range, or a session beyond the patient's plan.
    """
    if course is None:
        if document.landmark is None:
            return
        problem = FieldProblem("course", "is required by this model of the course of treatment")
        raise _refusal("missing_required", document, [problem])
    landmark = document.landmark or (landmark_of(landmarks[0]) if landmarks else None)
    if landmark is None:
        sentence = (
            "is not used by this model, which answers before treatment only; leave it out, or "
            "serve a model that was trained with --course"
        )
        raise _refusal("course_not_used", document, [FieldProblem("course", sentence)])
    found = list(course.problems(landmark.instrument, patient.sessions_planned))
    if found:
        raise _refusal("invalid_course", document, found)


def _refusal(
    code: str, document: ModelDocument, problems: Sequence[FieldProblem]
) -> RefusedPatientError:
    message = f"The model {document.name} cannot be asked about this course of treatment."
    return RefusedPatientError(code, message, tuple(problems))


def course_notices(course: Course | None, document: ModelDocument) -> Iterator[Notice]:
    """Yield which model answers, and which scores it does not look at."""
    if course is None:
        return
    if document.landmark is None:
        message = (
            "No model of the course answers yet: none is due by the last score, or there is no "
            "score up to its week. The model before treatment answers, without the scores."
        )
        yield Notice(code="before_first_landmark", field="course", message=message)
        return
    landmark = document.landmark.landmark()
    message = f"The model of week {landmark.week:g} of treatment answers, from the scores up to it."
    yield Notice(code="landmark", field="course", message=message)
    seen = landmark.seen(course)
    if len(course.visits) > (len(seen.visits) if seen else 0):
        message = f"Scores after week {landmark.week:g} are not used by this model."
        yield Notice(code="later_scores_unused", field="course", message=message)
