"""Bodies are bounded, parsed strictly and refused without being repeated."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.requests import (
    MAXIMUM_BATCH,
    RequestError,
    parse_batch,
    parse_json,
    parse_patient,
)

KNOWN = {"depression_instrument": "PHQ-9", "depression_total": 18}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)


def refusal(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_json(body)
    return caught.value


@given(json_values)
def test_sound_json_is_read_as_it_is(value: Any) -> None:
    assert parse_json(orjson.dumps(value)) == value
    assert parse_json(json.dumps(value, indent=2).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"age_years": NaN}',
        b'{"age_years": Infinity}',
        b'{"a": 1,}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 5000,
        b"1 2",
    ],
)
def test_what_is_not_json_is_a_400(body: bytes) -> None:
    error = refusal(body)
    assert (error.status, error.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"age_years": 40, "age_years": 70}',
        b'[{"extra": {"a": 1, "b": 2, "a": 3}}]',
        b'{"age_years": 40, "\\u0061ge_years": 70}',
    ],
)
def test_a_name_twice_is_refused_rather_than_the_last_one_taken(body: bytes) -> None:
    assert refusal(body).code == "duplicate_field"


@pytest.mark.parametrize("value", [{"a": ":"}, {"a": 'x": 1'}, {"a:b": {"a:b": 1}}])
def test_colons_inside_texts_are_no_names(value: Any) -> None:
    assert parse_json(orjson.dumps(value)) == value


@pytest.mark.parametrize("depth", [900, 1020, 100_000])
def test_deep_nesting_is_refused_not_crashed(depth: int) -> None:
    body = b'{":":' * depth + b"1" + b"}" * depth
    with pytest.raises(RequestError):
        parse_patient(parse_json(body))


@pytest.mark.parametrize("depth", [2, 500, 1000])
def test_connectomes_within_connectomes_are_refused_not_crashed(depth: int) -> None:
    body = b'{"connectome":' * depth + b"[]" + b"}" * depth
    with pytest.raises(RequestError) as caught:
        parse_patient(parse_json(body))
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"age_years": "45"}, "age_years"),
        ({"age_years": 430}, "age_years"),
        ({"employed": 1}, "employed"),
        ({"failed_trials": True}, "failed_trials"),
        ({"failed_trials": 2.5}, "failed_trials"),
        ({"extra": {"grip_kg": "31"}}, "extra.grip_kg"),
        ({"hight_cm": 170}, "hight_cm"),
        ({"sessions_completed": 12}, "sessions_completed"),
        ({"coil_site_mni_mm": [1, 2]}, "coil_site_mni_mm"),
    ],
)
def test_records_are_read_strictly(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_patient({**KNOWN, **changes})
    assert caught.value.status == 422
    assert field in str(caught.value)
    assert "430" not in str(caught.value)


def test_lists_become_the_tuples_of_a_patient() -> None:
    record = {
        "depression_instrument": "PHQ-9",
        "depression_items": [2] * 9,
        "coil_site_mni_mm": [-38, 44.0, 26],
        "connectome": {"labels": ["a", "b"], "upper_triangle": [0.25]},
    }
    patient = parse_patient(record)
    assert patient.depression_total == 18
    assert patient.coil_site_mni_mm == (-38.0, 44.0, 26.0)
    assert patient.connectome is not None
    assert patient.connectome.upper_triangle.tolist() == [0.25]


@pytest.mark.parametrize("record", [None, [], "text", 3, True])
def test_what_is_not_an_object_is_refused(record: object) -> None:
    with pytest.raises(RequestError, match="should be an object"):
        parse_patient(record)


@pytest.mark.parametrize("batch", [{}, [], [{}] * (MAXIMUM_BATCH + 1), "text"])
def test_batches_are_lists_of_bounded_length(batch: object) -> None:
    with pytest.raises(RequestError) as caught:
        parse_batch(orjson.dumps(batch))
    assert (caught.value.status, caught.value.code) == (422, "invalid_batch")
    assert len(parse_batch(orjson.dumps([{}] * MAXIMUM_BATCH))) == MAXIMUM_BATCH


@pytest.mark.parametrize(
    "record",
    [
        {f"name_{number}": 1 for number in range(199)},
        {f"name_{number}": 1 for number in range(100_000)},
        {"x" * 5_000_000: 1},
        {"extra": {"x" * 5_000_000: 1}},
    ],
)
def test_a_refusal_is_quick_and_bounded_however_much_is_wrong(record: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        parse_patient(record)
    assert len(caught.value.body().model_dump_json()) < 10_000
