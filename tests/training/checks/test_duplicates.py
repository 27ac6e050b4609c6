"""Likeness is believed where chance does not explain it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.checks.duplicates import duplicated_patients


@given(st.integers(0, 1000))
def test_independent_patients_are_nobodys_copies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            rng.integers(0, 2, 60),
            rng.integers(0, 5, 60),
            rng.integers(18, 80, 60),
            rng.normal(size=60),
        ]
    )
    assert not duplicated_patients(X).any()


@pytest.mark.parametrize("columns_changed", [0, 1, 2])
def test_copies_are_found_up_to_one_changed_number(columns_changed: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8))
    copy = X[7].copy()
    copy[:columns_changed] += 1
    found = duplicated_patients(np.vstack([X, copy]))
    assert found.sum() == (2 if columns_changed < 2 else 0)
    if columns_changed < 2:
        assert found[7]
        assert found[200]


def test_patients_alike_in_what_many_share_are_not_copies() -> None:
    # Yes-or-no columns alone: many patients are alike, and none is a copy.
    X = np.random.default_rng(1).integers(0, 2, (500, 6)).astype(np.float64)
    assert not duplicated_patients(X).any()


def test_what_is_unknown_is_no_likeness() -> None:
    X = np.random.default_rng(2).normal(size=(100, 10))
    X[3:8] = np.nan
    assert not duplicated_patients(X).any()
    X[3:5, :2] = X[10, :2]
    assert not duplicated_patients(X).any()


def test_the_order_of_patients_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(100, 6))
    X = np.vstack([X, X[:4]])
    order = rng.permutation(len(X))
    assert (duplicated_patients(X)[order] == duplicated_patients(X[order])).all()


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (3, 0)])
def test_tiny_tables_are_no_trouble(shape: tuple[int, int]) -> None:
    assert not duplicated_patients(np.zeros(shape)).any()
