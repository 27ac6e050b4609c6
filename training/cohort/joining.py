"""Which row of which table belongs to which participant, visit by visit."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_schemas.cohort import CohortSpec
from data_schemas.cohort_tables import RowFilter, Scalar, Source, scalar_text
from data_schemas.errors import FieldProblem, did_you_mean
from training.cohort.records import Findings
from training.cohort.tables import Table, as_numbers

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

ABSENT = -1

_DECIMAL_COMMA = r"[+-]?[0-9]*,[0-9]+"

# A visit label that many rows share is a name; a rarer text may be a patient's own value.
_SHARED_BY = 5


@dataclass(frozen=True)
class Column:
    """One column, lined up with the participants.

    Attributes
    ----------
    cells : Series of str
        One cell a participant, NaN where missing; index 0, 1, 2, ...
    rows : ndarray of int
        Line of the file of each cell; meaningless where the cell is missing.
    place : str
        File and column, for messages.
    decimal : str
        Decimal mark of its numbers.
    table : str
        Name of the table in the spec; '' where no spec describes the file.
    """

    cells: pd.Series
    rows: npt.NDArray[np.int64]
    place: str
    decimal: str = "."
    table: str = ""

    def numbers(self) -> npt.NDArray[np.float64]:
        """Return the cells as float64, NaN where missing or no number."""
        return as_numbers(self.cells, self.decimal).to_numpy(dtype=np.float64)

    def texts(self) -> list[str | None]:
        """Return the cells, None where missing."""
        return self.cells.astype("object").where(self.cells.notna(), None).tolist()

    def known(self) -> Mask:
        """Tell where a cell is not missing."""
        return self.cells.notna().to_numpy(dtype=np.bool_)


@dataclass
class Study:
    """The tables of a study, joined on the participants of the first one.

    Attributes
    ----------
    spec : CohortSpec
    tables : dict of Table
        After their row filters.
    ids : Index of str
        The participants in the order of the first table.
    findings : Findings
        Where duplicates, unknown visits and stray ids are reported.
    listed : int
        Participants of the first table before its row filters.
    """

    spec: CohortSpec
    tables: dict[str, Table]
    findings: Findings
    ids: pd.Index = field(init=False)
    listed: int = field(init=False)
    _positions: dict[tuple[str, str | None], Positions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Line up the participants and report ids that belong to nobody."""
        self.listed = next(iter(self.tables.values())).n_ids()
        for name, table in self.tables.items():
            self.tables[name] = self._first_course(self._with_ids(self._chosen_rows(table)))
        first, *others = self.tables.values()
        self.ids = pd.Index(first.frame[first.spec.id].drop_duplicates(), dtype="str")
        for table in others:
            self._report_strays(table)

    def _chosen_rows(self, table: Table) -> Table:
        for condition in table.spec.rows:
            cells = table.cells(condition.column)
            place = table.place(condition.column)
            column = Column(cells, table.rows, place, table.spec.decimal, table.name)
            table = table.keep(satisfies(column, condition, self.findings))
        return table

    def _with_ids(self, table: Table) -> Table:
        cells = table.cells(table.spec.id)
        nameless = cells.isna().to_numpy(dtype=np.bool_)
        rows = table.rows[nameless]
        self.findings.bad_cells(table.place(table.spec.id), rows, "has no id", code="no_id")
        return table.keep(~nameless)

    def _first_course(self, table: Table) -> Table:
        """Keep each participant's rows with the lowest number or earliest date."""
        column = table.spec.first
        if column is None:
            return table
        cells = table.cells(column)
        order = as_numbers(cells, table.spec.decimal)
        if order.isna().any():
            order = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
        self.findings.bad_cells(
            table.place(column),
            table.rows[order.isna().to_numpy(dtype=np.bool_)],
            "is neither a number nor an ISO date, so the first cannot be told",
        )
        lowest = order.groupby(table.frame[table.spec.id].to_numpy()).transform("min")
        return table.keep((order == lowest).to_numpy(dtype=np.bool_))

    def _report_strays(self, table: Table) -> None:
        first = next(iter(self.tables.values())).spec.file
        ids = table.frame[table.spec.id].unique()
        strays = int((self.ids.get_indexer(pd.Index(ids)) < 0).sum())
        if strays == len(ids):
            problem = (
                f"shares no id with {first}. The ids must be written alike, prefixes such as "
                "'sub-' included"
            )
            place = table.place(table.spec.id)
            self.findings.error("no_shared_id", FieldProblem(place, problem))
        elif strays:
            message = f"{strays} ids are not in {first} and are not used."
            self.findings.remark("warning", "stray_ids", table.spec.file, message)

    def restrict(self, chosen: Mask) -> None:
        """Go on with the chosen participants only; the cells of the others are not looked at."""
        self.ids = self.ids[chosen]
        self._positions.clear()

    def column(
        self, reference: str, visit: str | None = None, missing: Iterable[Scalar] = ()
    ) -> Column:
        """Return a column at a visit, one cell a participant.

        Where neither the source nor its table names a visit of a table with many, the cells of
        a participant must agree, and missing ones are filled from the others.
        """
        name, column = self.spec.place(reference)
        table = self.tables[name]
        visit = visit if visit is not None else table.spec.baseline
        cells = table.cells(column, missing)
        if table.spec.visit is not None and visit is None:
            positions = self._agreeing(table, column, cells)
        else:
            positions = self._at_visit(table, visit)
        # Position -1 takes the last entry of each, and the mask takes it out again.
        aligned = cells.iloc[positions].reset_index(drop=True).mask(positions == ABSENT)
        place, decimal = table.place(column), table.spec.decimal
        return Column(aligned, table.rows[positions], place, decimal, table.name)

    def columns(self, source: Source) -> list[Column]:
        """Return every column of a source."""
        return [
            self.column(reference, source.visit, source.missing)
            for reference in source.references()
        ]

    def _at_visit(self, table: Table, visit: str | None) -> Positions:
        key = (table.name, visit)
        if key not in self._positions:
            chosen = np.ones(len(table.rows), dtype=np.bool_)
            if visit is not None and table.spec.visit is not None:
                visits = table.cells(table.spec.visit)
                chosen = (visits == scalar_text(visit)).fillna(value=False).to_numpy(dtype=np.bool_)
                if not chosen.any():
                    self._report_unknown_visit(table, visit, visits)
            self._positions[key] = self._unique(table, chosen, visit)
        return self._positions[key]

    def _unique(self, table: Table, chosen: Mask, visit: str | None) -> Positions:
        where = np.flatnonzero(chosen)
        ids = table.frame[table.spec.id].iloc[where]
        repeated = ids.duplicated().to_numpy(dtype=np.bool_)
        at = f" at the visit '{visit}'" if visit is not None and table.spec.visit else ""
        self.findings.bad_cells(
            table.place(table.spec.id),
            table.rows[where[repeated]],
            f"repeats the id of an earlier row{at}; each participant may have one",
            code="duplicate_id",
        )
        return self._placed(ids[~repeated], where[~repeated])

    def _agreeing(self, table: Table, column: str, cells: pd.Series) -> Positions:
        known = cells.notna().to_numpy(dtype=np.bool_)
        ours = table.frame[table.spec.id].isin(self.ids).to_numpy(dtype=np.bool_)
        where = np.flatnonzero(known & ours)
        ids = table.frame[table.spec.id].iloc[where]
        first = cells.iloc[where].groupby(ids.to_numpy()).transform("first")
        differs = (first != cells.iloc[where]).to_numpy(dtype=np.bool_)
        self.findings.bad_cells(
            table.place(column),
            table.rows[where[differs]],
            "differs between the rows of one participant; name the visit to read it at",
            code="ambiguous_visit",
        )
        repeated = ids.duplicated().to_numpy(dtype=np.bool_)
        return self._placed(ids[~repeated], where[~repeated])

    def _placed(self, ids: pd.Series, where: Positions) -> Positions:
        participants = self.ids.get_indexer(pd.Index(ids))
        positions = np.full(len(self.ids), ABSENT, dtype=np.int64)
        known = participants >= 0
        positions[participants[known]] = where[known]
        return positions

    def _report_unknown_visit(self, table: Table, visit: str, visits: pd.Series) -> None:
        counts = visits.value_counts()
        labels = [str(label) for label, count in counts.items() if count >= _SHARED_BY]
        problem = f"no row has the visit '{visit}'.{did_you_mean(visit, labels)}"
        place = table.place(str(table.spec.visit))
        self.findings.error("unknown_visit", FieldProblem(place, problem))


