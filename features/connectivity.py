"""Connectivity: few means of Fisher z over networks, and of two pairs of regions.

Single edges are never features. Their test-retest reliability is poor (meta-analytic ICC 0.29,
Noble 2019, doi:10.1016/j.neuroimage.2019.116157), there are a hundred thousand of them, and
cohorts hold a few hundred patients. Means over networks are few and reliable (Tozzi 2020,
doi:10.1162/netn_a_00148).

The features are thirty-one:

- the mean within each network (7) and between each two (21);
- the segregation of the networks, (w - b) / w, with w the mean z over all edges within networks
  and b over all between them (Chan 2014, doi:10.1073/pnas.1415122111). There negative edges were
  set to zero; here they are kept, so that b may be negative and the segregation above 1. It is
  unknown where w is below 0.01, for then there are no networks to speak of;
- left DLPFC and the subgenual *proxy*;
- the parcels nearest to the patient's planned coil site, at most three within 20 mm
  (`features.targets`), and the same proxy. Unknown past that distance, which is not itself a
  feature: it tells how well the atlas fits the point, nothing about the patient.

The left DLPFC's profile over the seven networks (`network_profile`) is for reports and studies
only. Its seven numbers lie within the means of the networks that hold the target, and a few
hundred patients do not carry seven more predictors that nearly repeat others.

Everything is missing (NaN) without a connectome, and a mean is missing where fewer than half of
its edges are known. What concerns regions is missing in any atlas but the 400-parcel one and those
whose node table gives centroids (`features.targets`). The sign of an anticorrelation depends on
global signal regression: cohorts with and without must not be mixed.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from data_schemas.connectome import Connectome
from features.atlas import NETWORKS, parse_labels
from features.edge_means import (
    EdgeGroups,
    Float32Array,
    FloatArray,
    IntArray,
    edge_groups,
    edge_sums,
    edges_between,
    edges_by_network,
)
from features.nodes import NodeTable
from features.targets import network_parcels, parcels_near, region_parcels

# Below this mean z within networks, a choice, their segregation is a division by noise.
MINIMUM_WITHIN_Z = 0.01

SEGREGATION = "fc_segregation"
DLPFC_SGACC_PROXY = "fc_left_dlpfc_sgacc_proxy"
COIL_SITE_SGACC_PROXY = "fc_coil_site_sgacc_proxy"
WITHIN = {f"fc_within_{network.lower()}": (network, network) for network in NETWORKS}
BETWEEN = {
    f"fc_between_{one.lower()}_{other.lower()}": (one, other)
    for one, other in combinations(NETWORKS, 2)
}
CONNECTIVITY_NAMES = (*WITHIN, *BETWEEN, SEGREGATION, DLPFC_SGACC_PROXY, COIL_SITE_SGACC_PROXY)


class _Plan(NamedTuple):
    """The edges of each mean for one tuple of labels, and its place in `CONNECTIVITY_NAMES`.

    Means within networks come first, then those between: the first `n_within` and the next
    `n_between` groups. `positions` holds where each parcel lies, by name; `dlpfc` and `sgacc` the
    parcels of the two regions, none where the atlas has no place for them; `in_matrix` where each
    edge of the upper triangle lies in a full matrix, for a plan on one.
    """

    positions: dict[str, int]
    nodes: NodeTable | None
    dlpfc: tuple[str, ...]
    sgacc: tuple[str, ...]
    groups: EdgeGroups
    places: IntArray
    n_within: int
    n_between: int
    in_matrix: IntArray | None = None


def connectivity_summary(
    connectome: Connectome | None,
    coil_site_mni_mm: Sequence[float] | None = None,
    nodes: NodeTable | None = None,
) -> dict[str, float]:
    """Return all connectivity features of one patient, computed together.

    Parameters
    ----------
    connectome : Connectome or None
        Pearson correlations in any order of the parcels; None when there is none.
    coil_site_mni_mm : sequence of float, length 3, or None
        Where stimulation is planned: x, y, z; None where unknown.
    nodes : NodeTable, optional
        Of an atlas that the label grammar does not know.

    Returns
    -------
    dict of str to float
        By name, in the order of `CONNECTIVITY_NAMES`: mean Fisher z over the edges within each
        network (7), between each two (21), their segregation, and mean Fisher z between the left
        DLPFC, then the coil site, and the subgenual proxy. NaN where unknown.
    """
    if connectome is None:
        return dict.fromkeys(CONNECTIVITY_NAMES, np.nan)
    return _summary(connectome.upper_triangle, _plan(connectome.labels, nodes), coil_site_mni_mm)


def matrix_summary(
    labels: tuple[str, ...],
    matrix: Float32Array,
    coil_site_mni_mm: Sequence[float] | None = None,
) -> dict[str, float]:
    """Return what `connectivity_summary` does, from a full matrix in single precision.

    Parameters
    ----------
    labels : tuple of str, length n
    matrix : ndarray of float32, shape (n, n)
        Pearson r; only one of the two triangles is read. From `features.correlation.Correlator`.
    coil_site_mni_mm : sequence of float, length 3, or None

    Returns
    -------
    dict of str to float
        Within 1e-5 of `connectivity_summary`, for correlations of time series.
    """
    return _summary(matrix.ravel(), _matrix_plan(labels), coil_site_mni_mm)


def _summary(
    correlations: FloatArray | Float32Array,
    plan: _Plan | None,
    coil_site_mni_mm: Sequence[float] | None,
) -> dict[str, float]:
    values = np.full(len(CONNECTIVITY_NAMES), np.nan)
    if plan is not None:
        sums = edge_sums(correlations, plan.groups)
        values[plan.places] = sums.means()
        within = sums.pooled_mean(slice(plan.n_within))
        between = sums.pooled_mean(slice(plan.n_within, plan.n_within + plan.n_between))
        values[CONNECTIVITY_NAMES.index(SEGREGATION)] = segregation(within, between)
        if coil_site_mni_mm is not None and plan.sgacc:
            near = [parcel.name for parcel in parcels_near(coil_site_mni_mm, nodes=plan.nodes)]
            mean = _region_mean(correlations, plan, near, plan.sgacc)
            values[CONNECTIVITY_NAMES.index(COIL_SITE_SGACC_PROXY)] = mean
    return dict(zip(CONNECTIVITY_NAMES, values.tolist(), strict=True))


def segregation(within: float, between: float) -> float:
    """Return (within - between) / within, NaN where within is unknown or below 0.01.

    Examples
    --------
    >>> segregation(0.5, 0.25)
    0.5
    """
    return (within - between) / within if within >= MINIMUM_WITHIN_Z else np.nan


def network_profile(
    connectome: Connectome | None, nodes: NodeTable | None = None
) -> dict[str, float]:
    """Return the mean Fisher z between the left DLPFC and each network, for reports.

    Parameters
    ----------
    connectome : Connectome or None
    nodes : NodeTable, optional
        Of an atlas that the label grammar does not know.

    Returns
    -------
    dict of str to float
        By network. The region's own parcels are left out of their networks. NaN where unknown.
    """
    profile = dict.fromkeys(NETWORKS, np.nan)
    plan = None if connectome is None else _plan(connectome.labels, nodes)
    if connectome is None or plan is None or not plan.dlpfc:
        return profile
    for network in NETWORKS:
        others = [name for name in network_parcels(network, nodes) if name not in plan.dlpfc]
        profile[network] = _region_mean(connectome.upper_triangle, plan, plan.dlpfc, others)
    return profile


def _region_mean(
    correlations: FloatArray | Float32Array,
    plan: _Plan,
    ones: Sequence[str],
    others: Sequence[str],
) -> float:
    """Return the mean over the edges between two lists of parcels; absent ones are unknown."""
    edges = edges_between(plan.positions, ones, others)
    if len(edges) == 0:
        return np.nan
    size = sum(one != other for one in ones for other in others)
    if plan.in_matrix is not None:
        edges = plan.in_matrix[edges]
    sums = edge_sums(correlations, edge_groups([edges], [size]))
    return float(sums.means()[0])


@lru_cache(maxsize=8)
def _plan(labels: tuple[str, ...], nodes: NodeTable | None = None) -> _Plan | None:
    """Return the plan for these labels, or None where they hold no network parcel."""
    parcels = parse_labels(labels) if nodes is None else nodes.parcels(labels)
    positions = {parcel.name: position for position, parcel in enumerate(parcels)}
    dlpfc, sgacc = (region_parcels(each, labels, nodes) for each in ("left_dlpfc", "sgacc_proxy"))
    edges = edges_by_network(parcels, list(NETWORKS), {**WITHIN, **BETWEEN})
    sizes = {name: len(indices) for name, indices in edges.items()}
    edges[DLPFC_SGACC_PROXY] = edges_between(positions, dlpfc, sgacc)
    # Absent parcels count as unknown edges.
    sizes[DLPFC_SGACC_PROXY] = len(dlpfc) * len(sgacc)
    names = [name for name in CONNECTIVITY_NAMES if len(edges.get(name, ())) > 0]
    if not names:
        return None
    return _Plan(
        positions=positions,
        nodes=nodes,
        dlpfc=dlpfc,
        sgacc=sgacc,
        groups=edge_groups([edges[name] for name in names], [sizes[name] for name in names]),
        places=np.array([CONNECTIVITY_NAMES.index(name) for name in names]),
        n_within=sum(name in WITHIN for name in names),
        n_between=sum(name in BETWEEN for name in names),
    )


@lru_cache(maxsize=8)
def _matrix_plan(labels: tuple[str, ...]) -> _Plan | None:
    """Return the plan for a full matrix, row after row."""
    plan = _plan(labels)
    if plan is None:
        return None
    n = len(labels)
    row, column = np.triu_indices(n, k=1)
    in_matrix = row * n + column
    groups = plan.groups._replace(edges=in_matrix[plan.groups.edges])
    return plan._replace(groups=groups, in_matrix=in_matrix)
