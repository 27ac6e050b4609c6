"""The node table of an atlas, as a user writes it: `.tsv` or `.csv` with a header.

| column       | holds                                                                        |
|--------------|------------------------------------------------------------------------------|
| `label`      | the parcel, as connectomes name it; each once                                |
| `network`    | Vis, SomMot, DorsAttn, SalVentAttn, Limbic, Cont or Default; `n/a` for none  |
| `hemisphere` | left or right, or L, R, LH, RH; `n/a` in the midline                         |
| `x y z`      | optional: the centroid in MNI mm; `n/a` where unknown                        |

Other columns, such as the `index` of BIDS tables, are left alone.
"""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from data_schemas.connectome import MAXIMUM_PARCELS, MINIMUM_PARCELS
from data_schemas.errors import FieldProblem, did_you_mean
from features.atlas import NETWORKS, Hemisphere
from features.nodes import MAXIMUM_MNI_MM, Node, NodeTable
from features.readers.source import Source, refuse
from features.readers.tables import separator_of, table_lines, text_cells

LIMIT_BYTES = 1_000_000

_REQUIRED = ("label", "network", "hemisphere")
_AXES = ("x", "y", "z")
_NONE = {"", "n/a", "na", "nan"}
_HEMISPHERES: dict[str, Hemisphere] = {
    "left": "left", "l": "left", "lh": "left", "right": "right", "r": "right", "rh": "right",
}  # fmt: skip
_NETWORKS = {name.casefold(): name for name in NETWORKS}
_NOT_MNI_MM = f"numbers from {-MAXIMUM_MNI_MM:g} to {MAXIMUM_MNI_MM:g}, all three or none"


def read_node_table(source: Source) -> NodeTable:
    """Read a node table.

    Raises
    ------
    DataError
        Naming the columns that are missing, or the rows and columns that are wrong: a label that
        is empty or repeated, an unknown network or hemisphere, coordinates that are none.
    """
    separator = separator_of(source.name)
    rows = [text_cells(source.where, line, separator) for line in table_lines(source)]
    columns = [cell.strip().lower() for cell in rows[0]]
    _check_columns(source, columns)
    problems: list[FieldProblem] = []
    found: list[dict[str, str]] = []
    seen: set[str] = set()
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(columns):
            refuse(source.where, f"Row {number} has {len(row)} cells instead of {len(columns)}.")
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=True))
        problems += (
            FieldProblem(field, problem, allowed, row=number)
            for field, problem, allowed in _problems(cells, seen)
        )
        seen.add(cells["label"])
        found.append(cells)
    if problems:
        refuse(source.where, "The node table cannot be used.", *problems)
    return _table(source, found)


def _check_columns(source: Source, columns: Sequence[str]) -> None:
    missing = [name for name in _REQUIRED if name not in columns]
    partly = [name for name in _AXES if name not in columns]
    if 0 < len(partly) < len(_AXES):
        missing += partly
    problems = [
        FieldProblem(name, f"there is no such column.{did_you_mean(name, columns)}")
        for name in missing
    ] + [
        FieldProblem(name, "there are two such columns")
        for name in (*_REQUIRED, *_AXES)
        if columns.count(name) > 1
    ]
    if problems:
        refuse(
            source.where,
            "A node table needs the columns label, network and hemisphere, and for centroids x, y "
            "and z.",
            *problems,
        )


def _problems(cells: Mapping[str, str], seen: set[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the column of each wrong cell of a row, what is wrong, and what is allowed."""
    if cells["label"] in seen or not cells["label"]:
        yield "label", "is repeated" if cells["label"] else "is empty", "each label once"
    network, hemisphere = cells["network"].casefold(), cells["hemisphere"].casefold()
    if network not in _NONE and network not in _NETWORKS:
        hint = did_you_mean(cells["network"], NETWORKS)
        yield "network", f"is none of the seven networks.{hint}", f"{', '.join(NETWORKS)}, n/a"
    if hemisphere not in _NONE and hemisphere not in _HEMISPHERES:
        yield "hemisphere", "is not a hemisphere", "left, right, n/a"
    given = [cells[axis] for axis in _AXES if axis in cells]
    known = [cell for cell in given if cell.casefold() not in _NONE]
    if known and (len(known) < len(_AXES) or not all(map(_is_coordinate, known))):
        yield "x, y, z", "are no centroid in MNI mm", _NOT_MNI_MM


def _is_coordinate(cell: str) -> bool:
    try:
        return abs(float(cell)) <= MAXIMUM_MNI_MM
    except ValueError:
        return False


def _table(source: Source, rows: Sequence[Mapping[str, str]]) -> NodeTable:
    try:
        return NodeTable(nodes=tuple(_node(row) for row in rows))
    except ValidationError:
        refuse(
            source.where,
            f"A node table needs {MINIMUM_PARCELS} to {MAXIMUM_PARCELS} nodes, one of them at "
            "least in a network.",
        )


def _node(cells: Mapping[str, str]) -> Node:
    axes = [cells.get(axis, "") for axis in _AXES]
    return Node.model_validate(
        {
            "label": cells["label"],
            "network": _NETWORKS.get(cells["network"].casefold()),
            "hemisphere": _HEMISPHERES.get(cells["hemisphere"].casefold()),
            "centroid_mni_mm": None if axes[0].casefold() in _NONE else tuple(map(float, axes)),
        }
    )
