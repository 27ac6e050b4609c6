"""Rows of one patient stay together in the folds; where all differ, the folds are as ever."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.learning.rows import IntArray, TrainingRows
from training.learning.splits import Split, inner_splits


def folds(
    y: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    patient: IntArray | None,
    n_sites: int,
    seed: int,
) -> list[Split]:
    owner = np.arange(len(y)) if patient is None else patient
    site = np.array([f"s{number % n_sites}" for number in owner])
    return inner_splits(y, site, minimum_sites=3, folds=4, repeats=2, seed=seed, patient=patient)


@given(st.integers(8, 60), st.integers(1, 4), st.integers(0, 50), st.floats(0.1, 0.9))
def test_no_patient_is_on_both_sides_of_a_fold(
    n: int, n_sites: int, seed: int, rate: float
) -> None:
    rng = np.random.default_rng(seed)
    patient = rng.integers(n, size=n)
    y = (rng.random(n) < rate)[patient]
    splits = folds(y, patient, n_sites, seed)
    for split in splits:
        assert not set(patient[split.train]) & set(patient[split.test])
    for repeat in {split.repeat for split in splits}:
        held_out = np.concatenate([s.test for s in splits if s.repeat == repeat])
        assert len(set(held_out.tolist())) == len(held_out)


@given(st.integers(8, 60), st.integers(1, 4), st.integers(0, 50))
def test_patients_with_one_row_each_are_parted_as_without_their_names(
    n: int, n_sites: int, seed: int
) -> None:
    y = np.random.default_rng(seed).random(n) < 0.4
    named, unnamed = folds(y, np.arange(n), n_sites, seed), folds(y, None, n_sites, seed)
    assert len(named) == len(unnamed)
    for one, other in zip(named, unnamed, strict=True):
        np.testing.assert_array_equal(one.test, other.test)
        np.testing.assert_array_equal(one.train, other.train)


def test_the_folds_hold_about_as_many_patients_of_either_outcome() -> None:
    patient = np.random.default_rng(0).integers(300, size=300)
    y = (np.arange(300) % 3 == 0)[patient]
    for split in folds(y, patient, 1, 0):
        assert abs(np.mean(y[split.test]) - np.mean(y)) < 0.1
        assert 50 <= len(split.test) <= 100


def test_rows_remember_whose_they_are() -> None:
    rows = TrainingRows(np.eye(4), np.array([True, False] * 2), np.array(["a"] * 4), (0,) * 4)
    assert rows.rows(np.array([1, 1])).patient is None
    named = TrainingRows(rows.X, rows.y, rows.site, rows.monotone, np.array([7, 8, 8, 9]))
    for part in (named.rows(np.array([3, 1])), named.columns(np.array([0])).rows(np.array([3, 1]))):
        assert part.patient is not None
        assert part.patient.tolist() == [9, 8]
