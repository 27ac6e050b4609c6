"""Connectivity: mean Fisher z within and between the seven networks, and of one region pair.

Single edges are never features. Their test-retest reliability is poor (meta-analytic ICC 0.29,
Noble 2019, doi:10.1016/j.neuroimage.2019.116157), there are a hundred thousand of them, and
cohorts hold a few hundred patients. Means over networks are few and reliable (Tozzi 2020,
doi:10.1162/netn_a_00148).

Everything is missing (NaN) without a connectome, and a mean is missing where fewer than half of
its edges are known. Connectivity with the subgenual *proxy* is missing in any atlas but the
400-parcel one. The sign of an anticorrelation depends on global signal regression: cohorts with
and without must not be mixed.
"""

from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_schemas.connectome import Connectome
from features.atlas import NETWORKS, Parcel, has_regions, parse_label, regions

IntArray = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]

# |r| = 1 would give an infinite z; this bounds z at 7.25, far beyond what scans give.
MAXIMUM_ABSOLUTE_R = 1 - 1e-6
# The threshold that XCP-D applies to the coverage of a parcel, taken over for edges; a choice.
MINIMUM_EDGE_SHARE = 0.5

DLPFC_SGACC_PROXY = "fc_left_dlpfc_sgacc_proxy"
WITHIN = {f"fc_within_{network.lower()}": (network, network) for network in NETWORKS}
BETWEEN = {
    f"fc_between_{one.lower()}_{other.lower()}": (one, other)
    for one, other in combinations(NETWORKS, 2)
}
CONNECTIVITY_NAMES = (*WITHIN, *BETWEEN, DLPFC_SGACC_PROXY)

# With |r| bounded as above, a product of 32 factors stays within 1e-202 and 1e202.
_BLOCK = 32


class _Plan(NamedTuple):
    """Where the edges of each mean lie, for one tuple of labels.

    `edges` indexes the upper triangle, mean after mean; `blocks` starts runs of at most 32 edges
    that never cross a mean; `first_edges` and `first_blocks` start the means; `sizes` counts the
    edges that each mean should have; `places` are the positions in `CONNECTIVITY_NAMES`.
    """

    edges: IntArray
    blocks: IntArray
    first_edges: IntArray
    first_blocks: IntArray
    sizes: IntArray
    places: IntArray


def connectivity_summary(connectome: Connectome | None) -> dict[str, float]:
    r"""Return all connectivity features of one connectome, computed together.

    Parameters
    ----------
    connectome : Connectome or None
        Pearson correlations in any order of the parcels; None when there is none.

    Returns
    -------
    dict of str to float
        By name, in the order of `CONNECTIVITY_NAMES`: mean Fisher z over the edges within each
        network (7), between each two (21), and between the left DLPFC and the subgenual proxy.
        NaN where unknown.

    Notes
    -----
    With :math:`z = \operatorname{artanh} r = \frac12 \log\frac{1 + r}{1 - r}`, a sum of z is half
    the logarithm of a product, so that one logarithm serves 32 edges.
    """
    means = np.full(len(CONNECTIVITY_NAMES), np.nan)
    plan = None if connectome is None else _plan(connectome.labels)
    if connectome is not None and plan is not None:
        means[plan.places] = _mean_fisher_z(connectome.upper_triangle, plan)
    return dict(zip(CONNECTIVITY_NAMES, means.tolist(), strict=True))


def _mean_fisher_z(upper_triangle: FloatArray, plan: _Plan) -> FloatArray:
    r = upper_triangle[plan.edges]
    unknown = np.isnan(r)
    np.clip(r, -MAXIMUM_ABSOLUTE_R, MAXIMUM_ABSOLUTE_R, out=r)
    r[unknown] = 0.0
    ratios = (1 + r) / (1 - r)
    logarithms = np.log(np.multiply.reduceat(ratios, plan.blocks))
    sums = 0.5 * np.add.reduceat(logarithms, plan.first_blocks)
    n_known = np.add.reduceat((~unknown).astype(np.intp), plan.first_edges)
    means = np.full(len(sums), np.nan)
    enough = n_known >= MINIMUM_EDGE_SHARE * plan.sizes
    np.divide(sums, n_known, out=means, where=enough)
    return means


@lru_cache(maxsize=8)
def _plan(labels: tuple[str, ...]) -> _Plan | None:
    """Return the plan for these labels, or None where they hold no network parcel.

    Edges are ordered by the names of their parcels, so that permuted labels give the same sums
    to the last bit.
    """
    parcels = [parse_label(label) for label in labels]
    edges = _network_edges(parcels)
    sizes = {name: len(indices) for name, indices in edges.items()}
    if has_regions(labels):
        dlpfc, sgacc = regions()["left_dlpfc"].parcels, regions()["sgacc_proxy"].parcels
        edges[DLPFC_SGACC_PROXY] = _region_edges(parcels, dlpfc, sgacc)
        # Absent parcels count as unknown edges.
        sizes[DLPFC_SGACC_PROXY] = len(dlpfc) * len(sgacc)
    names = [name for name in CONNECTIVITY_NAMES if len(edges.get(name, ())) > 0]
    if not names:
        return None
    lengths = [len(edges[name]) for name in names]
    first_edges = np.cumsum([0, *lengths[:-1]])
    blocks = [np.arange(0, length, _BLOCK) for length in lengths]
    return _Plan(
        edges=np.concatenate([edges[name] for name in names]),
        blocks=np.concatenate([b + first for b, first in zip(blocks, first_edges, strict=True)]),
        first_edges=first_edges,
        first_blocks=np.cumsum([0, *(len(block) for block in blocks[:-1])]),
        sizes=np.array([sizes[name] for name in names]),
        places=np.array([CONNECTIVITY_NAMES.index(name) for name in names]),
    )


def _network_edges(parcels: list[Parcel]) -> dict[str, IntArray]:
    """Return the indices in the upper triangle of the edges of each network mean."""
    order = list(NETWORKS)
    cortical = sorted(
        (order.index(parcel.network), parcel.name, position)
        for position, parcel in enumerate(parcels)
        if parcel.network is not None
    )
    networks = np.array([network for network, _, _ in cortical], dtype=np.intp)
    positions = np.array([position for _, _, position in cortical], dtype=np.intp)
    one, other = np.triu_indices(len(cortical), k=1)
    indices = _upper_index(positions[one], positions[other], len(parcels))
    pairs = networks[one] * len(order) + networks[other]
    return {
        name: indices[pairs == order.index(a) * len(order) + order.index(b)]
        for name, (a, b) in {**WITHIN, **BETWEEN}.items()
    }


def _region_edges(
    parcels: list[Parcel], ones: tuple[str, ...], others: tuple[str, ...]
) -> IntArray:
    positions = {parcel.name: position for position, parcel in enumerate(parcels)}
    pairs = [
        (positions[one], positions[other])
        for one in ones
        for other in others
        if one in positions and other in positions
    ]
    ends = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return _upper_index(ends[:, 0], ends[:, 1], len(parcels))


def _upper_index(one: IntArray, other: IntArray, n_parcels: int) -> IntArray:
    """Return where edge (one, other) lies in the row-major strict upper triangle."""
    row, column = np.minimum(one, other), np.maximum(one, other)
    index: IntArray = row * n_parcels - row * (row + 1) // 2 + column - row - 1
    return index
