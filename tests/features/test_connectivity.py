import csv
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import connectomes

import features.atlas
from data_schemas.connectome import Connectome
from features.atlas import NETWORKS, centroids_mni_mm, parse_label, parse_labels, regions
from features.connectivity import (
    BETWEEN,
    COIL_SITE_SGACC_PROXY,
    CONNECTIVITY_NAMES,
    DLPFC_SGACC_PROXY,
    MINIMUM_WITHIN_Z,
    SEGREGATION,
    WITHIN,
    connectivity_summary,
    network_profile,
    segregation,
)
from features.edge_means import MAXIMUM_ABSOLUTE_R, MINIMUM_EDGE_SHARE

FloatArray = npt.NDArray[np.float64]
FOX_MNI_MM = regions()["left_dlpfc"].reference_mni_mm
CORTEX = tuple(centroids_mni_mm())
SUBCORTEX = ("LH-Pu", "RH_Amygdala", "Cerebellar_Region1")
PROXY_PARCELS = (*regions()["left_dlpfc"].parcels, *regions()["sgacc_proxy"].parcels)


def correlation_matrix(n_parcels: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    # What all parcels share gives every network a mean above 0.
    series = rng.normal(size=(120, n_parcels)) + 0.5 * rng.normal(size=(120, 1))
    matrix: FloatArray = np.asarray(np.corrcoef(series, rowvar=False), dtype=np.float64)
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


def test_there_are_seven_within_and_twenty_one_between_and_three_more() -> None:
    assert len(WITHIN) == len(NETWORKS) == 7
    assert len(BETWEEN) == 21
    assert CONNECTIVITY_NAMES[28:] == (SEGREGATION, DLPFC_SGACC_PROXY, COIL_SITE_SGACC_PROXY)
    assert all("proxy" in name for name in CONNECTIVITY_NAMES[29:])


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
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_permuted_labels_give_the_same_numbers_to_the_last_bit(seed: int) -> None:
    connectome = whole_cortex()
    order = np.random.default_rng(seed).permutation(len(connectome.labels))
    permuted = Connectome.from_matrix(
        [connectome.labels[place] for place in order], connectome.matrix()[np.ix_(order, order)]
    )
    np.testing.assert_array_equal(
        as_array(connectivity_summary(permuted, FOX_MNI_MM)),
        as_array(connectivity_summary(connectome, FOX_MNI_MM)),
    )
    assert network_profile(permuted) == network_profile(connectome)


def test_the_other_scheme_gives_the_same_numbers() -> None:
    connectome = whole_cortex()
    table = Path(features.atlas.__file__).parent / "atlas_tables" / "Schaefer400-17.csv"
    with table.open(encoding="utf-8", newline="") as file:
        labels = [row["region"] for row in csv.DictReader(file)]
    order = [CORTEX.index(parcel.name) for parcel in parse_labels(labels)]
    other = Connectome.from_matrix(labels, connectome.matrix()[np.ix_(order, order)])
    np.testing.assert_array_equal(
        as_array(connectivity_summary(other, FOX_MNI_MM)),
        as_array(connectivity_summary(connectome, FOX_MNI_MM)),
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
    assert all(math.isnan(value) for value in network_profile(None).values())


def test_labels_of_another_atlas_give_nothing() -> None:
    foreign = Connectome.from_matrix(("Precentral_L", "Precentral_R"), np.eye(2))
    assert all(math.isnan(value) for value in connectivity_summary(foreign).values())


@pytest.mark.parametrize("r", [1.0, -1.0])
def test_perfect_correlations_stay_finite(r: float) -> None:
    n_edges = len(CORTEX) * (len(CORTEX) - 1) // 2
    connectome = Connectome(labels=CORTEX, upper_triangle=np.full(n_edges, r))
    summary = connectivity_summary(connectome, FOX_MNI_MM)
    # All alike, so that within and between do not differ; or no networks at all.
    assert summary.pop(SEGREGATION) == pytest.approx(0 if r > 0 else math.nan, nan_ok=True)
    values = as_array(summary)
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
    before = connectivity_summary(connectome, FOX_MNI_MM)
    after = connectivity_summary(sparse, FOX_MNI_MM)
    # Segregation is of all networks together.
    del before[SEGREGATION], after[SEGREGATION]
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
    connectivity_summary(connectome, FOX_MNI_MM)
    network_profile(connectome)
    np.testing.assert_array_equal(connectome.upper_triangle, before)


FOUR = ("LH_Vis_1", "RH_Vis_1", "LH_Default_PFC_1", "RH_Default_PFC_1")


def four_parcels(within: float, between: float) -> Connectome:
    """Two parcels of each of two networks; z alike within, and alike between."""
    z = np.full((4, 4), between)
    z[:2, :2] = z[2:, 2:] = within
    r = np.tanh(z)
    np.fill_diagonal(r, 1.0)
    return Connectome.from_matrix(FOUR, r)


@pytest.mark.parametrize(
    ("within", "between", "expected"),
    [
        (0.4, 0.1, 0.75),
        (0.4, 0.4, 0.0),
        (0.5, -0.25, 1.5),  # negative edges are kept
        (0.2, 0.5, -1.5),
        (0.0, 0.1, math.nan),
        (-0.3, 0.1, math.nan),
        (0.9 * MINIMUM_WITHIN_Z, -0.5, math.nan),
    ],
)
def test_segregation_by_hand(within: float, between: float, expected: float) -> None:
    found = connectivity_summary(four_parcels(within, between))[SEGREGATION]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)
    assert found == pytest.approx(segregation(within, between), abs=1e-9, nan_ok=True)


def test_segregation_weighs_every_edge_alike() -> None:
    connectome = whole_cortex(seed=5)
    matrix = np.arctanh(connectome.matrix() - np.eye(len(connectome.labels)))
    networks = np.array([parse_label(label).network or "" for label in connectome.labels])
    upper = np.triu(np.ones_like(matrix, dtype=bool), k=1)
    cortical = upper & (networks != "")[:, None] & (networks != "")
    same = networks[:, None] == networks
    expected = segregation(matrix[cortical & same].mean(), matrix[cortical & ~same].mean())
    assert connectivity_summary(connectome)[SEGREGATION] == pytest.approx(expected, rel=1e-9)


def test_one_network_is_not_segregated_from_anything() -> None:
    alone = Connectome.from_matrix(FOUR[:2], np.array([[1.0, 0.4], [0.4, 1.0]]))
    assert math.isnan(connectivity_summary(alone)[SEGREGATION])


def test_a_coil_at_the_published_target_is_the_published_target() -> None:
    summary = connectivity_summary(whole_cortex(), FOX_MNI_MM)
    assert summary[COIL_SITE_SGACC_PROXY] == pytest.approx(summary[DLPFC_SGACC_PROXY], rel=1e-12)


@pytest.mark.parametrize("site", [None, (0.0, 0.0, 120.0), (-60.0, 70.0, 60.0)])
def test_a_coil_nowhere_near_a_parcel_gives_nothing_and_changes_nothing(
    site: tuple[float, float, float] | None,
) -> None:
    with_site = connectivity_summary(whole_cortex(), site)
    assert math.isnan(with_site[COIL_SITE_SGACC_PROXY])
    known = connectivity_summary(whole_cortex(), FOX_MNI_MM)
    del with_site[COIL_SITE_SGACC_PROXY], known[COIL_SITE_SGACC_PROXY]
    assert with_site == known


def test_a_coil_over_the_proxy_itself_is_not_compared_with_itself() -> None:
    connectome = whole_cortex()
    one, other = regions()["sgacc_proxy"].parcels
    near = ("RH_Limbic_OFC_5", "LH_Limbic_OFC_4", "RH_Limbic_OFC_1")
    matrix, place = connectome.matrix(), connectome.labels.index
    edges = [(a, b) for a in near for b in (one, other) if a != b]
    expected = fmean(math.atanh(matrix[place(a), place(b)]) for a, b in edges)
    seed = regions()["sgacc_proxy"].reference_mni_mm
    found = connectivity_summary(connectome, seed)[COIL_SITE_SGACC_PROXY]
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_profile_of_the_target_leaves_its_own_parcels_out() -> None:
    connectome = whole_cortex()
    target = regions()["left_dlpfc"].parcels
    matrix, place = connectome.matrix(), connectome.labels.index
    profile = network_profile(connectome)
    assert tuple(profile) == tuple(NETWORKS)
    for network, mean in profile.items():
        others = [
            name for name in CORTEX if parse_label(name).network == network and name not in target
        ]
        z = [math.atanh(matrix[place(a), place(b)]) for a in target for b in others]
        assert mean == pytest.approx(fmean(z), rel=1e-12), network


def test_the_profile_needs_the_atlas_of_the_regions() -> None:
    profile = network_profile(four_parcels(0.4, 0.1))
    assert all(math.isnan(value) for value in profile.values())
