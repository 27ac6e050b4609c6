import math
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import connectomes

from data_schemas.connectome import Connectome
from features.atlas import NETWORKS, centroids_mni_mm, parse_label, regions
from features.connectivity import (
    BETWEEN,
    CONNECTIVITY_NAMES,
    DLPFC_SGACC_PROXY,
    MAXIMUM_ABSOLUTE_R,
    MINIMUM_EDGE_SHARE,
    WITHIN,
    connectivity_summary,
)

FloatArray = npt.NDArray[np.float64]
CORTEX = tuple(centroids_mni_mm())
SUBCORTEX = ("LH-Pu", "RH_Amygdala", "Cerebellar_Region1")
PROXY_PARCELS = (*regions()["left_dlpfc"].parcels, *regions()["sgacc_proxy"].parcels)


def correlation_matrix(n_parcels: int, seed: int) -> FloatArray:
    series = np.random.default_rng(seed).normal(size=(120, n_parcels))
    matrix: FloatArray = np.corrcoef(series + series.mean(axis=1, keepdims=True), rowvar=False)
    return matrix


def whole_cortex(seed: int = 0) -> Connectome:
    labels = (*CORTEX, *SUBCORTEX)
    return Connectome.from_matrix(labels, correlation_matrix(len(labels), seed))


def with_unknown(connectome: Connectome, edges: Sequence[tuple[str, str]]) -> Connectome:
    matrix = connectome.matrix()
    for one, other in edges:
        a, b = connectome.labels.index(one), connectome.labels.index(other)
        matrix[a, b] = matrix[b, a] = np.nan
    return Connectome.from_matrix(connectome.labels, matrix)


def naive_network_means(connectome: Connectome) -> dict[str, float]:
    """Go over all pairs of parcels, one by one."""
    matrix = connectome.matrix()
    groups: dict[frozenset[str], list[float]] = {}
    for (a, one), (b, other) in combinations(enumerate(connectome.labels), 2):
        networks = parse_label(one).network, parse_label(other).network
        if networks[0] is not None and networks[1] is not None:
            bounded = float(np.clip(matrix[a, b], -MAXIMUM_ABSOLUTE_R, MAXIMUM_ABSOLUTE_R))
            groups.setdefault(frozenset((networks[0], networks[1])), []).append(
                math.atanh(bounded) if not math.isnan(bounded) else math.nan
            )
    means = {}
    for name, pair in {**WITHIN, **BETWEEN}.items():
        edges = groups.get(frozenset(pair), [])
        known = [z for z in edges if not math.isnan(z)]
        enough = known and len(known) >= MINIMUM_EDGE_SHARE * len(edges)
        means[name] = fmean(known) if enough else math.nan
    return means


def as_array(summary: dict[str, float]) -> FloatArray:
    return np.array(list(summary.values()))


def test_there_are_seven_within_and_twenty_one_between_and_the_proxy() -> None:
    assert len(WITHIN) == len(NETWORKS) == 7
    assert len(BETWEEN) == 21
    assert CONNECTIVITY_NAMES[-1] == DLPFC_SGACC_PROXY
    assert "proxy" in DLPFC_SGACC_PROXY


@given(connectomes())
def test_means_equal_a_double_loop(connectome: Connectome) -> None:
    summary = connectivity_summary(connectome)
    expected = naive_network_means(connectome)
    for name, mean in expected.items():
        assert summary[name] == pytest.approx(mean, rel=1e-9, abs=1e-12, nan_ok=True), name
    assert math.isnan(summary[DLPFC_SGACC_PROXY])


def test_the_whole_cortex_equals_a_double_loop() -> None:
    connectome = whole_cortex()
    summary = connectivity_summary(connectome)
    for name, mean in naive_network_means(connectome).items():
        assert summary[name] == pytest.approx(mean, rel=1e-12), name
    matrix = connectome.matrix()
    pairs = [
        (connectome.labels.index(one), connectome.labels.index(other))
        for one in regions()["left_dlpfc"].parcels
        for other in regions()["sgacc_proxy"].parcels
    ]
    expected = fmean(math.atanh(matrix[pair]) for pair in pairs)
    assert summary[DLPFC_SGACC_PROXY] == pytest.approx(expected, rel=1e-12)


# A plan is made for each new order of labels.
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_permuted_labels_give_the_same_numbers_to_the_last_bit(seed: int) -> None:
    connectome = whole_cortex()
    order = np.random.default_rng(seed).permutation(len(connectome.labels))
    permuted = Connectome.from_matrix(
        [connectome.labels[place] for place in order], connectome.matrix()[np.ix_(order, order)]
    )
    np.testing.assert_array_equal(
        as_array(connectivity_summary(permuted)), as_array(connectivity_summary(connectome))
    )


