"""Whatever a call holds, it is answered or refused; nothing else happens."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from ehr_sandbox import EhrSandbox
from fhir_bundles import order, questionnaire, usual
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from serving.app import create_app
from serving.predictor import ResponsePredictor

STRANGE: list[Any] = [
    None, [], {}, [None], "", "x" * 3000, 0, -1.5, 1e308, True, [{}], {"a": None},
    {"resourceType": "Bundle", "entry": [None, {"resource": 3}]}, {"resourceType": "Patient"},
    ["ServiceRequest/order"], "tms", "9999-12-31T00:00:00-14:00", 2**63 - 1,
]  # fmt: skip


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every node below the top, those near the top first."""
    pairs = list(content.items() if isinstance(content, dict) else enumerate(content))
    for key, _ in pairs:
        yield (*path, key)
    for key, value in pairs:
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor) -> ASGIApp:
    return create_app(predictor)


@pytest.fixture(scope="module")
def whole(app: ASGIApp) -> dict[str, Any]:
    ehr = EhrSandbox(app, [*usual(), questionnaire([1] * 9, days=5)])
    drafts = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order()}]}
    service = ehr.discover()["tms-response-order"]
    return ehr.body(service, selections=["ServiceRequest/order"], draftOrders=drafts)


@settings(max_examples=120)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(STRANGE)), max_size=2))
def test_every_mutation_is_answered_or_refused(
    app: ASGIApp, whole: dict[str, Any], mutations: list[tuple[float, Any]]
) -> None:
    content = copy.deepcopy(whole)
    for share, value in mutations:
        known = list(places(content))
        path = known[math.floor(share**2 * len(known))]
        node: Any = content
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = copy.deepcopy(value)
    response = EhrSandbox(app, []).post("tms-response-order", orjson.loads(orjson.dumps(content)))
    assert response.status_code in {200, 400, 412, 422}
    assert ("cards" in response.json()) is (response.status_code == 200)
