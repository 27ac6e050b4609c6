import csv
from math import dist
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import features.atlas
from features.atlas import (
    NETWORKS,
    REGION_RESOLUTION,
    RESOLUTIONS,
    TABLES,
    Hemisphere,
    Parcel,
    centroids_mni_mm,
    has_regions,
    network_problem,
    parse_label,
    parse_labels,
    regions,
    schaefer_resolution,
    table_resolution,
)

FOLDER = Path(features.atlas.__file__).parent / "atlas_tables"

SUBCORTICAL = ("LH-Pu", "RH-SNc_PBP_VTA", "LH_Hippocampus", "RH_Amygdala", "Cerebellar_Region10")


@given(
    side=st.sampled_from(["LH", "RH"]),
    network=st.sampled_from(list(NETWORKS)),
    part=st.sampled_from(["", "PFCl_", "pCunPCC_", "FrOperIns_"]),
    number=st.integers(1, 99),
    prefix=st.sampled_from(["", "7Networks_"]),
)
def test_a_cortical_label_tells_hemisphere_and_network(
    side: str, network: str, part: str, number: int, prefix: str
) -> None:
    name = f"{side}_{network}_{part}{number}"
    expected = Parcel(name, network, "left" if side == "LH" else "right")
    assert parse_label(prefix + name) == expected


@pytest.mark.parametrize(
    ("label", "hemisphere"),
    [
        ("LH-Pu", "left"),
        ("RH_Amygdala", "right"),
        ("LH-Central_Lateral-Lateral_Posterior-Medial_Pulvinar", "left"),
        ("Cerebellar_Region1", None),
        ("Precentral_L", None),
        ("LHippocampus", None),
        ("17Networks_LH_VisCent_ExStr_1", None),
        ("LH_ContA_PFCl_1", "left"),
        ("LH_Vis", "left"),
        ("LH_Vis_1x", "left"),
        ("7Networks_7Networks_LH_Vis_1", None),
        ("", None),
    ],
)
def test_other_labels_have_no_network(label: str, hemisphere: Hemisphere | None) -> None:
    assert parse_label(label) == Parcel(label, None, hemisphere)


@given(st.text())
def test_any_text_is_parsed(label: str) -> None:
    parcel = parse_label(label)
    assert parcel.network is None or parcel.network in label


def test_the_atlas_table_has_the_published_counts_of_parcels() -> None:
    # 4S456, whose cortical part this is: PennLINC AtlasPack, atlas-4S456Parcels_dseg.tsv.
    published = {
        "left": (31, 37, 23, 22, 13, 22, 52),
        "right": (30, 40, 23, 25, 13, 30, 39),
    }
    parcels = [parse_label(label) for label in centroids_mni_mm()]
    for hemisphere, counts in published.items():
        found = [
            sum(p.network == network and p.hemisphere == hemisphere for p in parcels)
            for network in NETWORKS
        ]
        assert tuple(found) == counts


@pytest.mark.parametrize("resolution", TABLES)
def test_left_is_left(resolution: int) -> None:
    for label, (x, _, _) in centroids_mni_mm(resolution).items():
        assert (x < 0) == (parse_label(label).hemisphere == "left"), label


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("absent", [0, 1, 10])
def test_the_resolution_is_recognised_with_a_few_parcels_absent(
    resolution: int, absent: int
) -> None:
    cortex = [f"RH_Default_PFC_{number}" for number in range(1, resolution - absent + 1)]
    assert schaefer_resolution([*SUBCORTICAL, *cortex]) == resolution


@pytest.mark.parametrize("n_cortical", [0, 50, 89, 389, 401, 989, 1001])
def test_other_counts_are_no_resolution(n_cortical: int) -> None:
    labels = [f"LH_Vis_{number}" for number in range(n_cortical)]
    assert schaefer_resolution([*SUBCORTICAL, *labels]) is None


@pytest.mark.parametrize("name", list(regions()))
def test_regions_are_the_parcels_nearest_to_their_published_coordinate(name: str) -> None:
    region = regions()[name]
    distances = {
        label: dist(centroid, region.reference_mni_mm)
        for label, centroid in centroids_mni_mm().items()
    }
    nearest = sorted(distances, key=distances.__getitem__)[: len(region.parcels)]
    assert set(nearest) == set(region.parcels)
    inside = [distances[label] for label in region.parcels]
    assert f"{min(inside):.0f} to {max(inside):.0f} mm away" in region.source


def test_regions_are_known_at_400_parcels_only() -> None:
    labels = list(centroids_mni_mm())
    assert len(labels) == REGION_RESOLUTION
    assert has_regions([*SUBCORTICAL, *labels])
    assert has_regions([f"7Networks_{label}" for label in labels])
    assert has_regions(labels[3:])
    assert not has_regions(labels[:100])
    # Four hundred labels, but not those of the atlas.
    assert not has_regions([*labels[:-1], "RH_Default_PFC_999"])


def rows(file_name: str) -> list[dict[str, str]]:
    with (FOLDER / file_name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("resolution", TABLES)
@pytest.mark.parametrize("prefix", [True, False])
def test_the_other_scheme_names_the_parcel_at_the_same_place(resolution: int, prefix: bool) -> None:
    table = rows(f"Schaefer{resolution}-17.csv")
    labels = [row["region"] if prefix else row["region"].split("_", 1)[1] for row in table]
    order = np.random.default_rng(resolution).permutation(len(table))
    parcels = parse_labels([*SUBCORTICAL, *(labels[place] for place in order)])
    assert [parcel.network for parcel in parcels[: len(SUBCORTICAL)]] == [None] * len(SUBCORTICAL)
    for place, parcel in zip(order, parcels[len(SUBCORTICAL) :], strict=True):
        row = table[place]
        centroid = centroids_mni_mm(resolution)[parcel.name]
        assert centroid == (float(row["x"]), float(row["y"]), float(row["z"]))
        assert parcel == parse_label(parcel.name)
        assert parcel.network in NETWORKS
        assert (parcel.hemisphere == "left") == (row["hemisphere"] == "L")
    assert table_resolution(labels) == schaefer_resolution(labels) == resolution
    assert network_problem(labels) is None
    assert has_regions(labels) == (resolution == REGION_RESOLUTION)
    assert {parcel.name for parcel in parse_labels(labels[3:])} < set(centroids_mni_mm(resolution))


def test_the_other_scheme_is_refused_where_a_label_or_the_resolution_is_unknown() -> None:
    labels = [row["region"] for row in rows("Schaefer100-17.csv")]
    for unfit in (labels[:50], [*labels[:-1], "17Networks_RH_TempPar_99"], [*labels, "LH_Vis_1"]):
        assert not any(parcel.network for parcel in parse_labels(unfit)[:50])
    problem = network_problem(labels[:50])
    assert problem is not None
    assert "100, 200 and 400 parcels only" in problem


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("17Networks_LH_VisCent_ExStr_1", "17Networks_RH_TempPar_1"), "17-network"),
        (("LH_DefaultA_PFCm_1", "RH_ContB_Temp_1"), "17-network"),
        (("Precentral_L", "Precentral_R"), "not those of the Schaefer"),
        (SUBCORTICAL, "not those of the Schaefer"),
    ],
)
def test_labels_without_networks_are_explained(labels: tuple[str, ...], words: str) -> None:
    problem = network_problem(labels)
    assert problem is not None
    assert words in problem


def test_labels_with_networks_have_no_problem() -> None:
    assert network_problem([*SUBCORTICAL, "LH_Limbic_OFC_4"]) is None