def satisfies(column: Column, condition: RowFilter, findings: Findings) -> Mask:
    """Tell which cells meet a condition of the spec; a missing one meets only `none_of`.

    A cell that is compared as a number and is none is reported.
    """
    cells, decimal = column.cells, column.decimal
    result = pd.Series(data=True, index=cells.index)
    if condition.equals is not None:
        result &= _among(cells, (condition.equals,), decimal)
    if condition.one_of is not None:
        result &= _among(cells, condition.one_of, decimal)
    if condition.none_of is not None:
        result &= ~_among(cells, condition.none_of, decimal)
    if condition.at_least is not None or condition.at_most is not None:
        low = -np.inf if condition.at_least is None else condition.at_least
        high = np.inf if condition.at_most is None else condition.at_most
        numbers = column.numbers()
        result &= (numbers >= low) & (numbers <= high)
        report_no_numbers(column, column.known() & np.isnan(numbers), findings)
    return result.to_numpy(dtype=np.bool_)


def report_no_numbers(column: Column, unclear: Mask, findings: Findings) -> None:
    """Report the cells that should be numbers and are none, with what a decimal comma needs."""
    comma = column.cells.str.fullmatch(_DECIMAL_COMMA).fillna(value=False).to_numpy(dtype=np.bool_)
    reads_it = f'decimal = "," in [tables.{column.table}] reads it'
    remedy = reads_it if column.table else "write a point"
    sentence = f"is not a number; if its comma is the decimal mark, {remedy}"
    findings.bad_cells(column.place, column.rows[unclear & comma], sentence)
    findings.bad_cells(column.place, column.rows[unclear & ~comma], "is not a number")


def _among(cells: pd.Series, values: Iterable[Scalar], decimal: str) -> pd.Series:
    values = list(values)
    if any(isinstance(value, bool) for value in values):
        cells = cells.str.lower()
    found = cells.isin([scalar_text(value) for value in values])
    numbers = [float(value) for value in values if not isinstance(value, str | bool)]
    return found | as_numbers(cells, decimal).isin(numbers) if numbers else found