def test_parcels_outside_the_cortex_and_the_prefix_change_nothing() -> None:
    matrix = whole_cortex().matrix()[: len(CORTEX), : len(CORTEX)]
    prefixed = Connectome.from_matrix([f"7Networks_{label}" for label in CORTEX], matrix)
    np.testing.assert_array_equal(
        as_array(connectivity_summary(prefixed)), as_array(connectivity_summary(whole_cortex()))
    )


def test_without_a_connectome_everything_is_unknown() -> None:
    summary = connectivity_summary(None)
    assert tuple(summary) == CONNECTIVITY_NAMES
    assert all(math.isnan(value) for value in summary.values())


def test_labels_of_another_atlas_give_nothing() -> None:
    foreign = Connectome.from_matrix(("Precentral_L", "Precentral_R"), np.eye(2))
    assert all(math.isnan(value) for value in connectivity_summary(foreign).values())


@pytest.mark.parametrize("r", [1.0, -1.0])
def test_perfect_correlations_stay_finite(r: float) -> None:
    n_edges = len(CORTEX) * (len(CORTEX) - 1) // 2
    connectome = Connectome(labels=CORTEX, upper_triangle=np.full(n_edges, r))
    values = as_array(connectivity_summary(connectome))
    np.testing.assert_allclose(values, math.copysign(math.atanh(MAXIMUM_ABSOLUTE_R), r), rtol=1e-9)


@pytest.mark.parametrize(("n_unknown", "is_known"), [(1, True), (3, True), (4, False), (6, False)])
def test_a_mean_needs_half_of_its_edges(n_unknown: int, is_known: bool) -> None:
    labels = ("LH_Limbic_OFC_1", "LH_Limbic_OFC_2", "RH_Limbic_OFC_1", "RH_Limbic_OFC_2")
    complete = Connectome.from_matrix(labels, correlation_matrix(4, seed=1))
    sparse = with_unknown(complete, list(combinations(labels, 2))[:n_unknown])
    value = connectivity_summary(sparse)["fc_within_limbic"]
    known = np.arctanh(complete.upper_triangle[n_unknown:])
    assert value == pytest.approx(np.mean(known) if is_known else math.nan, nan_ok=True)


def test_unknown_edges_of_one_network_leave_the_others_alone() -> None:
    connectome = whole_cortex()
    visual = [label for label in CORTEX if parse_label(label).network == "Vis"]
    sparse = with_unknown(connectome, list(combinations(visual, 2)))
    before, after = connectivity_summary(connectome), connectivity_summary(sparse)
    assert math.isnan(after.pop("fc_within_vis"))
    assert after == {name: before[name] for name in after}


@pytest.mark.parametrize(("n_absent", "is_known"), [(0, True), (1, True), (2, False)])
def test_absent_proxy_parcels_count_as_unknown(n_absent: int, is_known: bool) -> None:
    connectome = whole_cortex()
    absent = regions()["sgacc_proxy"].parcels[:n_absent]
    keep = [place for place, label in enumerate(connectome.labels) if label not in absent]
    smaller = Connectome.from_matrix(
        [connectome.labels[place] for place in keep], connectome.matrix()[np.ix_(keep, keep)]
    )
    assert math.isnan(connectivity_summary(smaller)[DLPFC_SGACC_PROXY]) != is_known


@pytest.mark.parametrize("n_cortical", [100, 200, 500])
def test_the_proxy_is_refused_at_other_resolutions(n_cortical: int) -> None:
    others = [label for label in CORTEX if label not in PROXY_PARCELS]
    others += [f"RH_Vis_{number}" for number in range(900, 1000)] * (n_cortical > 400)
    labels = [*PROXY_PARCELS, *others][:n_cortical]
    assert len(set(labels)) == n_cortical
    summary = connectivity_summary(Connectome.from_matrix(labels, np.eye(n_cortical)))
    assert math.isnan(summary[DLPFC_SGACC_PROXY])
    assert not math.isnan(summary["fc_within_vis"])


def test_the_connectome_is_left_as_it_was() -> None:
    connectome = whole_cortex()
    before: npt.NDArray[Any] = connectome.upper_triangle.copy()
    connectivity_summary(connectome)
    np.testing.assert_array_equal(connectome.upper_triangle, before)
