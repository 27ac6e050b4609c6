from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_tables import as_text, table_like_schaefer

from data_schemas.errors import DataError
from features.nodes import Node, NodeTable
from features.readers.nodes import read_node_table
from features.readers.source import Source

TABLE = """label\tnetwork\themisphere\tx\ty\tz
Calcarine_L\tVis\tL\t-7.1\t-78.7\t6.4
Vermis_3\tn/a\tn/a\tn/a\tn/a\tn/a
Frontal_Mid_2_R\tcont\tRight\t38\t33\t34
"""


def read(text: str | bytes, name: str = "nodes.tsv") -> NodeTable:
    data = text.encode() if isinstance(text, str) else text
    return read_node_table(Source(name, name, data))


def test_words_are_read_in_any_case_and_what_is_unknown_is_none() -> None:
    assert read(TABLE).nodes == (
        Node(
            label="Calcarine_L", network="Vis", hemisphere="left",
            centroid_mni_mm=(-7.1, -78.7, 6.4),
        ),
        Node(label="Vermis_3"),
        Node(
            label="Frontal_Mid_2_R", network="Cont", hemisphere="right",
            centroid_mni_mm=(38, 33, 34),
        ),
    )  # fmt: skip
    without = "\n".join(line.rsplit("\t", 3)[0] for line in TABLE.splitlines())
    assert [node.centroid_mni_mm for node in read(without).nodes] == [None] * 3


@pytest.mark.parametrize(("name", "separator"), [("a.tsv", "\t"), ("a.csv", ",")])
def test_a_table_that_is_written_comes_back(name: str, separator: str) -> None:
    table = table_like_schaefer()
    assert read(as_text(table, separator), name) == table


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("network\t", "netwrok\t", "network: there is no such column. Did you mean 'netwrok'?"),
        ("hemisphere\t", "network\t", "network: there are two such columns"),
        ("\tz\n", "\theight\n", "z: there is no such column"),
        ("\tL\t", "\tboth\t", "row 2, hemisphere: is not a hemisphere (allowed: left, right, n/a)"),
        ("\tVis\t", "\tDorsalAttn\t", "Did you mean 'DorsAttn'?"),
        ("Frontal_Mid_2_R", "Calcarine_L", "row 4, label: is repeated"),
        ("Vermis_3", " ", "row 3, label: is empty"),
        ("-7.1", "n/a", "row 2, x, y, z: are no centroid in MNI mm"),
        ("-78.7", "787", "numbers from -150 to 150, all three or none"),
        ("6.4", "north", "row 2, x, y, z: are no centroid"),
        ("6.4", "inf", "row 2, x, y, z: are no centroid"),
        ("\t6.4\n", "\n", "Row 2 has 5 cells instead of 6"),
        ("Vis\t", "n/a\t", ""),
    ],
)
def test_what_is_wrong_is_named_with_its_row(old: str, new: str, words: str) -> None:
    assert old in TABLE
    changed = TABLE.replace(old, new, 1)
    if not words:
        assert read(changed).nodes[0].network is None
        return
    with pytest.raises(DataError) as caught:
        read(changed)
    assert str(caught.value).startswith("nodes.tsv: ")
    assert words in str(caught.value)
    assert "787" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x00\x01", "not text"),
        (b"label\tnetwork\themisphere\n\xff\xfe\tVis\tL\n", "UTF-8"),
        (b"label\tnetwork\themisphere\na\tVis\tL\n", "2 to 1200 nodes"),
        (b"label\tnetwork\themisphere\na\tn/a\tL\nb\tn/a\tR\n", "in a network"),
    ],
)
def test_a_file_that_is_no_table_is_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(data)


@given(data=st.binary(max_size=200) | st.text(alphabet="labeltworkhisphr\t\n,/xyz-1", max_size=90))
def test_anything_is_a_table_or_a_sentence(data: bytes | str) -> None:
    head = b"label\tnetwork\themisphere\tx\ty\tz\n"
    content = data.encode() if isinstance(data, str) else data
    for each in (content, head + content):
        with suppress(DataError):
            assert read(each).nodes
