import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_schemas.connectome import Connectome
from data_schemas.errors import DataError
from features.atlas import centroids_mni_mm
from features.connectivity import connectivity_summary, matrix_summary
from features.correlation import Correlator
from features.series import series_summaries

FloatArray = npt.NDArray[np.float64]
LABELS = tuple(centroids_mni_mm())
LARGEST_DIFFERENCE = 1e-6
COIL_MNI_MM = (-42.0, 44.0, 30.0)


def drawn_series(n_volumes: int, n_parcels: int, seed: int) -> FloatArray:
    """Series with means and spreads of different sizes, and something shared."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_volumes, 1)) * rng.uniform(-2, 2, size=n_parcels)
    scale = 10.0 ** rng.uniform(-6, 6, size=n_parcels)
    return (rng.normal(size=(n_volumes, n_parcels)) + shared) * scale + 1e4 * scale


@settings(max_examples=25)
@given(
    n_volumes=st.integers(3, 400),
    n_parcels=st.integers(2, 60),
    seed=st.integers(0, 2**32 - 1),
    single=st.booleans(),
)
def test_correlations_are_those_of_numpy(
    n_volumes: int, n_parcels: int, seed: int, single: bool
) -> None:
    series = drawn_series(n_volumes, n_parcels, seed)
    given_series = series.astype(np.float32) if single else series
    found = Correlator().correlate(given_series)
    assert found.dtype == np.float32
    expected = np.corrcoef(given_series.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=LARGEST_DIFFERENCE)
    np.testing.assert_array_equal(found, found.T)


def test_the_memory_is_used_again_without_a_trace() -> None:
    correlator = Correlator()
    first = drawn_series(300, 20, seed=1)
    before = correlator.correlate(first).copy()
    for n_volumes, n_parcels in ((500, 20), (40, 20), (10, 7)):
        series = drawn_series(n_volumes, n_parcels, seed=n_volumes)
        series[0, 0] = np.nan
        correlator.correlate(series)
    np.testing.assert_array_equal(correlator.correlate(first), before)


@pytest.mark.parametrize("unfit", [np.nan, np.inf, "constant"])
def test_an_unknown_or_constant_parcel_is_unknown_and_leaves_the_others_alone(
    unfit: float | str,
) -> None:
    series = drawn_series(200, 12, seed=2)
    expected = Correlator().correlate(series).copy()
    if unfit == "constant":
        series[:, 4] = 0.1 + 0.2
    else:
        series[7, 4] = unfit
    given_series = series.copy()
    found = Correlator().correlate(series)
    np.testing.assert_array_equal(series, given_series)
    assert np.isnan(found[4]).all()
    assert np.isnan(found[:, 4]).all()
    others = np.delete(np.arange(12), 4)
    np.testing.assert_array_equal(found[np.ix_(others, others)], expected[np.ix_(others, others)])


@pytest.mark.parametrize("shape", [(2, 5), (0, 5), (30,), (3, 3, 3)])
def test_too_few_volumes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="at least three volumes"):
        Correlator().correlate(np.zeros(shape))


def test_features_of_series_are_those_of_their_correlations() -> None:
    subjects = [drawn_series(n_volumes, len(LABELS), n_volumes) for n_volumes in (150, 301)]
    subjects[1][:, :30] = np.nan
    for series, summary in zip(subjects, series_summaries(iter(subjects), LABELS), strict=True):
        with np.errstate(invalid="ignore"):
            matrix = np.corrcoef(series, rowvar=False)
        connectome = Connectome.from_matrix(LABELS, np.clip(matrix, -1, 1))
        expected = connectivity_summary(connectome)
        np.testing.assert_allclose(list(summary.values()), list(expected.values()), atol=1e-5)
        with_coil = matrix_summary(LABELS, Correlator().correlate(series), COIL_MNI_MM)
        expected = connectivity_summary(connectome, COIL_MNI_MM)
        np.testing.assert_allclose(list(with_coil.values()), list(expected.values()), atol=1e-5)


def test_a_subject_of_another_atlas_is_named_by_position() -> None:
    subjects = (np.ones((30, columns)) for columns in (len(LABELS), 7))
    summaries = series_summaries(subjects, LABELS)
    next(summaries)
    with pytest.raises(DataError, match="number 2 do not have 400 columns"):
        next(summaries)
