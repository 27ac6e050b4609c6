"""Mean Fisher z over groups of edges of a connectome, fast and in a fixed order.

Edges are ordered by the names of their parcels, so that permuted labels give the same sums to the
last bit. With z = artanh r = log((1 + r) / (1 - r)) / 2, a sum of z is half the logarithm of a
product, so that one logarithm serves 32 edges.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.atlas import Parcel

IntArray = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]

# |r| = 1 would give an infinite z; this bounds z at 7.25, far beyond what scans give.
MAXIMUM_ABSOLUTE_R = 1 - 1e-6
# The threshold that XCP-D applies to the coverage of a parcel, taken over for edges; a choice.
MINIMUM_EDGE_SHARE = 0.5

# With |r| bounded as above, a product of 32 factors stays within 1e-202 and 1e202.
_BLOCK = 32


class EdgeGroups(NamedTuple):
    """Where the edges of each group lie.

    `edges` indexes the upper triangle, group after group; `blocks` starts runs of at most 32
    edges that never cross a group; `first_edges` and `first_blocks` start the groups; `sizes`
    counts the edges that each group should have.
    """

    edges: IntArray
    blocks: IntArray
    first_edges: IntArray
    first_blocks: IntArray
    sizes: IntArray


class EdgeSums(NamedTuple):
    """Sum of Fisher z over the known edges of each group, how many they are and should be."""

    sums: FloatArray
    n_known: IntArray
    sizes: IntArray

    def means(self) -> FloatArray:
        """Return the mean of each group; NaN where fewer than half of its edges are known."""
        means = np.full(len(self.sums), np.nan)
        enough = self.n_known >= MINIMUM_EDGE_SHARE * self.sizes
        np.divide(self.sums, self.n_known, out=means, where=enough)
        return means

    def pooled_mean(self, groups: slice) -> float:
        """Return the mean over the edges of several groups together, by the same rule."""
        n_known, size = int(self.n_known[groups].sum()), int(self.sizes[groups].sum())
        if n_known == 0 or n_known < MINIMUM_EDGE_SHARE * size:
            return np.nan
        return float(self.sums[groups].sum() / n_known)


def edge_groups(groups: Sequence[IntArray], sizes: Sequence[int] | None = None) -> EdgeGroups:
    """Return the plan for groups of edges.

    Parameters
    ----------
    groups : sequence of ndarray of int
        Indices in the upper triangle, none of them empty.
    sizes : sequence of int, optional
        How many edges each group should have; as many as given where None.
    """
    lengths = [len(group) for group in groups]
    first_edges = np.cumsum([0, *lengths[:-1]])
    blocks = [np.arange(0, length, _BLOCK) for length in lengths]
    return EdgeGroups(
        edges=np.concatenate(groups),
        blocks=np.concatenate([b + first for b, first in zip(blocks, first_edges, strict=True)]),
        first_edges=first_edges,
        first_blocks=np.cumsum([0, *(len(block) for block in blocks[:-1])]),
        sizes=np.array(lengths if sizes is None else sizes),
    )


def edge_sums(correlations: FloatArray | Float32Array, groups: EdgeGroups) -> EdgeSums:
    """Return the sums of Fisher z of each group.

    Parameters
    ----------
    correlations : ndarray of float64 or float32
        Pearson r in one dimension, NaN where unknown; left as they are. In single precision z
        is, too.
    groups : EdgeGroups
    """
    r = correlations[groups.edges]
    unknown = np.isnan(r)
    np.clip(r, -MAXIMUM_ABSOLUTE_R, MAXIMUM_ABSOLUTE_R, out=r)
    if some_unknown := bool(unknown.any()):
        r[unknown] = 0.0
    if r.dtype == np.float32:
        # One instruction takes eight of them, so that no logarithm needs to be saved.
        np.arctanh(r, out=r)
        sums = np.add.reduceat(r, groups.first_edges, dtype=np.float64)
    else:
        ratios = (1 + r) / (1 - r)
        logarithms = np.log(np.multiply.reduceat(ratios, groups.blocks))
        sums = 0.5 * np.add.reduceat(logarithms, groups.first_blocks)
    n_known: IntArray = np.diff(groups.first_edges, append=len(groups.edges))
    if some_unknown:
        n_known -= np.add.reduceat(unknown, groups.first_edges, dtype=np.intp)
    return EdgeSums(sums, n_known, groups.sizes)


def edges_between(
    positions: Mapping[str, int], ones: Sequence[str], others: Sequence[str]
) -> IntArray:
    """Return the edges between two lists of parcels; absent parcels have none.

    Parameters
    ----------
    positions : mapping of str to int
        Where each parcel of the connectome lies, by name.
    ones, others : sequence of str
        Names.
    """
    pairs = [
        (positions[one], positions[other])
        for one in ones
        for other in others
        if one in positions and other in positions and one != other
    ]
    ends = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return upper_index(ends[:, 0], ends[:, 1], len(positions))


def edges_by_network(
    parcels: Sequence[Parcel],
    order: Sequence[str],
    pairs_by_name: Mapping[str, tuple[str, str]],
) -> dict[str, IntArray]:
    """Return the edges of each pair of networks, a network with itself included."""
    cortical = sorted(
        (order.index(parcel.network), parcel.name, position)
        for position, parcel in enumerate(parcels)
        if parcel.network is not None
    )
    networks = np.array([network for network, _, _ in cortical], dtype=np.intp)
    positions = np.array([position for _, _, position in cortical], dtype=np.intp)
    one, other = np.triu_indices(len(cortical), k=1)
    indices = upper_index(positions[one], positions[other], len(parcels))
    pairs = networks[one] * len(order) + networks[other]
    return {
        name: indices[pairs == order.index(a) * len(order) + order.index(b)]
        for name, (a, b) in pairs_by_name.items()
    }


def upper_index(one: IntArray, other: IntArray, n_parcels: int) -> IntArray:
    """Return where edge (one, other) lies in the row-major strict upper triangle."""
    row, column = np.minimum(one, other), np.maximum(one, other)
    index: IntArray = row * n_parcels - row * (row + 1) // 2 + column - row - 1
    return index
