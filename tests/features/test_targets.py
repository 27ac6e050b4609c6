from math import dist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.errors import DataError
from features.atlas import TABLES, centroids_mni_mm, regions
from features.targets import AT_MOST, WITHIN_MM, NearParcel, nearest_parcels

LABELS = tuple(centroids_mni_mm())
POINTS = st.tuples(st.floats(-80, 80), st.floats(-110, 80), st.floats(-60, 90))


@given(point=POINTS, within_mm=st.floats(1, 60), at_most=st.integers(1, 10))
def test_the_nearest_parcels_equal_a_search_one_by_one(
    point: tuple[float, float, float], within_mm: float, at_most: int
) -> None:
    distances = sorted(dist(centroid, point) for centroid in centroids_mni_mm().values())
    expected = [distance for distance in distances[:at_most] if distance <= within_mm]
    if not expected:
        with pytest.raises(DataError, match="within"):
            nearest_parcels(point, LABELS, within_mm=within_mm, at_most=at_most)
        return
    near = nearest_parcels(point, LABELS, within_mm=within_mm, at_most=at_most)
    assert [parcel.distance_mm for parcel in near] == pytest.approx(expected)
    for parcel in near:
        assert parcel.distance_mm == pytest.approx(dist(centroids_mni_mm()[parcel.name], point))


@pytest.mark.parametrize("resolution", TABLES)
def test_a_centroid_is_its_own_parcel(resolution: int) -> None:
    centroids = centroids_mni_mm(resolution)
    for label in list(centroids)[::23]:
        near = nearest_parcels(centroids[label], list(centroids))
        assert near[0] == NearParcel(label, 0.0)
        assert len(near) <= AT_MOST


def test_a_published_region_is_what_lies_nearest_to_its_coordinate() -> None:
    region = regions()["left_dlpfc"]
    near = nearest_parcels(region.reference_mni_mm, LABELS)
    assert {parcel.name for parcel in near} == set(region.parcels)


def test_a_point_out_of_reach_is_refused_without_naming_it() -> None:
    with pytest.raises(DataError) as raised:
        nearest_parcels((-71.0, 67.0, 83.0), LABELS)
    assert f"within {WITHIN_MM:g} mm" in str(raised.value)
    assert "scalp" in str(raised.value)
    assert not {"71", "67", "83"} & set(str(raised.value).replace(".", " ").split())


def test_other_atlases_have_no_centroids_here() -> None:
    with pytest.raises(DataError, match="100, 200, 400 cortical parcels"):
        nearest_parcels((-44, 40, 29), ("Precentral_L", "Precentral_R"))
