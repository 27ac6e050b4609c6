"""The square table of correlations that XCP-D writes: `*_relmat.tsv`, `*_conmat.tsv` in old runs.

Tab-separated: a header of `Node` and the parcel labels, then one row a parcel, its label first,
with Pearson r and `n/a` where a parcel was not covered. Names with `atlas-` and the older `seg-`
hold the same. Layout: XCP-D, docs/outputs.rst.
"""

import numpy as np
import numpy.typing as npt

from data_schemas.connectome import MAXIMUM_PARCELS, MINIMUM_PARCELS, Connectome
from data_schemas.errors import FieldProblem
from features.readers.source import Source, refuse
from features.readers.tables import checked_numbers, decoded, plain_numbers, table_lines

FloatArray = npt.NDArray[np.float64]


def read_relmat(source: Source) -> Connectome:
    """Read a matrix of correlations with a header and a label before each row.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Connectome
        With the parcels in the order of the file, and no quality.

    Raises
    ------
    DataError
        Naming the rows and columns that are wrong, never a value: when the file is empty, not
        text, cut short, not square, not symmetric, or holds something else than correlations.
    """
    header, *rows = table_lines(source)
    labels = _labels(source.where, header)
    return Connectome.from_matrix(labels, _matrix(source.where, rows, labels))


def _labels(where: str, header: bytes) -> list[str]:
    corner, *labels = decoded(where, header).split("\t")
    if corner != "Node":
        refuse(where, "The first line must be 'Node' and the parcel labels, separated by tabs.")
    if not MINIMUM_PARCELS <= len(labels) <= MAXIMUM_PARCELS:
        refuse(where, f"Between {MINIMUM_PARCELS} and {MAXIMUM_PARCELS} parcels are expected.")
    seen: set[str] = set()
    for column, label in enumerate(labels, 2):
        if not label or label in seen:
            refuse(where, f"The label of column {column} is {'repeated' if label else 'empty'}.")
        seen.add(label)
    return labels


def _matrix(where: str, lines: list[bytes], labels: list[str]) -> FloatArray:
    """Return the numbers of all rows, shape (n, n), with NaN where n/a."""
    n = len(labels)
    if len(lines) != n:
        short = "; the file is cut short" if len(lines) < n else ""
        refuse(where, f"The matrix has {n} columns and {len(lines)} rows{short}.")
    matrix = np.empty((n, n))
    bad_cells: list[FieldProblem] = []
    for row, (line, label) in enumerate(zip(lines, labels, strict=True)):
        name, _, cells = line.partition(b"\t")
        if name != label.encode():
            refuse(where, f"Row {row + 2} should be that of {label}, in the order of the columns.")
        numbers = plain_numbers(cells)
        if numbers is None:
            numbers, bad_columns = checked_numbers(decoded(where, cells))
            bad_cells += (
                FieldProblem(_column_name(column, labels), "is not a number", row=row + 2)
                for column in bad_columns
            )
        if len(numbers) != n:
            refuse(where, f"Row {row + 2} ({label}) has {len(numbers)} cells instead of {n}.")
        matrix[row] = numbers
    if bad_cells:
        refuse(where, "Some cells are neither numbers nor n/a.", *bad_cells)
    return matrix


def _column_name(column: int, labels: list[str]) -> str:
    label = f" ({labels[column]})" if column < len(labels) else ""
    return f"column {column + 2}{label}"
