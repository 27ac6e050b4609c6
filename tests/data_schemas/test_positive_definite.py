"""Correlations of series are never called impossible, and those of no series are."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data_schemas.connectome import Connectome, ConnectomeQuality, FloatArray
from data_schemas.positive_definite import has_eigenvalue_below

LIMIT = ConnectomeQuality().minimum_eigenvalue
SEEDS = st.integers(0, 2**32 - 1)


def correlations(rng: np.random.Generator, n: int, n_volumes: int) -> FloatArray:
    series = rng.normal(size=(n_volumes, n)) + rng.normal(size=(n_volumes, 1))
    return np.asarray(np.corrcoef(series, rowvar=False))


def upper(matrix: FloatArray) -> FloatArray:
    return np.asarray(matrix[np.triu_indices(len(matrix), k=1)])


@given(seed=SEEDS, n=st.integers(2, 40), limit=st.floats(-3, 0))
def test_it_is_the_smallest_eigenvalue_that_decides(seed: int, n: int, limit: float) -> None:
    half = np.triu(np.random.default_rng(seed).uniform(-1, 1, (n, n)), k=1)
    matrix = half + half.T + np.eye(n)
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    assume(abs(smallest - limit) > 1e-9)
    assert has_eigenvalue_below(upper(matrix), n, limit) == (smallest < limit)


@given(seed=SEEDS, n=st.integers(2, 60), n_volumes=st.integers(3, 200), gaps=st.floats(0, 1))
def test_what_series_give_passes_rounded_and_with_gaps(
    seed: int, n: int, n_volumes: int, gaps: float
) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.round(correlations(rng, n, n_volumes), 2)
    matrix[rng.random(matrix.shape) < gaps] = np.nan
    uncovered = rng.random(n) < 0.1
    matrix[uncovered] = np.nan
    assert not has_eigenvalue_below(upper(matrix), n, LIMIT)


def test_gaps_do_not_hide_what_is_impossible() -> None:
    matrix = correlations(np.random.default_rng(0), 12, 90)
    for one, other, r in ((3, 5, 0.9), (3, 8, 0.9), (5, 8, -0.9)):
        matrix[one, other] = matrix[other, one] = r
    matrix[7] = matrix[:, 7] = np.nan
    matrix[0, 1] = matrix[1, 0] = np.nan
    assert has_eigenvalue_below(upper(matrix), 12, LIMIT)


@pytest.mark.parametrize("altered", ["fisher z", "sizes", "beyond the limit"])
def test_what_is_no_pearson_correlation_is_refused_with_the_limit(altered: str) -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 60))
    matrix = np.asarray(np.corrcoef(shared + 0.8 * rng.normal(size=(200, 60)), rowvar=False))
    made = {
        "fisher z": np.clip(np.arctanh(matrix - np.eye(60)), -1, 1),
        "sizes": np.abs(matrix),
        "beyond the limit": np.full((60, 60), -0.5),
    }[altered]
    np.fill_diagonal(made, 1)
    quality, labels = ConnectomeQuality(), [f"LH_Vis_{n}" for n in range(60)]
    assert quality.refusal(Connectome.from_matrix(labels, matrix)) is None
    reason = quality.refusal(Connectome.from_matrix(labels, made))
    assert reason is not None
    assert "not positive semi-definite (an eigenvalue is below -0.2)" in reason
    lenient = ConnectomeQuality(minimum_eigenvalue=-60)
    assert lenient.refusal(Connectome.from_matrix(labels, made)) is None
