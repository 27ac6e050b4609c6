"""The 400-parcel atlas under labels that no grammar knows, with its node table."""

import csv
import io

from data_schemas.connectome import Connectome
from features.atlas import centroids_mni_mm, parse_label
from features.nodes import Node, NodeTable

# Numbered in the order of the names, in which edges are summed.
NEW_LABELS = {name: f"region-{place:03}" for place, name in enumerate(sorted(centroids_mni_mm()))}


def table_like_schaefer() -> NodeTable:
    """Return what the grammar says of the 400 parcels, as a node table."""
    return NodeTable(
        nodes=tuple(
            Node(
                label=NEW_LABELS[name],
                network=parse_label(name).network,
                hemisphere=parse_label(name).hemisphere,
                centroid_mni_mm=centroid,
            )
            for name, centroid in centroids_mni_mm().items()
        )
    )


def renamed(connectome: Connectome) -> Connectome:
    """Return a connectome of those parcels under the other labels."""
    labels = tuple(NEW_LABELS[label] for label in connectome.labels)
    return connectome.model_copy(update={"labels": labels})


def as_text(table: NodeTable, delimiter: str = "\t") -> str:
    """Write a node table as its user would."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["index", "label", "network", "hemisphere", "x", "y", "z"])
    for number, node in enumerate(table.nodes, 1):
        place = node.centroid_mni_mm or ("n/a",) * 3
        writer.writerow(
            [number, node.label, node.network or "n/a", node.hemisphere or "n/a", *place]
        )
    return stream.getvalue()
