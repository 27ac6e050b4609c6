"""Reading one file into a table of text, with the line of the file that each row came from.

Everything becomes text first, whatever the format: one way to missing codes, value maps and
numbers, and no type guessed by a library.
"""

import csv
import hashlib
import io
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.utils.exceptions import InvalidFileException

from data_schemas.cohort_tables import CohortTable, Scalar, scalar_text
from data_schemas.errors import DataError, FieldProblem, did_you_mean
from training.cohort.files import inside

# 'None' is not among them: it is a level of tms_history.
MISSING_TEXTS = frozenset({"", "n/a", "N/A", "NA", "na", "NaN", "nan", "NULL", "null", "#N/A"})

# What separates columns, as TOML writes it. Excel writes ';' where the decimal mark is a comma.
_SEPARATORS = {";": ";", "\t": "\\t", ",": ",", "|": "|"}

Rows = tuple[list[str], list[list[str]], list[int]]


@dataclass(frozen=True)
class Table:
    """One file as text.

    Attributes
    ----------
    name : str
        Its name in the spec.
    frame : DataFrame
        Cells as stripped text, never missing ('' is an empty cell).
    rows : ndarray of int, shape (n,)
        Line of the file of each row, the header being line 1.
    spec : CohortTable
    digest : str
        SHA-256 of the file.
    """

    name: str
    frame: pd.DataFrame
    rows: npt.NDArray[np.int64]
    spec: CohortTable
    digest: str

    def place(self, column: str) -> str:
        """Return the file and the column, as messages name them."""
        return f"{self.spec.file}, column '{column}'"

    def keep(self, mask: npt.NDArray[np.bool_]) -> "Table":
        """Return this table with the rows where `mask` is true."""
        frame = self.frame.loc[mask].reset_index(drop=True)
        return Table(self.name, frame, self.rows[mask], self.spec, self.digest)

    def n_ids(self) -> int:
        """Return how many participants the table names."""
        return int(self.cells(self.spec.id).nunique())

    def cells(self, column: str, missing: Iterable[Scalar] = ()) -> pd.Series:
        """Return a column with its missing codes turned into NaN.

        Parameters
        ----------
        column : str
            A column that is there.
        missing : iterable of scalars
            Codes beside those of the table and the usual ones.

        Returns
        -------
        Series of str
            As long as the table.
        """
        cells = self.frame[column]
        codes = [*self.spec.missing, *missing]
        absent = cells.isin(MISSING_TEXTS | {scalar_text(code) for code in codes})
        numbers = [float(code) for code in codes if not isinstance(code, str | bool)]
        if numbers:  # 999 also stands for 999.0
            absent |= as_numbers(cells, self.spec.decimal).isin(numbers)
        return cells.mask(absent)


def as_numbers(cells: pd.Series, decimal: str = ".") -> pd.Series:
    """Return text as float64; NaN where it is missing or no number."""
    if decimal == ",":
        cells = cells.str.replace(",", ".", regex=False)
    return pd.to_numeric(cells, errors="coerce").astype("float64")


def read_table(folder: Path, name: str, spec: CohortTable) -> Table:
    """Read one table of a spec.

    Raises
    ------
    DataError
        When the file is missing, empty, not what its name says, or not rectangular.
    """
    path = inside(folder, spec.file)
    content = path.read_bytes()
    return table_from_bytes(content, name, spec)


def table_from_bytes(content: bytes, name: str, spec: CohortTable) -> Table:
    """Read one table from the content of its file; see `read_table`.

    `name` is '' for a file that no spec describes.
    """
    if not content.strip():
        raise DataError(f"{spec.file} is empty.")
    readers: dict[str, Callable[[bytes, CohortTable], Rows]] = {
        ".parquet": _read_parquet,
        ".xlsx": _read_excel,
    }
    as_text = partial(_read_text, name=name)
    reader = readers.get(PurePosixPath(spec.file).suffix.lower(), as_text)
    header, rows, lines = reader(content, spec)
    _check_header(header, spec)
    if not rows:
        raise DataError(f"{spec.file} has a header and no rows.")
    columns = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {
            column: pd.Series(cells, dtype="str").str.strip()
            for column, cells in zip(header, columns, strict=True)
        }
    )
    digest = hashlib.sha256(content).hexdigest()
    return Table(name, frame, np.array(lines, dtype=np.int64), spec, digest)


