"""The node table of a cohort: read with it, part of its fingerprint, refused in sentences."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import Study

from data_schemas.errors import ConfigurationError, DataError
from features.nodes import Node, NodeTable
from training.cohort.check import check_cohort
from training.cohort.node_tables import refuse_other_nodes
from training.cohort.read import read_cohort

NODES = "label\tnetwork\themisphere\nPrecentral_L\tSomMot\tL\nCuneus_R\tVis\tR\n"
RELMAT = "Node\tPrecentral_L\tCuneus_R\nPrecentral_L\t1\t0.2\nCuneus_R\t0.2\t1\n"


@pytest.fixture
def scanned(study: Study) -> Study:
    """One of the four has a scan of two AAL2 parcels."""
    study.spec += '\n[connectome]\nfiles = "{id}_relmat.tsv"\nnode_table = "atlas/aal2.tsv"\n'
    study.files |= {"atlas/aal2.tsv": NODES, "p1_relmat.tsv": RELMAT}
    return study


def test_the_table_is_read_with_the_cohort(scanned: Study) -> None:
    cohort = read_cohort(scanned.write())
    assert cohort.nodes is not None
    assert cohort.nodes.nodes[1] == Node(label="Cuneus_R", network="Vis", hemisphere="right")
    scanned.change("\tVis\t", "\tLimbic\t", "atlas/aal2.tsv")
    changed = read_cohort(scanned.write())
    assert changed.fingerprint != cohort.fingerprint
    assert not [issue for issue in cohort.issues if issue.severity == "error"]


def test_check_tells_of_labels_that_no_table_explains(
    scanned: Study, new_study: Callable[[], Study]
) -> None:
    def refusals(study: Study) -> list[str]:
        issues = check_cohort(study.write()).issues
        return [each.message for each in issues if each.code == "connectome_refused"]

    assert refusals(scanned) == []
    other = new_study()
    other.spec, other.files = scanned.spec, dict(scanned.files)
    other.change_spec('node_table = "atlas/aal2.tsv"\n', "")
    [message] = refusals(other)
    assert "another atlas needs a node_table under [connectome] in the cohort.toml" in message
    scanned.change("Cuneus_R", "Cuneus_L", "atlas/aal2.tsv")
    assert "labels that are not in the node table" in refusals(scanned)[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("hemisphere", "side", "atlas/aal2.tsv, hemisphere: there is no such column"),
        ("\tR\n", "\tmiddle\n", "row 3, atlas/aal2.tsv, hemisphere: is not a hemisphere"),
        ("Cuneus_R", "Precentral_L", "row 3, atlas/aal2.tsv, label: is repeated"),
        ("\tVis\t", "\tVisual\t", "row 3, atlas/aal2.tsv, network: is none of the seven"),
    ],
)
def test_what_is_wrong_is_told_by_file_row_and_column(
    scanned: Study, old: str, new: str, words: str
) -> None:
    scanned.change(old, new, "atlas/aal2.tsv")
    folder = scanned.write()
    with pytest.raises(DataError) as caught:
        read_cohort(folder)
    assert words in str(caught.value)
    assert str(folder) not in str(caught.value)


def _removed(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_outside(path: Path) -> None:
    elsewhere = path.parents[2] / "elsewhere.tsv"
    elsewhere.write_text(path.read_text("utf-8"), "utf-8")
    path.unlink()
    path.symlink_to(elsewhere)


def _binary(path: Path) -> None:
    path.write_bytes(b"\x80\x00\x02")


def _large(path: Path) -> None:
    path.write_bytes(b"a" * 1_000_001)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_removed, "There is no file 'atlas/aal2.tsv'"),
        (_folder, "'atlas/aal2.tsv' is not a file"),
        (_link_outside, "'atlas/aal2.tsv' is a link that leads out of the data folder"),
        (_binary, "atlas/aal2.tsv: The file is not text"),
        (_large, "atlas/aal2.tsv: The file is larger than 1 MB"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(
    scanned: Study, spoil: Callable[[Path], None], words: str
) -> None:
    folder = scanned.write()
    spoil(folder / "atlas" / "aal2.tsv")
    with pytest.raises(DataError) as caught:
        read_cohort(folder)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../aal2.tsv", "inside the data folder"),
        ("/etc/aal2.tsv", "inside the data folder"),
        ("aal2.xlsx", "must end in one of: .tsv, .csv"),
        ("", "inside the data folder"),
    ],
)
def test_a_path_elsewhere_is_refused(scanned: Study, name: str, words: str) -> None:
    scanned.change_spec("atlas/aal2.tsv", name)
    with pytest.raises(ConfigurationError, match=r"connectome\.node_table") as caught:
        read_cohort(scanned.write())
    assert words in str(caught.value)


def test_a_further_cohort_may_not_give_another_table() -> None:
    one = Node(label="a", network="Vis")
    table = NodeTable(nodes=(one, Node(label="b")))
    refuse_other_nodes("there", None, table)
    refuse_other_nodes("there", NodeTable(nodes=table.nodes[::-1]), table)
    other = NodeTable(nodes=(one, Node(label="b", network="Cont")))
    for trained in (None, table):
        with pytest.raises(DataError, match="The cohort there gives a node table that is not"):
            refuse_other_nodes("there", other, trained)
