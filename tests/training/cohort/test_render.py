"""No number under five of those with or without an outcome can be told from what is shown."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.cohort.records import GroupRates
from training.cohort.render import WITHHELD, rate_texts

Cells = tuple[tuple[int, int], ...]


def groups(grouping: str, cells: Cells) -> list[GroupRates]:
    """Return groups of (patients, responses); nobody's remission is known."""
    return [
        GroupRates(grouping, f"{grouping}-{number}", n, reached, None)
        for number, (n, reached) in enumerate(cells)
    ]


def together(cells: Cells) -> GroupRates:
    n, reached = (sum(column) for column in zip(*cells, strict=True))
    return GroupRates("all", "learned from", n, reached, None)


def mask(grouping: str, cells: Cells) -> tuple[bool, ...]:
    """Tell of each group whether its patients and its responses are printed."""
    names = [f"{grouping}-{number}" for number in range(len(cells))]
    whole, *texts = rate_texts([together(cells), *groups(grouping, cells)], names)
    assert WITHHELD not in whole
    return tuple(text != WITHHELD for each in texts for text in each[:2])


def seen(cells: Cells, printed: tuple[bool, ...]) -> tuple[int | None, ...]:
    """Return the numbers of the whole, and of the groups those that are printed."""
    whole, numbers = together(cells), [number for each in cells for number in each]
    chosen = zip(numbers, printed, strict=True)
    return (
        whole.patients,
        whole.responses,
        *(n if is_printed else None for n, is_printed in chosen),
    )


def told(grouping: str, cohorts: list[Cells]) -> list[Cells]:
    """Return the cohorts of which a small number follows from what is printed.

    It follows where it is the same in every cohort that agrees with the printed numbers.
    """
    by_mask: dict[tuple[bool, ...], list[Cells]] = defaultdict(list)
    for cells in cohorts:
        by_mask[mask(grouping, cells)].append(cells)
    found = []
    for printed, own in by_mask.items():
        agreeing: dict[tuple[int | None, ...], list[Cells]] = defaultdict(list)
        for cells in cohorts:
            agreeing[seen(cells, printed)].append(cells)
        certain = {key: has_certain_small_number(alike) for key, alike in agreeing.items()}
        found += [cells for cells in own if certain[seen(cells, printed)]]
    return found


def has_certain_small_number(cohorts: list[Cells]) -> bool:
    numbers = [
        [number for n, reached in cells for number in (n, reached, n - reached)]
        for cells in cohorts
    ]
    columns = zip(*numbers, strict=True)
    return any(column[0] < 5 and len(set(column)) == 1 for column in columns)


def cohorts_up_to(most: int, n_groups: int) -> Iterator[Cells]:
    """Yield every cohort of so many groups and at most so many patients."""
    for sizes in product(range(1, most), repeat=n_groups):
        if sum(sizes) <= most:
            responses = product(*(range(n + 1) for n in sizes))
            yield from (tuple(zip(sizes, reached, strict=True)) for reached in responses)


@pytest.mark.parametrize(
    ("grouping", "most", "n_groups"), [("site", 20, 2), ("arm", 16, 2), ("site", 14, 3)]
)
def test_no_small_number_can_be_told(grouping: str, most: int, n_groups: int) -> None:
    cohorts = [
        cells
        for cells in cohorts_up_to(most, n_groups)
        # A whole that is small by itself is withheld too, and there is nothing to subtract from.
        if min(together(cells).responses, sum(n - reached for n, reached in cells)) >= 5
    ]
    assert len(cohorts) > 1000
    assert told(grouping, cohorts) == []


def test_two_small_groups_are_not_enough_where_their_sum_is_small() -> None:
    # Nobody of five and nobody of six: the total of eight less the large group's eight is zero.
    cells = ((20, 8), (5, 0), (6, 0))
    _, *sites = rate_texts([together(cells), *groups("site", cells)])
    assert [responses for _, responses, _ in sites] == [WITHHELD] * 3


NUMBERS = st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(st.lists(NUMBERS, min_size=1, max_size=7), st.sampled_from(["site", "arm"]))
def test_what_is_shown_is_right_and_large(cells: list[tuple[int, int]], grouping: str) -> None:
    texts = rate_texts(groups(grouping, tuple(cells)))
    for (n, reached), (patients, responses, remissions) in zip(cells, texts, strict=True):
        assert patients in {str(n), WITHHELD}
        assert n >= 5 or patients == WITHHELD
        assert remissions == "no cutoff"
        if responses != WITHHELD:
            assert patients == str(n)
            assert min(reached, n - reached) >= 5
            assert responses == f"{reached} ({100 * reached / n:.0f} %)"


def test_arms_that_are_not_learned_from_do_not_add_up_to_the_first_row() -> None:
    active, sham = GroupRates("arm", "active", 24, 8, 8), GroupRates("arm", "sham", 12, 3, 3)
    assert rate_texts([active, sham], ["active"]) == [
        ("24", "8 (33 %)", "8 (33 %)"),
        ("12", WITHHELD, WITHHELD),
    ]
    assert rate_texts([active, sham], ["active", "sham"])[0] == ("24", WITHHELD, WITHHELD)


def test_a_site_with_the_name_of_an_arm_is_a_site() -> None:
    sites = [GroupRates("site", "active", 24, 8, 8), GroupRates("site", "north", 3, 1, 1)]
    assert rate_texts(sites, ["active"]) == [(WITHHELD,) * 3] * 2
