"""The node table that a cohort gives for the atlas of its connectomes."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from data_schemas.cohort import CohortSpec
from data_schemas.errors import DataError, FieldProblem
from features.nodes import NodeTable
from features.readers.nodes import LIMIT_BYTES, read_node_table
from features.readers.source import Source
from training.cohort.files import inside
from training.cohort.records import Findings

_WHERE = "connectome.node_table"


class CohortNodes(NamedTuple):
    """The table and the SHA-256 of its file; neither where the spec names none."""

    table: NodeTable | None = None
    digest: str = ""


def cohort_nodes(folder: Path, spec: CohortSpec, findings: Findings) -> CohortNodes:
    """Read the node table that a spec names.

    Parameters
    ----------
    folder : Path
        The data folder, resolved.
    findings : Findings
        Where all that is wrong with the file is reported.
    """
    name = spec.connectome.node_table if spec.connectome else None
    if name is None:
        return CohortNodes()
    try:
        source = Source.from_path(inside(folder, name), LIMIT_BYTES)
        table = read_node_table(source)
    except DataError as error:
        message = error.message.replace(f"{folder / name}: ", f"{name}: ")
        findings.error("node_table", FieldProblem(_WHERE, message))
        for problem in error.problems:
            place = f"{name}, {problem.field}"
            findings.error(
                "node_table", FieldProblem(place, problem.problem, problem.allowed, problem.row)
            )
        return CohortNodes()
    return CohortNodes(table, hashlib.sha256(source.data).hexdigest())


def refuse_other_nodes(name: str, given: NodeTable | None, trained: NodeTable | None) -> None:
    """Refuse a further cohort whose node table is not that of the model.

    Parameters
    ----------
    name : str
        Of the cohort.
    given, trained : NodeTable or None
        Its own table, and the model's, by which its scans are read.

    Raises
    ------
    DataError
        When it gives another one: the same labels would mean other networks.
    """
    if given is None or (trained is not None and set(given.nodes) == set(trained.nodes)):
        return
    raise DataError(
        f"The cohort {name} gives a node table that is not the model's, which would see its scans "
        "otherwise when it is served. Give the table of the training cohort, or none."
    )
