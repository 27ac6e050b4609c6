"""Reading a request: bounded, parsed once, validated once, and refused without echoing it."""

import json
from typing import Any, get_args, get_origin

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from data_schemas.errors import DataError, FieldProblem, TmsResponseError, field_problems
from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody, ErrorDetail, ErrorField
from serving.admission import RefusedPatientError
from serving.headers import first_header

MAXIMUM_BODY_BYTES = 20 * 1024 * 1024
MAXIMUM_BATCH = 1000
_LISTED_FIELDS = 50
_MAXIMUM_NAMES = 200  # Patient has some forty fields
_FIELD_NAME_LENGTH = 64
_FIELDS = frozenset(Patient.model_fields)
_LISTS = tuple(
    name
    for name, field in Patient.model_fields.items()
    if any(get_origin(kind) is tuple for kind in get_args(field.annotation))
)
_JSON = "application/json"
_PLAIN = "identity"


class RequestError(TmsResponseError):
    """A request that is refused before, or instead of, a prediction.

    Attributes
    ----------
    status : int
        HTTP status.
    code : str
        Stable code of the error.
    retry_after : int
        Seconds after which the caller may ask again; 0 where that would not help.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        problems: tuple[FieldProblem, ...] = (),
        *,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message, problems)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    def body(self) -> ErrorBody:
        """Return the body of the refusal; a field's name is cut, its value is never there."""
        fields = tuple(
            ErrorField(
                field=problem.field[:_FIELD_NAME_LENGTH],
                problem=problem.problem,
                allowed=problem.allowed,
            )
            for problem in self.problems[:_LISTED_FIELDS]
        )
        return ErrorBody(error=ErrorDetail(code=self.code, message=self.message, fields=fields))


async def read_body(request: Request, kinds: tuple[str, ...] = (_JSON,)) -> bytes:
    """Return the body of a request.

    Parameters
    ----------
    request : Request
    kinds : tuple of str
        Media types that are read, all of them JSON.

    Raises
    ------
    RequestError
        415 when it is announced as anything but plain JSON; 413 as soon as it is known to be
        larger than `MAXIMUM_BODY_BYTES`; 400 when it is empty.
    """
    announced = first_header(request, b"content-length")
    if announced == "0":
        raise _empty()
    _refuse_other_content(request, kinds)
    if announced.isdecimal() and int(announced[:20]) > MAXIMUM_BODY_BYTES:
        raise _too_large()
    chunks, size, more = [], 0, True
    while more:
        # Not `request.stream()`, whose turns would cost a body of one chunk twice as much.
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAXIMUM_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
        more = message.get("more_body", False)
    if not size:
        raise _empty()
    return b"".join(chunks)


def _empty() -> RequestError:
    return RequestError(400, "empty_body", "The body is empty; send JSON.")


def _too_large() -> RequestError:
    message = f"The body may hold at most {MAXIMUM_BODY_BYTES} bytes; send less."
    return RequestError(413, "body_too_large", message)


def _refuse_other_content(request: Request, kinds: tuple[str, ...]) -> None:
    """Refuse what is announced as something else; a body that is not announced is read as JSON."""
    kind = first_header(request, b"content-type", _JSON).partition(";")[0].strip().lower()
    if kind not in kinds:
        message = (
            "The body is not announced as JSON; add the header 'Content-Type: application/json' "
            "(with curl: -H 'Content-Type: application/json')."
        )
        problem = FieldProblem("Content-Type", "is not that of JSON", ", ".join(kinds))
        raise RequestError(415, "unsupported_media_type", message, (problem,))
    coding = first_header(request, b"content-encoding", _PLAIN).strip().lower()
    if coding != _PLAIN:
        message = "The body is compressed; send it as it is, without the header Content-Encoding."
        problem = FieldProblem("Content-Encoding", "is not supported", _PLAIN)
        raise RequestError(415, "unsupported_encoding", message, (problem,))


