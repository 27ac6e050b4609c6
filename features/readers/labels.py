"""Labels that lie beside a file which holds none.

Looked for in this order, in the file's folder and then in those above it, up to the data folder:

1. `Labels` in the sidecar of the same name (`.json`): a list of the parcels' labels;
2. `<name>_labels.txt` or `<name>_labels.tsv`, `<name>` being the file's without its ending;
3. for a name with `atlas-<label>` or `seg-<label>`: `atlas-<label>_dseg.tsv`,
   `atlas-<label>_labels.tsv`, the same as `.txt` and with `seg-`;
4. `nodes.tsv`, `labels.tsv`, `labels.txt`.

A `.tsv` with a header has a column `label` (or `name`), as BIDS tables of atlases and nodes do. In
a file without a header each line is a label, or a number, a tab or a space, and a label.
"""

import re
from collections.abc import Iterator, Sequence

import orjson

from features.readers.matrices import check_labels
from features.readers.source import Source, refuse
from features.readers.tables import TAB, is_number, table_lines, text_cells

_LABEL_COLUMNS = ("label", "name")
_HOW = (
    "Give the labels in the order of the columns, one a line, in a file of the same name that "
    "ends in _labels.txt"
)


def labels_beside(source: Source, n_parcels: int) -> list[str]:
    """Return the labels of a file that holds none.

    Parameters
    ----------
    source : Source
    n_parcels : int
        How many are needed.

    Returns
    -------
    list of str
        In the order of the columns.

    Raises
    ------
    DataError
        When there are none beside the file, or as many as it does not have columns.
    """
    found = next(_candidates(source), None)
    if found is None:
        refuse(source.where, f"The file names no parcels, and no labels lie beside it. {_HOW}.")
    labels = _labels_in(found)
    if len(labels) != n_parcels:
        refuse(
            found.where,
            f"It holds {len(labels)} labels, and {source.name} has {n_parcels} columns.",
        )
    check_labels(found.where, labels)
    return labels


def _candidates(source: Source) -> Iterator[Source]:
    stem = source.stem
    sidecar = source.companion(f"{stem}.json")
    if sidecar is not None and b'"Labels"' in sidecar.data:
        yield sidecar
    names = [f"{stem}_labels.txt", f"{stem}_labels.tsv"]
    if atlas := re.search(r"_(?:atlas|seg)-([A-Za-z0-9]+)", stem):
        names += (
            f"{entity}-{atlas.group(1)}_{kind}"
            for entity in ("atlas", "seg")
            for kind in ("dseg.tsv", "labels.tsv", "labels.txt")
        )
    for name in (*names, "nodes.tsv", "labels.tsv", "labels.txt"):
        if (found := source.companion(name, upwards=True)) is not None:
            yield found


def _labels_in(found: Source) -> list[str]:
    if found.name.endswith(".json"):
        return _sidecar_labels(found)
    rows = [text_cells(found.where, line, TAB) for line in table_lines(found)]
    columns = [cell.strip().lower() for cell in rows[0]]
    named = [columns.index(name) for name in _LABEL_COLUMNS if name in columns]
    if named and found.name.endswith(".tsv"):
        return [_cell(found, row, named[0], number) for number, row in enumerate(rows[1:], 2)]
    return [_without_number(row) for row in rows]


def _sidecar_labels(found: Source) -> list[str]:
    try:
        labels = orjson.loads(found.data)["Labels"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        refuse(found.where, "The sidecar is not a JSON object with 'Labels'.")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        refuse(found.where, "'Labels' must be a list of text, one label a parcel.")
    return labels


def _cell(found: Source, row: Sequence[str], column: int, number: int) -> str:
    if column >= len(row):
        refuse(found.where, f"Row {number} has no label.")
    return row[column].strip()


def _without_number(cells: Sequence[str]) -> str:
    """Return the label of a line that may begin with the parcel's number."""
    if len(cells) == 1:
        cells = cells[0].split(None, 1)
    if len(cells) > 1 and is_number(cells[0]):
        return cells[1].strip()
    return " ".join(cells).strip()
