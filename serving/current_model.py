"""The model that answers, and its replacement by a new one while requests go on.

A request enters the application of one model and leaves it, whatever is swapped meanwhile: the
application and its model are one object that never changes.
"""

import gc
import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from data_schemas.course import Course
from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from serving.calibrated_trees import logit
from serving.logs import describe
from serving.metrics import RELOADS, CountedPredictor, show_model
from serving.model_document import ModelDocument
from serving.model_pointer import stamp_of
from serving.openapi_examples import example_course, example_patient
from serving.predictor import ResponsePredictor

logger = logging.getLogger("tms_response.model")

_ADDITIVE_WITHIN: Final = 1e-6


@dataclass(frozen=True)
class _Served:
    """A model and the application that answers with it."""

    predictor: ResponsePredictor
    app: ASGIApp


class CurrentModel:
    """The application of the model of the moment.

    Parameters
    ----------
    predictor : ResponsePredictor
        The model to begin with.
    make_app : callable
        Makes the application around a model; called again for each new one. What must outlast a
        model, such as a ledger, belongs outside of what it makes.
    """

    def __init__(
        self, predictor: ResponsePredictor, make_app: Callable[[ResponsePredictor], ASGIApp]
    ) -> None:
        self._make_app = make_app
        self._served = _Served(predictor, make_app(predictor))
        show_model(predictor)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with the model of this moment."""
        await self._served.app(scope, receive, send)

    @property
    def predictor(self) -> ResponsePredictor:
        """The model of this moment."""
        return self._served.predictor

    def replace(self, new: ResponsePredictor) -> None:
        """Let a new model answer all requests that come from now on.

        Raises
        ------
        ModelError
            When it fails its self-test or answers another question; the old one stays.
        """
        old = self._served
        _refuse_other_question(new.document, old.predictor.document)
        if old.predictor.landmarks and not new.landmarks:
            raise ModelError(
                "The new model does not answer in the course of treatment, as the present one "
                "does; start the service anew with it."
            )
        for model in (new, *new.landmarks):
            self_test(model)
        self._served = _Served(new, self._make_app(new))
        show_model(new, old.predictor)


def self_test(predictor: ResponsePredictor) -> None:
    """Ask a model about a made-up patient, and add its contributions up.

    Raises
    ------
    ModelError
        When the probability is none, or is not the sum that explains it.
    """
    patient = Patient.model_validate(_complete_example(predictor.document))
    landmark = predictor.document.landmark
    course = None
    if landmark is not None:
        course = Course.model_validate({"visits": example_course(landmark)})
    # Not as a caller would, whose answers are counted.
    answer, _ = ResponsePredictor.answer(predictor, patient, course=course)
    chance = answer["response_probability"]
    if chance is None:
        return
    total = answer["baseline_log_odds"] + sum(each["log_odds"] for each in answer["contributions"])
    if not 0 < chance < 1 or not math.isclose(logit(chance), total, abs_tol=_ADDITIVE_WITHIN):
        raise ModelError("The model's explanation does not add up to its probability.")


def _complete_example(document: ModelDocument) -> dict[str, object]:
    """Return the example patient; refuse a model that requires more than the example holds."""
    example = example_patient(document)
    missing = set(document.required_fields) - example.keys()
    if missing:
        raise ModelError(
            f"The model requires {', '.join(sorted(missing))}, which its self-test lacks; start "
            "the service anew with it."
        )
    return example


def _refuse_other_question(new: ModelDocument, old: ModelDocument) -> None:
    """Refuse what would answer callers something else than they have been asking."""
    for name in ("name", "outcome", "depression_instrument", "anxiety_instrument"):
        if getattr(new, name) != getattr(old, name):
            raise ModelError(
                f"The {name.replace('_', ' ')} of the new model is not that of the present one, "
                "whose callers would be answered another question; start the service anew with it."
            )
    added = set(new.required_fields) - set(old.required_fields)
    if added:
        raise ModelError(
            f"The new model requires {', '.join(sorted(added))}, which the present one does not; "
            "start the service anew with it."
        )


class ModelWatcher:
    """Looks every few seconds whether another model is to answer, and loads it aside.

    Parameters
    ----------
    current : CurrentModel
        Where the new model goes.
    source : Path
        As in `serving.model_pointer`.
    seconds : float
        Between two looks.
    """

    def __init__(self, current: CurrentModel, source: Path, seconds: float) -> None:
        self._current = current
        self._source = source
        self._seconds = seconds
        self._seen: object = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Look in a thread of its own, until the process ends or `stop` is called."""
        threading.Thread(target=self._run, name="model-watcher", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        # At once at first: a worker that starts late may have begun with the first model.
        while not self._ended.is_set():
            self.look()
            self._ended.wait(self._seconds)

    def look(self) -> None:
        """Take the model that the source names now, unless it is known or bad."""
        try:
            folder, stamp = stamp_of(self._source)
        except ModelError as error:
            folder, stamp = None, str(error)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            if folder is None:
                raise ModelError(str(stamp))  # noqa: TRY301
            self._take(folder)
        except ModelError as error:
            self._refused(str(error))
        except Exception as error:  # noqa: BLE001 - the present model must go on answering
            self._refused(describe(error))

    def _take(self, folder: Path) -> None:
        new = CountedPredictor.load(folder)
        if new.versions == self._current.predictor.versions:
            return
        self._current.replace(new)
        # The model before is garbage now; what is loaded stays, as at the start.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        RELOADS.labels("taken").inc()
        taken = {"event": "model_taken", "version": new.identity.version}
        logger.info("A new model answers.", extra={"fields": taken})

    def _refused(self, reason: str) -> None:
        RELOADS.labels("refused").inc()
        refused = {"event": "model_refused", "reason": reason}
        message = "A new model was refused; the present one goes on answering."
        logger.error(message, extra={"fields": refused})
