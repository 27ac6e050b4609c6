"""Tables of numbers as text: matrices and time series of XCP-D, HALFpipe, BEP017 and by hand.

Cells are separated by tabs, in a `.csv` by commas; a missing number is `n/a`, `NaN` or nothing.
A file with `timeseries` in its name holds one row a volume and is correlated; any other holds a
matrix of Pearson correlations. The layouts:

| first line               | rows                | written by                                |
|--------------------------|---------------------|-------------------------------------------|
| `Node` and labels        | label, then numbers | XCP-D `*_relmat.tsv`, old `*_conmat.tsv`  |
| a word and labels        | label, then numbers | pandas and others                         |
| labels                   | numbers             | XCP-D `*_timeseries.tsv`                  |
| 0, 1, ... or 1, 2, ...   | numbers             | drafts of BEP017, with a table of nodes   |
| none                     | numbers             | HALFpipe, with labels beside it           |

Names with `atlas-` and the older `seg-` hold the same. `features.readers.labels` says where the
labels of the last two are looked for. Layouts: XCP-D, docs/outputs.rst; HALFpipe,
src/halfpipe/interfaces/connectivity.py (`numpy.savetxt`, `%.10f`, tabs).
"""

from collections.abc import Sequence

from data_schemas.connectome import Connectome
from features.readers.censoring import censored
from features.readers.labels import labels_beside
from features.readers.matrices import check_labels, from_matrix, from_series
from features.readers.source import Source, refuse
from features.readers.tables import (
    FloatArray,
    is_number,
    number_rows,
    separator_of,
    square_numbers,
    table_lines,
    text_cells,
)


def is_series(name: str) -> bool:
    """Tell whether a file of this name holds a time series rather than a matrix."""
    return "timeseries" in name.lower()


def connectome_of(source: Source, labels: Sequence[str], table: FloatArray) -> Connectome:
    """Return the connectome of a table that holds a matrix, or by its name a time series."""
    if is_series(source.name):
        return from_series(source.where, labels, censored(source, table))
    return from_matrix(source.where, labels, table)


def read_delimited(source: Source) -> Connectome:
    """Read a matrix or time series written as text.

    Parameters
    ----------
    source : Source
        Uncompressed.

    Returns
    -------
    Connectome
        With the parcels in the order of the file, and no quality but the volumes of a time series.

    Raises
    ------
    DataError
        Naming the rows and columns that are wrong, never a value.
    """
    if (connectome := _plain_relmat(source)) is not None:
        return connectome
    lines = table_lines(source)
    if is_series(source.name) and not source.data.endswith((b"\n", b"\r")):
        # Only here would a number cut in two go unseen; a matrix would not be symmetric.
        refuse(source.where, "The last line does not end; the file is cut short.")
    separator = separator_of(source.name)
    header = text_cells(source.where, lines[0], separator)
    if all(is_number(cell) for cell in header):
        return _unlabelled(source, lines, header, separator)
    second = text_cells(source.where, lines[1], separator) if len(lines) > 1 else [""]
    if not is_series(source.name) and (header[0] == "Node" or not is_number(second[0])):
        return _labelled_rows(source, lines, header[1:], separator)
    if not header[0].strip():
        # The numbered rows that pandas writes.
        rows = [line.partition(separator)[2] for line in lines[1:]]
        return _below_header(source, rows, header[1:], separator, first_column=2)
    return _below_header(source, lines[1:], header, separator, first_column=1)


def _plain_relmat(source: Source) -> Connectome | None:
    """Return a matrix laid out as most are, or None where a closer look is needed."""
    separator = separator_of(source.name)
    header = source.data[: source.data.find(b"\n") + 1].rstrip(b"\r\n")
    if not header.startswith(b"Node" + separator) or is_series(source.name):
        return None
    labels = text_cells(source.where, header, separator)[1:]
    check_labels(source.where, labels, first_column=2)
    matrix = square_numbers(source.data, labels, separator)
    return None if matrix is None else from_matrix(source.where, labels, matrix)


def _labelled_rows(
    source: Source, lines: list[bytes], labels: list[str], separator: bytes
) -> Connectome:
    where = source.where
    check_labels(where, labels, first_column=2)
    n, n_rows = len(labels), len(lines) - 1
    if n_rows != n:
        short = "; the file is cut short" if n_rows < n else ""
        refuse(where, f"The matrix has {n} columns and {n_rows} rows{short}.")
    cells = []
    for row, (line, label) in enumerate(zip(lines[1:], labels, strict=True), 2):
        name, _, rest = line.partition(separator)
        if text_cells(where, name, separator) != [label]:
            refuse(where, f"Row {row} should be that of {label}, in the order of the columns.")
        cells.append(rest)
    return from_matrix(
        where,
        labels,
        number_rows(where, cells, labels, first_row=2, first_column=2, separator=separator),
    )


def _below_header(
    source: Source, rows: list[bytes], labels: list[str], separator: bytes, *, first_column: int
) -> Connectome:
    check_labels(source.where, labels, first_column)
    table = number_rows(
        source.where, rows, labels, first_row=2, first_column=first_column, separator=separator
    )
    return connectome_of(source, labels, table)


def _unlabelled(
    source: Source, lines: list[bytes], header: list[str], separator: bytes
) -> Connectome:
    first = 1 if _counts(header) else 0
    labels = labels_beside(source, len(header))
    table = number_rows(
        source.where, lines[first:], labels, first_row=1 + first, separator=separator
    )
    return connectome_of(source, labels, table)


def _counts(header: Sequence[str]) -> bool:
    """Tell whether the first line numbers the columns from 0 or 1."""
    n = len(header)
    return n > 1 and list(header) in ([str(i) for i in range(n)], [str(i + 1) for i in range(n)])
