"""Both ends of a range, wherever in a record the number stands."""

import doctest
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from data_schemas import limits
from data_schemas.errors import field_problems
from data_schemas.limits import both_ends

Share = Annotated[float, Field(gt=0, lt=1)]


class Inner(BaseModel):
    share: Share
    count: int = Field(ge=1)


class Record(BaseModel):
    inner: Inner | None = None
    shares: tuple[Share, ...] = ()
    pair: tuple[Annotated[int, Field(ge=0, le=3)], str] = (0, "")
    named: dict[str, Annotated[float, Field(gt=0, le=2)]] = {}


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"inner": {"share": 2, "count": 1}}, "more than 0, less than 1"),
        ({"shares": [0.5, -1]}, "more than 0, less than 1"),
        ({"pair": [7, ""]}, "0 to 3"),
        ({"named": {"any": -1}}, "more than 0, at most 2"),
        # One end is all there is.
        ({"inner": {"share": 0.5, "count": 0}}, "at least 1"),
    ],
)
def test_a_number_out_of_range_is_told_both_ends(given: dict[str, object], allowed: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Record.model_validate(given)
    [problem] = field_problems(caught.value, Record)
    assert (problem.problem, problem.allowed) == ("is out of range", allowed)


def test_without_the_schema_the_end_that_failed_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        Record.model_validate({"pair": [7, ""]})
    [problem] = field_problems(caught.value)
    assert problem.allowed == "at most 3"


def test_a_place_that_is_not_there_has_no_range() -> None:
    places: list[list[int | str]] = [["absent"], ["inner", "absent", 3], ["pair", 5], []]
    for location in places:
        assert not both_ends(Record, location)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(limits).failed == 0
