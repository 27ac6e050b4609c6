"""From a point in the brain to the parcels nearest to it.

A parcel stands for the point by its centroid, so that a distance is always given with it. A point
with no centroid within reach, such as one on the scalp, has no parcel: nothing is guessed.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_schemas.errors import DataError
from features.atlas import REGION_RESOLUTION, TABLES, centroids_mni_mm, table_resolution

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
    resolution = table_resolution(labels)
    if resolution is None:
        known = ", ".join(map(str, TABLES))
        raise DataError(
            f"Points are placed only in the Schaefer or 4S atlas with {known} cortical parcels, "
            "whose centroids are known; this connectome is on another atlas."
        )
    near = parcels_near(point_mni_mm, resolution, within_mm=within_mm, at_most=at_most)
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
    within_mm: float = WITHIN_MM,
    at_most: int = AT_MOST,
) -> tuple[NearParcel, ...]:
    """Return what `nearest_parcels` does in the atlas of a resolution; none where none is near."""
    names, centroids = _centroids(resolution)
    distances = np.linalg.norm(centroids - np.asarray(point_mni_mm), axis=1)
    nearest = np.argsort(distances, kind="stable")[:at_most]
    return tuple(
        NearParcel(names[place], float(distances[place]))
        for place in nearest
        if distances[place] <= within_mm
    )


@cache
def _centroids(resolution: int) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    table = centroids_mni_mm(resolution)
    return tuple(table), np.array(list(table.values()))
