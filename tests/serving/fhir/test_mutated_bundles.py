"""Whatever a Bundle holds, it is read or refused; nothing else happens."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fhir_bundles import bundle, medication, order, questionnaire, session, usual
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.fhir.reading import Reading
from serving.fhir.resources import bundle_resources
from serving.fhir.route import FhirReader
from serving.requests import RequestError

STRANGE: list[Any] = [
    None, [], {}, [None], [[]], "", " ", "x" * 5000, 0, -1, 1e308, 10**400, True, [{}], {"a": None},
    {"extension": [{"url": "u", "valueString": "v"}]}, {"reference": None}, "9999-12-31",
    "0001-01-01T00:00:00+14:00", "2026-02-30", {"coding": [{"system": 1, "code": 2}]},
]  # fmt: skip
WHOLE = bundle(
    *usual(), questionnaire([1] * 9), session(1), order(), medication("N05BA06", "other")
)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every node below the top."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(pairs):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


PLACES = list(places(WHOLE))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(STRANGE)), max_size=3))
def test_every_mutation_is_read_or_refused(
    reader: FhirReader, mutations: list[tuple[tuple[Any, ...], Any]]
) -> None:
    content = copy.deepcopy(WHOLE)
    for path, value in mutations:
        node: Any = content
        try:
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took the place away
    outcome: Reading | RequestError
    try:
        outcome = reader.read(bundle_resources(content), datetime.now(UTC))
    except RequestError as error:
        outcome = error
    assert isinstance(outcome, Reading) or (outcome.status == 422 and outcome.problems)


@pytest.mark.parametrize("content", [None, 3, "x", [], {}, {"resourceType": "Patient"}])
def test_only_a_bundle_is_read(content: Any) -> None:
    with pytest.raises(RequestError):
        bundle_resources(content)
