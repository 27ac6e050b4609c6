from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.learning.rows import BoolArray, SiteArray
from training.learning.splits import (
    LEAVE_ONE_SITE_OUT,
    REPEATED_NESTED_CV,
    SINGLE_PATIENT_SITES,
    UNKNOWN_SITE,
    count_sites,
    inner_splits,
    latest_split,
    outer_splits,
    pool_single_patient_sites,
)


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[BoolArray, SiteArray]:
    n = draw(st.integers(8, 60))
    y = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    y[0], y[1] = True, False
    n_sites = draw(st.integers(1, 6))
    codes = draw(st.lists(st.integers(0, n_sites - 1), min_size=n, max_size=n))
    return y, np.array([f"s{code}" for code in codes])


@given(cohorts(), st.integers(0, 5))
def test_everyone_is_held_out_once_a_repeat_and_never_learned_from_at_once(
    cohort: tuple[BoolArray, SiteArray], seed: int
) -> None:
    y, site = cohort
    _, splits = outer_splits(y, site, minimum_sites=3, folds=4, repeats=2, seed=seed)
    for repeat in {split.repeat for split in splits}:
        held_out = np.concatenate([s.test for s in splits if s.repeat == repeat])
        assert sorted(held_out) == list(range(len(y)))
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert len(split.train) + len(split.test) == len(y)


@given(cohorts(), st.integers(0, 5))
def test_sites_stay_together_where_there_are_three(
    cohort: tuple[BoolArray, SiteArray], seed: int
) -> None:
    y, site = cohort
    enough = count_sites(site) >= 3
    name, outer = outer_splits(y, site, minimum_sites=3, folds=4, repeats=2, seed=seed)
    inner = inner_splits(y, site, minimum_sites=3, folds=4, repeats=2, seed=seed)
    assert name == (LEAVE_ONE_SITE_OUT if enough else REPEATED_NESTED_CV)
    if enough:
        for split in [*outer, *inner]:
            assert not set(site[split.train]) & set(site[split.test])


@given(cohorts(), st.integers(0, 5))
def test_every_inner_fold_can_teach(cohort: tuple[BoolArray, SiteArray], seed: int) -> None:
    y, site = cohort
    for split in inner_splits(y, site, minimum_sites=3, folds=4, repeats=2, seed=seed):
        assert 0 < y[split.train].sum() < len(split.train)


def test_folds_are_stratified_where_patients_are_held_out() -> None:
    y = np.arange(100) < 30
    _, splits = outer_splits(
        y, np.array(["only"] * 100), minimum_sites=3, folds=5, repeats=3, seed=1
    )
    assert [int(y[split.test].sum()) for split in splits] == [6] * 15
    assert len({tuple(split.test) for split in splits}) == 15


def test_one_event_in_all_leaves_no_inner_fold_without_it_in_training() -> None:
    y = np.arange(12) == 0
    splits = inner_splits(y, np.array(["only"] * 12), minimum_sites=3, folds=4, repeats=1, seed=0)
    assert all(0 in split.train for split in splits)


@pytest.mark.parametrize("names", [["a", "a", "b", "b", "c"], ["a", "b", "c"], ["long name", "x"]])
def test_single_patient_sites_are_pooled(names: list[str]) -> None:
    pooled = pool_single_patient_sites(np.array(names))
    for before, after in zip(names, pooled, strict=True):
        assert after == (SINGLE_PATIENT_SITES if names.count(before) == 1 else before)


def test_patients_alone_or_of_unknown_site_do_not_make_a_site() -> None:
    site = np.array(["a"] * 10 + ["b"] * 10 + [UNKNOWN_SITE] * 3 + [SINGLE_PATIENT_SITES] * 2)
    assert count_sites(site) == 2
    y = np.arange(25) % 2 == 0
    name, _ = outer_splits(y, site, minimum_sites=3, folds=3, repeats=1, seed=0)
    assert name == REPEATED_NESTED_CV


@given(
    st.lists(st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2020, 3, 1))), max_size=60),
    st.floats(0.05, 0.95),
    st.integers(0, 5),
)
def test_the_latest_are_held_out_from_all_that_came_before(
    days: list[date | None], share: float, seed: int
) -> None:
    started = np.array(days, dtype="datetime64[D]")
    y = np.random.default_rng(seed).random(len(days)) < 0.5
    split = latest_split(y, started, share)
    if split is not None:
        known = np.count_nonzero(~np.isnat(started))
        assert started[split.train].max() < started[split.test].min()
        assert len(split.train) + len(split.test) == known
        assert len(split.test) <= share * known + 1e-9
        assert {True, False} == set(y[split.train]) == set(y[split.test])


def test_without_two_days_nobody_came_later() -> None:
    y = np.array([True, False, True, False])
    assert latest_split(y, np.array(["2020-01-01"] * 4, dtype="datetime64[D]"), 0.3) is None
    assert latest_split(y, np.array([None] * 4, dtype="datetime64[D]"), 0.3) is None