def parse_json(body: bytes) -> Any:  # noqa: ANN401
    """Parse strict JSON: UTF-8, no NaN or Infinity, no name twice in one object.

    Raises
    ------
    RequestError
        400, without a part of the body.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"The body is not valid JSON, at line {error.lineno}, column {error.colno}."
        raise RequestError(400, "invalid_json", message) from None
    # Every name is followed by a colon; more colons than names are either inside a text or mean
    # that a name stands twice, of which orjson keeps the last value in silence.
    colons = body.count(b":")
    if isinstance(content, dict) and colons == len(content):
        return content  # flat
    if colons > _count_names(content) and _repeats_a_name(body):
        message = "The body names the same field twice in one object; send each once."
        raise RequestError(400, "duplicate_field", message)
    return content


def _count_names(content: Any) -> int:  # noqa: ANN401
    names = 0
    waiting: list[Any] = [[content]]
    while waiting:
        values = waiting.pop()
        if isinstance(values, dict):
            names += len(values)
            values = values.values()
        waiting += [each for each in values if isinstance(each, (dict, list))]
    return names


def _repeats_a_name(body: bytes) -> bool:
    repeated = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len({name for name, _ in pairs}) < len(pairs)

    try:
        json.loads(body, object_pairs_hook=note)
    except (ValueError, RecursionError):
        message = "The body is nested too deeply, or holds a number that is too long."
        raise RequestError(400, "invalid_json", message) from None
    return repeated


def parse_patient(content: Any) -> Patient:  # noqa: ANN401
    """Validate one patient, strictly: "45" is not a number, and 1 is not true.

    Raises
    ------
    RequestError
        422, naming each field, what is wrong with it and what is allowed.
    """
    refuse_absurd_names(content, _FIELDS)
    refuse_absurd_names(_inside(content, "extra"))
    refuse_absurd_names(_inside(_inside(content, "connectome_summary"), "values"))
    try:
        return Patient.model_validate(_with_tuples(content), strict=True)
    except ValidationError as error:
        problems = tuple(field_problems(error, Patient))
        message = "The patient's record is not valid; nothing was predicted."
        raise RequestError(422, "invalid_patient", message, problems) from None


def _inside(record: Any, name: str) -> Any:  # noqa: ANN401
    return record.get(name) if isinstance(record, dict) else None


def refuse_absurd_names(
    record: Any,  # noqa: ANN401
    known: frozenset[str] = frozenset(),
) -> None:
    """Refuse at once what would take long to refuse by name.

    Parameters
    ----------
    record : object
        As it was sent; nothing is said of what is no dictionary.
    known : frozenset of str
        Names that none of this can be said of.
    """
    if not isinstance(record, dict) or known.issuperset(record):
        return
    if len(record) > _MAXIMUM_NAMES or max(map(len, record)) > _FIELD_NAME_LENGTH:
        message = (
            f"A record may hold at most {_MAXIMUM_NAMES} fields, and a name at most "
            f"{_FIELD_NAME_LENGTH} characters; nothing was predicted."
        )
        raise RequestError(422, "invalid_patient", message)


def _with_tuples(content: Any) -> Any:  # noqa: ANN401
    """Return a record with tuples for its lists: JSON has no tuples, and strictness wants them."""
    if not isinstance(content, dict):
        return content
    changed = _tuples_of(content, _LISTS)
    # No deeper: a body may nest connectomes a thousand times.
    connectome = content.get("connectome")
    if isinstance(connectome, dict):
        changed["connectome"] = {**connectome, **_tuples_of(connectome, tuple(connectome))}
    return {**content, **changed} if changed else content


def _tuples_of(record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: tuple(record[name]) for name in names if isinstance(record.get(name), list)}


def parse_batch(body: bytes) -> list[Any]:
    """Return the entries of a batch, not yet validated.

    Raises
    ------
    RequestError
        400 when the body is not JSON, 422 when it is not a list of 1 to `MAXIMUM_BATCH` entries.
    """
    content = parse_json(body)
    if not isinstance(content, list) or not 1 <= len(content) <= MAXIMUM_BATCH:
        allowed = f"1 to {MAXIMUM_BATCH} patients"
        problem = FieldProblem("the whole body", "should be a list of patients", allowed)
        message = f"A batch is a list of 1 to {MAXIMUM_BATCH} patients; split a longer one."
        raise RequestError(422, "invalid_batch", message, (problem,))
    return content


def refused(error: DataError) -> RequestError:
    """Return the HTTP form of a patient that the model refuses."""
    code = error.code if isinstance(error, RefusedPatientError) else "invalid_patient"
    return RequestError(422, code, error.message, error.problems)
