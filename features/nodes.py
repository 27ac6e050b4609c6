"""The node table of an atlas that the label grammar does not know, as a user gives it.

It says of each label which of the seven networks the parcel belongs to, on which side it lies and,
where known, its centroid. The networks of such parcels are their user's judgement: a parcel of
AAL2, say, reaches into several.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data_schemas.connectome import MAXIMUM_PARCELS, MINIMUM_PARCELS
from features.atlas import Hemisphere, Parcel, network_problem

# Beyond a head in MNI space; what lies further is in another unit or another space.
MAXIMUM_MNI_MM = 150.0

Network = Literal["Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default"]
Millimetres = Annotated[float, Field(ge=-MAXIMUM_MNI_MM, le=MAXIMUM_MNI_MM)]


class Node(BaseModel):
    """One parcel."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label: str = Field(min_length=1, description="As connectomes name it.")
    network: Network | None = Field(
        default=None, description="Of the seven; null outside them, as below the cortex."
    )
    hemisphere: Hemisphere | None = Field(default=None, description="Null for the midline.")
    centroid_mni_mm: tuple[Millimetres, Millimetres, Millimetres] | None = Field(
        default=None, description="x, y, z; null where unknown."
    )


class NodeTable(BaseModel):
    """The parcels of an atlas.

    Examples
    --------
    >>> table = NodeTable(nodes=(Node(label="Calcarine_L", network="Vis"), Node(label="Vermis_3")))
    >>> table.parcels(["Vermis_3", "Calcarine_L"])[1].network
    'Vis'
    >>> table.knows(["Calcarine_L", "Calcarine_R"])
    False
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: tuple[Node, ...] = Field(min_length=MINIMUM_PARCELS, max_length=MAXIMUM_PARCELS)

    @model_validator(mode="after")
    def _nodes_are_of_use(self) -> Self:
        if len(self._by_label) != len(self.nodes):
            raise ValueError("labels must be unique")
        if not any(node.network for node in self.nodes):
            raise ValueError("must give at least one node a network")
        return self

    @cached_property
    def _by_label(self) -> dict[str, Node]:
        return {node.label: node for node in self.nodes}

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(self._by_label))

    def __hash__(self) -> int:
        # Looked up with every connectome; equal tables have equal labels.
        return self._hash

    def knows(self, labels: Sequence[str]) -> bool:
        """Return whether each label is in the table."""
        return self._by_label.keys() >= set(labels)

    def parcels(self, labels: Sequence[str]) -> tuple[Parcel, ...]:
        """Return what the table says of labels, in their order; nothing of one not in it."""
        nodes = [self._by_label.get(label) or Node(label=label) for label in labels]
        return tuple(Parcel(node.label, node.network, node.hemisphere) for node in nodes)

    def centroids_mni_mm(self) -> dict[str, tuple[float, float, float]]:
        """Return the centroid of each node of a network, where it is known, by label.

        Nodes outside the networks stand for no point: a target lies in the cortex, and beside the
        subgenual one the head of the caudate is the nearer.
        """
        return {
            node.label: node.centroid_mni_mm
            for node in self.nodes
            if node.network is not None and node.centroid_mni_mm is not None
        }

    def labels_of(self, network: str) -> tuple[str, ...]:
        """Return the labels of one network."""
        return tuple(node.label for node in self.nodes if node.network == network)


def label_refusal(labels: Sequence[str], nodes: NodeTable | None) -> str | None:
    """Return why a connectome of these labels is refused, as a clause, or None.

    Parameters
    ----------
    labels : sequence of str
        Of the connectome.
    nodes : NodeTable or None
        Of the atlas; None for one that the label grammar knows.
    """
    if nodes is None:
        if network_problem(labels) is None:
            return None
        return (
            "its labels are not those of the Schaefer or 4S atlas with seven networks; another "
            "atlas needs a node_table under [connectome] in the cohort.toml that is trained on"
        )
    if not nodes.knows(labels):
        return "it has labels that are not in the node table of the training cohort"
    if not any(parcel.network for parcel in nodes.parcels(labels)):
        return "none of its parcels has a network in the node table of the training cohort"
    return None
