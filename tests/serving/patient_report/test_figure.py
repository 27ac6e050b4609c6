"""A hundred people say what the probability says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.prediction import Interval
from serving.patient_report.figure import Figure, count, count_words, place

PROBABILITIES = st.floats(0, 1)


def figure(probability: float, lower: float = 0.2, upper: float = 0.8) -> Figure:
    interval = Interval(lower=lower, upper=upper, level=0.9, method="made up")
    return Figure(probability, 0.47, interval)


@given(probability=PROBABILITIES)
def test_as_many_are_filled_as_are_said(probability: float) -> None:
    people = list(figure(probability).people)
    filled = [person.filled for person in people]
    assert len({(person.x, person.y) for person in people}) == 100
    assert sum(filled) == count(probability)
    assert filled == sorted(filled, reverse=True)
    assert abs(sum(filled) - 100 * probability) <= 0.5 + 1e-9


@given(probability=PROBABILITIES)
def test_the_axis_ends_where_the_filled_people_end(probability: float) -> None:
    people = [person for person in figure(probability).people if person.filled]
    last = max((person.x for person in people), default=0)
    # Within the column of the last one, or at its edge.
    assert last - 1.2 <= place(probability) <= last + 24 + 1.2


@given(low=PROBABILITIES, middle=PROBABILITIES, high=PROBABILITIES)
def test_rounding_keeps_the_probability_in_its_interval(
    low: float, middle: float, high: float
) -> None:
    low, middle, high = sorted((low, middle, high))
    assert count(low) <= count(middle) <= count(high)
    assert figure(middle, low, high).interval_words == f"{count_words(low)} to {count_words(high)}"


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "fewer than 1"), (0.0049, "fewer than 1"), (0.005, "1"), (0.415, "42"),
     (0.9949, "99"), (0.996, "more than 99"), (1.0, "more than 99")],
)  # fmt: skip
def test_nobody_is_certain(probability: float, words: str) -> None:
    assert count_words(probability) == words


def test_without_an_interval_none_is_said() -> None:
    assert Figure(0.4, 0.4, None).interval_words == ""
    assert not Figure(0.4, 0.4, None).is_like_average


@pytest.mark.parametrize(
    ("low", "high", "is_like"), [(0.4, 0.5, True), (0.47, 0.5, True), (0.4, 0.46, False),
                                 (0.48, 0.5, False)],
)  # fmt: skip
def test_the_average_patient_is_told_from_this_one_outside_the_interval_only(
    low: float, high: float, is_like: bool
) -> None:
    assert figure((low + high) / 2, low, high).is_like_average is is_like