def _check_header(header: list[str], spec: CohortTable) -> None:
    counts = Counter(header)
    repeated = [str(number) for number, name in enumerate(header, 1) if counts[name] > 1]
    if repeated:
        # By number: in a file without a header these are a patient's values.
        numbers = ", ".join(repeated)
        raise DataError(f"{spec.file} has columns of the same name: columns {numbers}.")


def _read_text(content: bytes, spec: CohortTable, name: str) -> Rows:
    text = _decoded(content, spec)
    separator = spec.separator or ("," if spec.file.lower().endswith(".csv") else "\t")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for cells in reader:
            if any(cells):
                rows.append(cells)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error:
        raise DataError(
            f"{spec.file} is not a table of text: line {line} cannot be read."
        ) from None
    if not rows:
        raise DataError(f"{spec.file} is empty.")
    header = [cell.strip() for cell in rows[0]]
    _check_separator(header, separator, name, spec)
    _check_widths(rows, lines, spec)
    return header, rows[1:], lines[1:]


def _check_separator(header: list[str], separator: str, name: str, spec: CohortTable) -> None:
    """Refuse a file whose only column holds what separates the columns of other files."""
    if len(header) > 1 or header[0] == spec.id:
        return
    found = next((mark for mark in _SEPARATORS if mark in header[0]), None)
    if found is None:
        return
    remedy = (
        f'separator = "{_SEPARATORS[found]}" in [tables.{name}] reads it.'
        if name
        else f"Save it with {_said(separator)} between the columns."
    )
    raise DataError(
        f"{spec.file} looks separated by {_said(found)}, not by {_said(separator)}: its first line "
        f"is a single column. {remedy}"
    )


def _said(separator: str) -> str:
    return "tabs" if separator == "\t" else f"'{separator}'"


def _decoded(content: bytes, spec: CohortTable) -> str:
    encoding = "utf-8-sig" if spec.encoding.lower() in {"utf-8", "utf8"} else spec.encoding
    if b"\0" in content and not encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        raise DataError(f"{spec.file} is not a text file.")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{spec.file} is not text in {spec.encoding}: line {line} holds other bytes. "
            'If it was saved in another encoding, name it, such as encoding = "cp1252".'
        ) from None


def _check_widths(rows: list[list[str]], lines: list[int], spec: CohortTable) -> None:
    width = len(rows[0])
    problems = [
        FieldProblem(spec.file, f"has {len(cells)} cells where the header has {width}", row=line)
        for cells, line in zip(rows, lines, strict=True)
        if len(cells) != width
    ]
    if problems:
        raise DataError(
            f"{spec.file} is not a table: its rows differ in length. Is the separator right?",
            problems,
        )


def _read_excel(content: bytes, spec: CohortTable) -> Rows:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, not about cells
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError):
        raise DataError(f"{spec.file} is not an Excel workbook (.xlsx).") from None
    if spec.sheet is not None and spec.sheet not in book.sheetnames:
        hint = did_you_mean(spec.sheet, book.sheetnames)
        sheets = ", ".join(book.sheetnames)
        raise DataError(f"{spec.file} has no sheet '{spec.sheet}'.{hint} Its sheets: {sheets}.")
    sheet = book[spec.sheet or book.sheetnames[0]]
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, values in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [_cell_text(value) for value in values]
        if any(cells):
            rows.append(cells)
            lines.append(line)
    if not rows:
        raise DataError(f"{spec.file} is empty.")
    width = max((number for number, cell in enumerate(rows[0], 1) if cell), default=0)
    if any(any(cells[width:]) for cells in rows):
        raise DataError(f"{spec.file} has cells to the right of its header.")
    return [cell.strip() for cell in rows[0][:width]], _padded(rows[1:], width), lines[1:]


def _padded(rows: list[list[str]], width: int) -> list[list[str]]:
    return [(cells + [""] * width)[:width] for cells in rows]


def _read_parquet(content: bytes, spec: CohortTable) -> Rows:
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        raise DataError(f"{spec.file} is not a Parquet file.") from None
    columns = [[_cell_text(value) for value in column.to_pylist()] for column in table.columns]
    # A Parquet file has no lines; its rows are counted from 1.
    rows = [list(cells) for cells in zip(*columns, strict=True)]
    return list(table.column_names), rows, list(range(1, len(rows) + 1))


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int | float | str):
        return scalar_text(value)
    return str(value)
