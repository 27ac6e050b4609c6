"""Tests of heterogeneity, by other routes, and the correction for many looks."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from training.performance import heterogeneity
from training.performance.heterogeneity import heterogeneity_p, holm


def test_two_groups_give_the_z_test_of_their_difference() -> None:
    p = heterogeneity_p(np.array([0.7, 0.6]), np.array([0.002, 0.003]))
    assert p == pytest.approx(2 * norm.sf(0.1 / np.sqrt(0.005)))


def test_equal_groups_are_alike_and_the_level_is_held() -> None:
    assert heterogeneity_p(np.full(4, 0.3), np.full(4, 0.1)) == pytest.approx(1)
    rng = np.random.default_rng(0)
    variances = rng.uniform(0.1, 2, size=(4000, 3))
    found = [heterogeneity_p(rng.normal(0, np.sqrt(v)), v) for v in variances]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.012)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_steps_reject(p: list[float]) -> None:
    # The procedure as Holm tells it: smallest first, stop at the first that is not small enough.
    rejected = set()
    for step, place in enumerate(np.argsort(p, kind="stable")):
        if p[place] * (len(p) - step) > 0.05:
            break
        rejected.add(int(place))
    assert {place for place, value in enumerate(holm(p)) if value <= 0.05} == rejected


def test_holm_of_nothing_and_the_example_in_the_documentation() -> None:
    assert holm([]) == []
    assert doctest.testmod(heterogeneity).failed == 0
    assert doctest.testmod(heterogeneity).attempted == 1
