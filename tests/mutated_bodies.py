"""Bodies that nobody should send, drawn from sound ones, and a quick way to send many."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from forms import FormPart, form
from starlette.types import ASGIApp, Message

from data_schemas.patient import Patient
from data_schemas.prediction import ErrorBody

_RELMAT = b"Node\tLH_Vis_1\tLH_Vis_2\nLH_Vis_1\t1\t0.5\nLH_Vis_2\t0.5\t1\n"
_STRANGE: tuple[object, ...] = (
    None, True, "", "x" * 10_000, "\x00", "\ud7ff", -1, 0, 10**400, -(10**25), 1e308, 5e-324, -0.0,
    math.nan, math.inf, -math.inf, [], {}, [[]], {"": {}}, [1] * 5_000, {"a": [{"b": None}]},
)  # fmt: skip
_NAMES = (
    *Patient.model_fields, "sessions_completed", "week1_score", "", "\x00", "a.b", "extra.grip_kg",
    "__class__", "x" * 70, "AGE_YEARS",
)  # fmt: skip


class Body(NamedTuple):
    """A body, where it goes and how it is announced."""

    path: str
    data: bytes
    content_type: str = "application/json"


def mutated(rng: np.random.Generator, records: list[dict[str, Any]]) -> Body:
    """Draw a body: a sound record, or several, or a form, with something done to it."""
    record = deepcopy(records[rng.integers(len(records))])
    for _ in range(rng.integers(0, 4)):
        _disturb(rng, record)
    data = json.dumps(record).encode("utf-8", "surrogatepass")
    path, content_type = "/predict", "application/json"
    kind = rng.random()
    if kind < 0.3:
        path = "/predict_batch"
        data = b"[" + b",".join([data] * int(rng.integers(0, 4))) + b"]"
    elif kind < 0.5:
        parts = (FormPart("patient", data), FormPart("connectome", _harmed(rng, _RELMAT), "a.tsv"))
        data, headers = form(*parts)
        content_type = headers["content-type"]
    for _ in range(rng.integers(0, 3)):
        data = _MUTATIONS[rng.integers(len(_MUTATIONS))](rng, data)
    return Body(path, data, content_type)


def _disturb(rng: np.random.Generator, record: dict[str, Any]) -> None:
    """Put something strange into a record, or into an object in it."""
    inner = [record, *(value for value in record.values() if isinstance(value, dict))]
    place = inner[rng.integers(len(inner))]
    name = _NAMES[rng.integers(len(_NAMES))] if rng.random() < 0.5 else None
    name = name if name is not None or not place else list(place)[rng.integers(len(place))]
    place[name or ""] = deepcopy(_STRANGE[rng.integers(len(_STRANGE))])


def _harmed(rng: np.random.Generator, data: bytes) -> bytes:
    """Overwrite, drop or insert some bytes."""
    harmed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(harmed) + 1))
        harmed[place : place + int(rng.integers(0, 6))] = rng.bytes(int(rng.integers(0, 6)))
    return bytes(harmed)


def _nested(rng: np.random.Generator, data: bytes) -> bytes:
    depth = int(10 ** rng.uniform(0, 4.5))
    if rng.random() < 0.5:
        return b"[" * depth + data + b"]" * depth
    return b'{"connectome":' * depth + data + b"}" * depth


def _named_twice(rng: np.random.Generator, data: bytes) -> bytes:
    name = _NAMES[rng.integers(len(_NAMES))]
    twice = json.dumps(name).encode() + b":1,"
    return data.replace(b"{", b"{" + twice + twice, 1)


def _bad_utf8(rng: np.random.Generator, data: bytes) -> bytes:
    place = int(rng.integers(len(data) + 1))
    wrong = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\x00")
    return data[:place] + wrong[rng.integers(len(wrong))] + data[place:]


def _long_number(rng: np.random.Generator, data: bytes) -> bytes:
    digits = b"9" * int(10 ** rng.uniform(1, 4.5))
    return data.replace(b"4", digits, 1) if b"4" in data else digits


def _cut(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: int(rng.integers(len(data) + 1))]


_MUTATIONS: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (
    _harmed, _nested, _named_twice, _bad_utf8, _long_number, _cut,
)  # fmt: skip


def statuses_of(app: ASGIApp, bodies: Iterator[Body]) -> Counter[int]:
    """Send bodies one after the other; count the statuses, and check the shape of refusals."""

    async def send_all() -> Counter[int]:
        return Counter([await _status(app, body) for body in bodies])

    return asyncio.run(send_all())


async def _status(app: ASGIApp, body: Body) -> int:
    status, answer = 0, b""

    async def receive() -> Message:
        return {"type": "http.request", "body": body.data, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, answer
        status = message.get("status", status)
        answer += message.get("body", b"")

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "path": body.path, "raw_path": body.path.encode(), "query_string": b"", "root_path": "",
        "scheme": "http", "headers": [(b"content-type", body.content_type.encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 3000), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    if status != 200:
        error = ErrorBody.model_validate_json(answer).error
        assert error.message
        assert error.code != "internal_error", body.data[:200]
    return status
