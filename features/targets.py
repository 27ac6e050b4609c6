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
from features.atlas import REGION_RESOLUTION, centroids_mni_mm, has_regions

# Both are choices. Half of the centroids have a neighbour within 11 mm and each within 18 mm, so
# that every point of the cortex has a parcel within 20 mm; a coil on the scalp rarely does.
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
        Of a connectome, in any order. Parcels absent from it are returned all the same, since the
        next one would be another place.
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
    if not has_regions(labels):
        raise DataError(
            f"Points are placed only among the {REGION_RESOLUTION} parcels of the Schaefer atlas "
            "with seven networks (also in 4S456); this connectome is on another atlas."
        )
    near = parcels_near(tuple(point_mni_mm), within_mm=within_mm, at_most=at_most)
    if not near:
        raise DataError(
            f"No parcel of the atlas has its centroid within {within_mm:g} mm of the point; "
            "a point in the cortex in MNI mm is expected, not one on the scalp."
        )
    return near


def parcels_near(
    point_mni_mm: tuple[float, ...], *, within_mm: float = WITHIN_MM, at_most: int = AT_MOST
) -> tuple[NearParcel, ...]:
    """Return what `nearest_parcels` does in the 400-parcel atlas, none where none is in reach."""
    names, centroids = _centroids()
    distances = np.linalg.norm(centroids - np.array(point_mni_mm), axis=1)
    nearest = np.argsort(distances, kind="stable")[:at_most]
    return tuple(
        NearParcel(names[place], float(distances[place]))
        for place in nearest
        if distances[place] <= within_mm
    )


@cache
def _centroids() -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    table = centroids_mni_mm()
    return tuple(table), np.array(list(table.values()))
