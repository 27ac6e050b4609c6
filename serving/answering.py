"""From the body of a request to the answer that is recorded and sent."""

import time
from typing import Any, Final

from starlette.responses import Response

from data_schemas.course import Course
from data_schemas.errors import DataError
from data_schemas.patient import Patient
from serving.answer_content import to_json
from serving.course_requests import take_course
from serving.http_protocol import refuse_while_much_is_unread
from serving.ledger.entries import Predicted
from serving.metrics import REFUSALS
from serving.multipart import Part
from serving.predictor import ResponsePredictor
from serving.recording import Answer
from serving.requests import RequestError, parse_batch, parse_json, parse_patient, refused
from serving.uploads import uploaded_patient

# Patients of a batch from one pause to the next, so that a single one who comes meanwhile waits for
# half a millisecond at most. A pause takes as long as an answer: 76 microseconds where measured.
_TOGETHER: Final = 4

_Asked = tuple[Patient, Course | None]


def answer_one(predictor: ResponsePredictor, body: bytes, explain: bool) -> Answer:
    """Return the answer for one patient, sent as JSON; raise a RequestError where there is none."""
    return _answer(predictor, *_asked(parse_json(body)), explain=explain)


def answer_upload(predictor: ResponsePredictor, parts: dict[str, Part], explain: bool) -> Answer:
    """Return the answer for one patient, sent as a form; raise a RequestError where there is none.

    Parameters
    ----------
    predictor : ResponsePredictor
    parts : dict of str to Part
        Of the form.
    explain : bool
        Whether to name what each feature contributed.
    """
    return _answer(predictor, *uploaded_patient(parts), explain=explain)


def answer_batch(predictor: ResponsePredictor, body: bytes, explain: bool) -> Answer:
    """Return the answers for a batch, in order, with an error object where one is refused.

    Raises
    ------
    RequestError
        As `parse_batch`, or 503 while too many long answers wait for their readers.
    """
    refuse_while_much_is_unread()
    entries = parse_batch(body)
    answers: list[bytes] = []
    kept: list[Predicted] = []
    for start in range(0, len(entries), _TOGETHER):
        for each in _together(predictor, entries[start : start + _TOGETHER], explain=explain):
            if isinstance(each, RequestError):
                REFUSALS.labels(each.code).inc()
                answers.append(each.body().model_dump_json().encode())
            else:
                answers.append(to_json(each.content))
                kept.append(each)
        # A single patient who waits goes on now, rather than after the interpreter's 5 ms.
        time.sleep(0)
    listed = b"[" + b",".join(answers) + b"]"
    return Answer(Response(listed, media_type="application/json"), kept)


def _answer(
    predictor: ResponsePredictor, patient: Patient, course: Course | None, *, explain: bool
) -> Answer:
    predicted = _predicted(predictor, patient, course, explain=explain)
    body = to_json(predicted.content)
    return Answer(Response(body, media_type="application/json"), [predicted])


def _predicted(
    predictor: ResponsePredictor, patient: Patient, course: Course | None, *, explain: bool
) -> Predicted:
    model = predictor if course is None else predictor.at(course)
    try:
        content, row = model.answer(patient, explain=explain, course=course)
    except DataError as error:
        raise refused(error) from None
    return Predicted(content, row, model.feature_names)


def _together(
    predictor: ResponsePredictor, entries: list[Any], *, explain: bool
) -> list[Predicted | RequestError]:
    """Return what each entry gets; those before treatment are answered in one go."""
    read = [_asked_or_refused(entry) for entry in entries]
    before = [each[0] for each in read if not isinstance(each, RequestError) and each[1] is None]
    answered = iter(predictor.answer_many(before, explain=explain))
    found: list[Predicted | RequestError] = []
    for each in read:
        if isinstance(each, RequestError):
            found.append(each)
        elif each[1] is None:
            one = next(answered)
            known = predictor.feature_names
            found.append(refused(one) if isinstance(one, DataError) else Predicted(*one, known))
        else:
            found.append(_predicted_or_refused(predictor, *each, explain=explain))
    return found


def _predicted_or_refused(
    predictor: ResponsePredictor, patient: Patient, course: Course | None, *, explain: bool
) -> Predicted | RequestError:
    try:
        return _predicted(predictor, patient, course, explain=explain)
    except RequestError as error:
        return error


def _asked(content: Any) -> _Asked:  # noqa: ANN401
    record, course = take_course(content)
    return parse_patient(record), course


def _asked_or_refused(content: Any) -> _Asked | RequestError:  # noqa: ANN401
    try:
        return _asked(content)
    except RequestError as error:
        return error
