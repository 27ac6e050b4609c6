"""The fitted model: training produces it, serving answers with it.

It is a folder of text, `model.json`, `booster.txt` and `spread.json`; reading it executes nothing.
The model card lies beside them, and so do models of the course of treatment: `serving/course.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from data_schemas.course import Course
from data_schemas.errors import DataError, ModelError
from data_schemas.patient import Patient
from data_schemas.prediction import ModelIdentity, Notice, Prediction
from features.patient_rows import PatientRows
from features.site_effects import SiteEffects
from features.table import Feature
from serving.abstention import Compared, TrainingReference, reason_to_abstain
from serving.admission import connectome_refusal, refuse_unfit
from serving.answer_content import AnswerContents, Content
from serving.booster_text import FloatArray, read_trees
from serving.calibrated_trees import CalibratedTrees, Explained, expit
from serving.course import (
    answering,
    check_landmarks,
    course_notices,
    load_landmarks,
    refuse_unfit_course,
    save_landmarks,
)
from serving.known_scanners import KnownScanners, named_features
from serving.local_update import updated
from serving.model_document import IntervalDocument, ModelDocument
from serving.notices import connectome_notices, input_notices, site_notices, standing_notices
from serving.questions import BoolArray, Questions
from serving.stored_card import StoredCard, remove_card
from serving.update_document import LocalUpdate

DOCUMENT_FILE = "model.json"
BOOSTER_FILE = "booster.txt"
SPREAD_FILE = "spread.json"
_NO_SCAN = {"connectome": None, "connectome_summary": None}
# Patients explained at a time: what that takes fits into the processor's cache.
_TOGETHER: Final = 32


class _Read(NamedTuple):
    """What a model is to know of a patient, and why it abstains where it does."""

    row: FloatArray
    answers: BoolArray
    notices: tuple[Notice, ...]
    reason: Notice | None


class ResponsePredictor:
    """A fitted model that answers for one patient, with reasons and reservations.

    Parameters
    ----------
    document : ModelDocument
        What the model says about itself.
    booster_text : str or None
        The merged boosters, from `serving.booster_text.merge_boosters`; None for a model that
        answers with the base rate, as the document must say.
    spread_text : str or None
        The replicates of the pipeline, from `serving.stability_interval.SpreadTable.to_text`; None
        where the document's interval needs none.
    landmarks : sequence of ResponsePredictor
        Models of the same outcome in the course of treatment, the earliest first.

    Attributes
    ----------
    card : StoredCard or None
        The model card that lay beside the model; set by `load`.

    Raises
    ------
    ModelError
        When they do not belong together, or the document names an unknown feature.
    """

    def __init__(
        self,
        document: ModelDocument,
        booster_text: str | None = None,
        spread_text: str | None = None,
        landmarks: "Sequence[ResponsePredictor]" = (),
    ) -> None:
        check_landmarks(document, landmarks)
        self.document, self.landmarks = document, tuple(landmarks)
        self._booster_text, self._spread_text = booster_text, spread_text
        self.card: StoredCard | None = None
        self._features = named_features(document, [each.name for each in document.features])
        self._feature_names = tuple(each.name for each in self._features)
        landmark = None if document.landmark is None else document.landmark.landmark()
        self._rows = PatientRows(self._features, document.connectome.node_table, landmark)
        self._uses_connectome = any("connectome" in each.fields for each in self._features)
        self._scanners = KnownScanners(document)
        self._reference = TrainingReference(document.features)
        self._model = CalibratedTrees(document, booster_text, spread_text)
        self._questions = Questions.joined([self._model.questions, self._reference.questions])
        self._n_of_model = len(self._model.questions)
        self._standing_notices = standing_notices(document)
        self._contents = AnswerContents(document, self._model.baseline_log_odds)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model from its folder.

        Raises
        ------
        ModelError
            When a file is absent, damaged, or not the one that belongs to the other.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise ModelError(f"There is no model folder {folder}; train a model or name another.")
        document = ModelDocument.from_text(_text_of(folder / DOCUMENT_FILE))
        booster_text = _text_of(folder / BOOSTER_FILE) if document.booster else None
        spread_text = _text_of(folder / SPREAD_FILE) if document.interval.spread else None
        predictor = cls(document, booster_text, spread_text, load_landmarks(folder, cls.load))
        predictor.card = StoredCard.load(folder, predictor.identity.version)
        return predictor

    def save(self, folder: str | Path) -> None:
        """Write `model.json` and all that belongs to it into a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((BOOSTER_FILE, self._booster_text), (SPREAD_FILE, self._spread_text)):
            (folder / name).unlink(missing_ok=True)
            if text is not None:
                (folder / name).write_text(text, "utf-8", newline="\n")
        save_landmarks(folder, self.landmarks)
        (folder / DOCUMENT_FILE).write_text(self.document.to_text(), "utf-8", newline="\n")
        remove_card(folder)
        if self.card is not None:
            self.card.save(folder)

    def with_landmarks(self, landmarks: "Sequence[ResponsePredictor]") -> Self:
        """Return the same model with models of the course of treatment beside it."""
        beside = type(self)(self.document, self._booster_text, self._spread_text, landmarks)
        beside.card = self.card
        return beside

    def with_member(self, before: str, member: "ResponsePredictor") -> "ResponsePredictor":
        """Return the same models with another in the place of the one of this version."""
        if before == self.identity.version:
            return member.with_landmarks(self.landmarks)
        others = [member if each.identity.version == before else each for each in self.landmarks]
        return self.with_landmarks(others)

    def at(self, course: Course) -> "ResponsePredictor":
        """Return the model that answers after these scores; see `serving.course.answering`."""
        return answering(self, self.landmarks, course)

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions of the model and of those of the course."""
        return self.identity.version, *(each.identity.version for each in self.landmarks)

    def with_interval(self, interval: IntervalDocument, spread_text: str) -> Self:
        """Return the same model with another interval beside its probabilities."""
        document = self.document.model_copy(update={"interval": interval})
        return type(self)(document, self._booster_text, spread_text, self.landmarks)

    def with_harmonisation(self, effects: SiteEffects) -> Self:
        """Return the same model with further sites in its harmonisation."""
        update = {"harmonisation": effects, "adapted_from": self.identity.version}
        document = self.document.model_copy(update=update)
        return type(self)(document, self._booster_text, self._spread_text)

    def with_update(self, update: LocalUpdate, shifts: FloatArray | None = None) -> Self:
        """Return the model recalibrated on local outcomes; the trees stay as they are.

        Parameters
        ----------
        update : LocalUpdate
            Of this model.
        shifts : ndarray of float, shape (replicates,), optional
            Log-odds by which each replicate behind the interval moves beside that.
        """
        document, spread_text = updated(self.document, self._spread_text, update, shifts)
        return type(self)(document, self._booster_text, spread_text, self.landmarks)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features, in the order of the columns of X."""
        return self._features

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the columns of X."""
        return self._feature_names

    @property
    def features_in_trees(self) -> frozenset[str]:
        """Names of the features that can move a prediction: those in a split of any tree."""
        if self._booster_text is None or self.document.serves_base_rate:
            return frozenset()
        trees = read_trees(self._booster_text, len(self._feature_names))
        columns = {column for tree in trees for column in tree.split_feature.tolist()}
        return frozenset(self._feature_names[column] for column in columns)

    @property
    def identity(self) -> ModelIdentity:
        """Name, version and training cohort, as they stand in every prediction."""
        return self._contents.identity

    @property
    def baseline_log_odds(self) -> float:
        """Calibrated log-odds before any feature of a patient is known."""
        return self._model.baseline_log_odds

    def log_odds(self, X: npt.ArrayLike) -> FloatArray:
        """Return the calibrated log-odds of the outcome.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Features in the order of `features`, NaN where unknown; connectivity harmonised, as
            `predict` does for a patient.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        return np.array([each.log_odds for each in self._explained(X)])

    def contributions(self, X: npt.ArrayLike) -> FloatArray:
        """Return what each feature adds to the calibrated log-odds.

        Returns
        -------
        ndarray of float64, shape (n, p)
            `baseline_log_odds + contributions(X).sum(axis=1)` is `log_odds(X)`.
        """
        contributions = [each.contributions for each in self._explained(X)]
        return np.array(contributions).reshape(-1, len(self._features))

    def predict(
        self, patient: Patient, *, explain: bool = True, course: Course | None = None
    ) -> Prediction:
        """Answer for one patient.

        Parameters
        ----------
        patient : Patient
            Before treatment.
        explain : bool
            Whether to name what each feature contributed.
        course : Course, optional
            The scores during treatment so far; the model that `at` returns answers.

        Returns
        -------
        Prediction
            With a probability, or abstained with the reason among its notices.

        Raises
        ------
        RefusedPatientError
            When the record does not fit the model: another instrument, a required field missing,
            an undeclared measurement, a course of which the model makes no use.
        """
        model = self if course is None else self.at(course)
        content, _ = model.answer(patient, explain=explain, course=course)
        return Prediction.model_validate(content)

    def answer(
        self, patient: Patient, *, explain: bool = True, course: Course | None = None
    ) -> tuple[Content, FloatArray]:
        """Return the JSON content of this very model's answer, and the row of features, (p,)."""
        read = self._read(patient, course)
        explained = None if read.reason else self._model.explained(read.row, read.answers)
        return self._content(read, explained, explain=explain), read.row

    def answer_many(
        self, patients: Sequence[Patient], *, explain: bool = True
    ) -> list[tuple[Content, FloatArray] | DataError]:
        """Return what `answer` returns or, as a value, raises for each patient before treatment.

        It takes less time.
        """
        read = [self._read_or_refused(patient) for patient in patients]
        known = [each for each in read if isinstance(each, _Read) and each.reason is None]
        explained = self._explained([x.row for x in known], [x.answers for x in known])
        answers: list[tuple[Content, FloatArray] | DataError] = []
        for each in read:
            if isinstance(each, DataError):
                answers.append(each)
            else:
                found = None if each.reason else next(explained)
                answers.append((self._content(each, found, explain=explain), each.row))
        return answers

    def predict_many(
        self, patients: Iterable[Patient], *, explain: bool = True
    ) -> list[Prediction]:
        """Answer for each patient, in order, as `predict` does."""
        return [self.predict(patient, explain=explain) for patient in patients]

    def _explained(
        self, X: npt.ArrayLike, answers: Sequence[BoolArray] = ()
    ) -> Iterator[Explained]:
        rows = np.ascontiguousarray(X, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self._features):
            raise ValueError(f"X must have shape (n, {len(self._features)})")
        for start in range(0, len(rows), _TOGETHER):
            together = slice(start, start + _TOGETHER)
            known = np.array(answers[together]) if answers else None
            yield from self._model.explained_many(rows[together], known)

    def _read(self, patient: Patient, course: Course | None = None) -> _Read:
        """Return what the model is to know of a patient, or refuse him."""
        refuse_unfit(patient, self.document)
        refuse_unfit_course(course, patient, self.document, self.landmarks)
        refusal = self._connectome_refusal(patient)
        used = patient if refusal is None else patient.model_copy(update=_NO_SCAN)
        row = self._scanners.without(self._rows.row(used, course), used)
        answers = self._questions.answers(row)
        compared = self._reference.compared(row, answers[self._n_of_model :])
        reason = reason_to_abstain(compared, self.document, self._reference)
        notices = self._notices(patient, refusal, compared)
        if course is not None:
            notices = (*course_notices(course, self.document), *notices)
        return _Read(row, answers, notices, reason)

    def _read_or_refused(self, patient: Patient) -> _Read | DataError:
        try:
            return self._read(patient)
        except DataError as error:
            return error

    def _connectome_refusal(self, patient: Patient) -> str | None:
        if patient.scan is None or not self._uses_connectome:
            return None
        return connectome_refusal(patient.scan, self.document.connectome)

    def _notices(
        self, patient: Patient, refusal: str | None, compared: Compared
    ) -> tuple[Notice, ...]:
        used = patient.scan is not None and refusal is None
        notices = [*site_notices(patient, self.document)]
        if compared.unusual or compared.lacking:
            notices += input_notices(compared, self.document, connectome=used)
        if self._uses_connectome:
            notices += connectome_notices(patient, self.document, refusal)
            notices += self._scanners.notices(patient) if used else ()
        return (*notices, *self._standing_notices)

    def _content(self, read: _Read, explained: Explained | None, *, explain: bool) -> Content:
        if explained is None:
            assert read.reason is not None  # noqa: S101  # all others are explained
            return self._contents.answer((read.reason, *read.notices))
        log_odds, contributions, interval = explained
        named = self._contents.named(read.row, contributions) if explain else []
        return self._contents.answer(read.notices, expit(log_odds), interval, named)


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError:
        raise ModelError(f"{path} is absent or cannot be read; copy the model again.") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path} is not text; copy or train the model again.") from None
