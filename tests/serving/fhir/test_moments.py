"""Days and instants: what is after what, with and without a time."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.fhir.moments import Moment, latest

DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 4))
TIMED = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001  # Hypothesis adds the time zone
    datetime(2026, 1, 4),  # noqa: DTZ001
    timezones=st.just(timezone(timedelta(hours=9))),
).map(Moment.of)
MOMENTS = st.lists(st.one_of(DAYS.map(Moment), TIMED), max_size=6)


@given(MOMENTS)
def test_the_latest_are_those_that_no_other_is_after(moments: list[Moment]) -> None:
    expected = [not any(other.is_after(each) for other in moments) for each in moments]
    assert latest(moments) == expected


@given(TIMED, TIMED)
def test_of_two_instants_one_is_after_or_they_are_the_same(one: Moment, other: Moment) -> None:
    assert one.is_after(other) + other.is_after(one) + (one.instant == other.instant) == 1


@pytest.mark.parametrize(
    "text",
    [
        "2026", "2026-03", "2026-02-30", "2026-03-01T10:00:00", "0001-01-01T00:00:00+14:00", "x",
        None, 3, "2026-03-01Tx",
    ],
)  # fmt: skip
def test_what_is_not_precise_to_the_day_or_has_no_time_zone_is_none(text: object) -> None:
    assert Moment.parse(text) is None


def test_zulu_is_utc() -> None:
    moment = Moment.parse("2026-03-01T10:00:00Z")
    assert moment == Moment(date(2026, 3, 1), datetime(2026, 3, 1, 10, tzinfo=UTC))
