"""From a point in the brain to the parcels nearest to it.

A parcel stands for the point by its centroid, so that a distance is always given with it. A point
with no centroid within reach, such as one on the scalp, has no parcel: nothing is guessed.

In the 400-parcel atlas named regions are the parcels listed for them. In an atlas with a node table
they are as many nodes at most, the nearest to the same coordinate within the same reach.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_schemas.errors import DataError
from features.atlas import (
    REGION_RESOLUTION,
    TABLES,
    centroids_mni_mm,
    has_regions,
    parse_label,
    regions,
    table_resolution,
)
from features.nodes import NodeTable

# Both are choices. At 400 parcels half of the centroids have a neighbour within 11 mm and each
# within 18 mm, so that a point of the cortex has one within 20 mm; a coil on the scalp rarely has.
WITHIN_MM = 20.0
AT_MOST = 3


class NearParcel(NamedTuple):
    """A parcel near a point.

    Attributes
    ----------
    name : str
        Label without prefix.
    distance_mm : float
        From the point to the centroid of the parcel.
    """

    name: str
    distance_mm: float


def nearest_parcels(
    point_mni_mm: Sequence[float],
    labels: Sequence[str],
    *,
    nodes: NodeTable | None = None,
    within_mm: float = WITHIN_MM,
    at_most: int = AT_MOST,
) -> tuple[NearParcel, ...]:
    """Return the parcels whose centroids lie nearest to a point, nearest first.

    Parameters
    ----------
    point_mni_mm : sequence of float, length 3
        x, y, z.
    labels : sequence of str
        Of a connectome with 100, 200 or 400 cortical parcels, in any order. Parcels absent from
        it are returned all the same, since the next one would be another place.
    nodes : NodeTable, optional
        Of another atlas, whose centroids it gives; the labels do not matter then.
    within_mm : float
        Distance past which a parcel does not stand for the point.
    at_most : int

    Raises
    ------
    DataError
        When no centroid lies within reach, or the atlas has no centroids here. The point itself
        is not named.

    Examples
    --------
    >>> labels = list(centroids_mni_mm())
    >>> near = nearest_parcels((-44, 40, 29), labels, at_most=1)[0]
    >>> near.name, round(near.distance_mm, 1)
    ('LH_Cont_PFCl_5', 7.5)
    """
    resolution = REGION_RESOLUTION if nodes is not None else table_resolution(labels)
    if resolution is None or (nodes is not None and not nodes.centroids_mni_mm()):
        known = ", ".join(map(str, TABLES))
        raise DataError(
            f"Points are placed only in the Schaefer or 4S atlas with {known} cortical parcels, "
            "whose centroids are known, and in atlases with a node table that gives x, y and z; "
            "this connectome is on another atlas."
        )
    near = parcels_near(point_mni_mm, resolution, nodes=nodes, within_mm=within_mm, at_most=at_most)
    if not near:
        raise DataError(
            f"No parcel of the atlas has its centroid within {within_mm:g} mm of the point; "
            "a point in the cortex in MNI mm is expected, not one on the scalp."
        )
    return near


def parcels_near(
    point_mni_mm: Sequence[float],
    resolution: int = REGION_RESOLUTION,
    *,
    nodes: NodeTable | None = None,
    within_mm: float = WITHIN_MM,
    at_most: int = AT_MOST,
) -> tuple[NearParcel, ...]:
    """Return what `nearest_parcels` does in the atlas of a resolution, or in that of a node table.

    None where none is near.
    """
    names, centroids = _centroids(resolution) if nodes is None else _node_centroids(nodes)
    distances = np.linalg.norm(centroids - np.asarray(point_mni_mm), axis=1)
    nearest = np.argsort(distances, kind="stable")[:at_most]
    return tuple(
        NearParcel(names[place], float(distances[place]))
        for place in nearest
        if distances[place] <= within_mm
    )


def region_parcels(
    region: str, labels: Sequence[str], nodes: NodeTable | None = None
) -> tuple[str, ...]:
    """Return the names of the parcels that stand for a region, none where the atlas has no place.

    Parameters
    ----------
    region : str
        Of `features.atlas.regions`.
    labels : sequence of str
        Of a connectome; they tell the atlas where there is no node table.
    nodes : NodeTable, optional
        Of another atlas.
    """
    if nodes is None:
        return regions()[region].parcels if has_regions(labels) else ()
    listed = regions()[region]
    near = parcels_near(listed.reference_mni_mm, nodes=nodes, at_most=len(listed.parcels))
    return tuple(parcel.name for parcel in near)


@lru_cache(maxsize=16)
def network_parcels(network: str, nodes: NodeTable | None = None) -> tuple[str, ...]:
    """Return the names of all parcels of a network: of the 400-parcel atlas, or of a node table."""
    if nodes is not None:
        return nodes.labels_of(network)
    return tuple(name for name in centroids_mni_mm() if parse_label(name).network == network)


@cache
def _centroids(resolution: int) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    return _as_arrays(centroids_mni_mm(resolution))


@lru_cache(maxsize=8)
def _node_centroids(nodes: NodeTable) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    return _as_arrays(nodes.centroids_mni_mm())


def _as_arrays(
    table: dict[str, tuple[float, float, float]],
) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    return tuple(table), np.array(list(table.values())).reshape(-1, 3)
