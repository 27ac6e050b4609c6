"""A node table that says what the label grammar says gives the same numbers."""

import json
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from node_tables import renamed, table_like_schaefer
from pydantic import ValidationError

from data_schemas.connectome import Connectome
from data_schemas.errors import DataError
from data_schemas.patient import Patient
from features.atlas import centroids_mni_mm, parse_label, regions
from features.connectivity import (
    COIL_SITE_SGACC_PROXY,
    CONNECTIVITY_NAMES,
    DLPFC_SGACC_PROXY,
    connectivity_summary,
    network_profile,
)
from features.nodes import Node, NodeTable, label_refusal
from features.targets import nearest_parcels
from features.transformer import PatientFeatures

CORTEX = tuple(centroids_mni_mm())
FOX_MNI_MM = regions()["left_dlpfc"].reference_mni_mm
TABLE = table_like_schaefer()


def scan(labels: Sequence[str] = CORTEX, seed: int = 0) -> Connectome:
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(120, len(labels))) + 0.5 * rng.normal(size=(120, 1))
    matrix: npt.NDArray[np.float64] = np.asarray(np.corrcoef(series, rowvar=False))
    return Connectome.from_matrix(labels, matrix)


def values(summary: dict[str, float]) -> npt.NDArray[np.float64]:
    return np.array(list(summary.values()))


def test_the_same_parcels_under_other_labels_give_the_same_numbers() -> None:
    schaefer = scan()
    other = renamed(schaefer)
    assert not set(other.labels) & set(schaefer.labels)
    np.testing.assert_array_equal(
        values(connectivity_summary(other, FOX_MNI_MM, TABLE)),
        values(connectivity_summary(schaefer, FOX_MNI_MM)),
    )
    assert network_profile(other, TABLE) == network_profile(schaefer)
    patients = [Patient(connectome=each, coil_site_mni_mm=FOX_MNI_MM) for each in (other, schaefer)]
    tabled, plain = (
        PatientFeatures(nodes=nodes).transform([patient])
        for patient, nodes in zip(patients, (TABLE, None), strict=True)
    )
    np.testing.assert_array_equal(tabled, plain)


def test_without_the_table_nothing_is_known() -> None:
    assert np.isnan(values(connectivity_summary(renamed(scan()), FOX_MNI_MM))).all()


def test_without_centroids_only_the_regions_are_unknown() -> None:
    flat = NodeTable(
        nodes=tuple(n.model_copy(update={"centroid_mni_mm": None}) for n in TABLE.nodes)
    )
    other = renamed(scan())
    summary = connectivity_summary(other, FOX_MNI_MM, flat)
    unknown = {name for name in CONNECTIVITY_NAMES if math.isnan(summary[name])}
    assert unknown == {DLPFC_SGACC_PROXY, COIL_SITE_SGACC_PROXY}
    assert all(math.isnan(z) for z in network_profile(other, flat).values())
    with pytest.raises(DataError, match="node table that gives x, y and z"):
        nearest_parcels(FOX_MNI_MM, other.labels, nodes=flat)


def test_a_point_finds_the_nearest_nodes_and_none_out_of_reach() -> None:
    near = nearest_parcels(FOX_MNI_MM, (), nodes=TABLE)
    expected = nearest_parcels(FOX_MNI_MM, CORTEX)
    by_label = dict(zip(renamed(scan()).labels, CORTEX, strict=True))
    assert [(by_label[each.name], each.distance_mm) for each in near] == list(expected)
    with pytest.raises(DataError, match="within 20 mm"):
        nearest_parcels((-71, 67, 83), (), nodes=TABLE)


def test_a_node_outside_the_networks_stands_for_no_point() -> None:
    caudate = Node(label="Caudate_L", hemisphere="left", centroid_mni_mm=FOX_MNI_MM)
    wider = NodeTable(nodes=(*TABLE.nodes, caudate))
    assert nearest_parcels(FOX_MNI_MM, (), nodes=wider) == nearest_parcels(
        FOX_MNI_MM, (), nodes=TABLE
    )


def test_labels_are_refused_by_the_table_or_without_it() -> None:
    labels = [node.label for node in TABLE.nodes]
    assert label_refusal(labels[::-1], TABLE) is None
    assert label_refusal(CORTEX, None) is None
    refused = {
        "not in the node table": label_refusal(CORTEX, TABLE),
        "need not be known": label_refusal([*labels, "Vermis_3"], TABLE),
        "node_table under [connectome]": label_refusal(labels, None),
    }
    assert refused.pop("need not be known") == refused["not in the node table"]
    assert all(words in str(reason) for words, reason in refused.items())
    below = NodeTable(nodes=(*TABLE.nodes, Node(label="Vermis_3"), Node(label="Pallidum_L")))
    assert "has a network" in str(label_refusal(["Vermis_3", "Pallidum_L"], below))


def test_equal_tables_are_one_key_and_come_back_from_json() -> None:
    again = NodeTable.model_validate_json(TABLE.model_dump_json())
    assert (again, hash(again)) == (TABLE, hash(TABLE))
    assert again.parcels(["region-000"])[0].network == parse_label(min(CORTEX)).network


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([{"label": "a", "network": "Vis"}] * 2, "unique"),
        ([{"label": "a"}, {"label": "b"}], "a network"),
        ([{"label": "a", "network": "Vis"}], "at least 2"),
        ([{"label": "a", "network": "Visual"}, {"label": "b"}], "Input should be 'Vis'"),
    ],
)
def test_a_table_of_no_use_is_refused(nodes: list[dict[str, str]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NodeTable.model_validate_json(json.dumps({"nodes": nodes}))
