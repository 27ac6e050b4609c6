"""A multipart/form-data body, read part by part with every size bounded."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from data_schemas.errors import FieldProblem, did_you_mean
from serving.headers import first_header
from serving.requests import RequestError

MULTIPART: Final = "multipart/form-data"
# It would log bytes of what was sent.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

_MAXIMUM_HEADERS: Final = 8
_MAXIMUM_HEADER_BYTES: Final = 1024
_BETWEEN_PARTS_BYTES: Final = 16 * 1024


@dataclass
class Part:
    """One part: its name, the name of the file it came from, and its content."""

    name: str = ""
    filename: str = ""
    data: bytearray = field(default_factory=bytearray)


def is_multipart(request: Request) -> bool:
    """Return whether a request announces a multipart/form-data body."""
    kind = first_header(request, b"content-type").partition(";")[0].strip().lower()
    return kind == MULTIPART


async def read_parts(request: Request, limits: Mapping[str, int]) -> dict[str, Part]:
    """Read a multipart body.

    Parameters
    ----------
    request : Request
    limits : mapping of str to int
        The largest content of each part, in bytes, by its name; no other part is accepted, and
        each at most once.

    Raises
    ------
    RequestError
        415 when it is compressed or names no boundary; 413 as soon as a part, or the whole, is
        known to be too large; 400 when it is empty or not well formed; 422 for an unknown part.
    """
    parts = _Parts(limits)
    parser = _parser(request, parts)
    allowed = sum(limits.values()) + _BETWEEN_PARTS_BYTES
    announced = request.headers.get("content-length", "")
    size = int(announced[:20]) if announced.isdecimal() else 0
    if size > allowed:
        raise _too_large("the whole body", allowed)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > allowed:
            raise _too_large("the whole body", allowed)
        try:
            parser.write(chunk)
        except FormParserError:
            raise _malformed() from None
    if not size:
        raise RequestError(400, "empty_body", "The body is empty; send JSON or a form.")
    if not parts.complete:
        raise _malformed()
    return parts.read


def _parser(request: Request, parts: "_Parts") -> MultipartParser:
    coding = (request.headers.get("content-encoding") or "identity").strip().lower()
    if coding != "identity":
        message = "The body is compressed; send it as it is, without the header Content-Encoding."
        raise RequestError(415, "unsupported_encoding", message)
    _, options = parse_options_header(request.headers["content-type"])
    try:
        return MultipartParser(
            options.get(b"boundary") or b"",
            parts.callbacks(),
            max_header_count=_MAXIMUM_HEADERS,
            max_header_size=_MAXIMUM_HEADER_BYTES,
        )
    except FormParserError:
        raise _malformed() from None


class _Parts:
    """Collects the parts of a body as the parser meets them."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.read: dict[str, Part] = {}
        self.complete = False
        self._limits = limits
        self._part = Part()
        self._header = (bytearray(), bytearray())

    def callbacks(self) -> Any:  # noqa: ANN401
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._begin_header,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._accept,
            "on_part_data": self._extend,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._part = Part()

    def _begin_header(self) -> None:
        self._header = (bytearray(), bytearray())

    def _end_header(self) -> None:
        name, value = self._header
        if name.strip().lower() == b"content-disposition":
            _, options = parse_options_header(bytes(value))
            self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
            self._part.filename = options.get(b"filename", b"").decode("utf-8", "replace")

    def _accept(self) -> None:
        name = self._part.name
        if name not in self._limits:
            problem = "is not a part of this form." + did_you_mean(name[:64], self._limits)
            allowed = ", ".join(self._limits)
            message = "The form has a part that is not known; nothing was predicted."
            raise RequestError(
                422, "unknown_part", message, (FieldProblem(name, problem, allowed),)
            )
        if name in self.read:
            message = f"The form holds the part '{name}' twice; send it once."
            raise RequestError(400, "duplicate_field", message)
        self.read[name] = self._part

    def _extend(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if len(part.data) + end - start > self._limits[part.name]:
            raise _too_large(f"the part '{part.name}'", self._limits[part.name])
        part.data += data[start:end]

    def _end(self) -> None:
        self.complete = True


def _too_large(what: str, limit: int) -> RequestError:
    message = f"{what[0].upper()}{what[1:]} may hold at most {limit} bytes; send less."
    return RequestError(413, "body_too_large", message)


def _malformed() -> RequestError:
    message = (
        "The body is not a well-formed form; send multipart/form-data with a boundary (with curl: "
        "-F 'patient=<patient.json' -F 'connectome=@scan_relmat.tsv')."
    )
    return RequestError(400, "invalid_form", message)
