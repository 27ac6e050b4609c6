"""Totals before and after treatment, from wide or long tables, or summed from items."""

from dataclasses import dataclass

import numpy as np

from data_schemas.cohort_tables import Source
from data_schemas.instruments import Instrument, get_instrument
from data_schemas.outcome import Outcome
from training.cohort.converting import Numbers, converted, optional
from training.cohort.joining import Column, Study
from training.cohort.mapping import FieldColumn


@dataclass(frozen=True)
class Totals:
    """Totals of one instrument, one a participant.

    Attributes
    ----------
    values : ndarray of float64
        NaN where unknown or refused.
    column : Column
        The (first) column behind them.
    """

    values: Numbers
    column: Column

    def as_field(self) -> FieldColumn:
        """Return them as the column of a Patient field."""
        return FieldColumn(optional(self.values), (self.column,))


def read_totals(study: Study, source: Source) -> Totals:
    """Read the totals of a source; what lies outside the instrument's range is reported."""
    instrument = get_instrument(study.spec.outcome.instrument)
    columns = study.columns(source)
    if source.columns is None:
        what = f"{instrument.name} total"
        limits = [(instrument.minimum, instrument.maximum)]
    else:
        what = f"{instrument.name} item score"
        limits = [(0, highest) for highest in instrument.item_maxima]
    checked = []
    for column, (low, high) in zip(columns, limits, strict=True):
        numbers = converted(column, source, "points", study.findings)
        outside = (numbers < low) | (numbers > high)
        study.findings.bad_cells(
            column.place, column.rows[outside], f"is out of range for a {what}", f"{low} to {high}"
        )
        numbers[outside] = np.nan
        checked.append(numbers)
    # A missing item makes the sum missing: totals are never prorated.
    return Totals(np.sum(checked, axis=0), columns[0])


def build_outcomes(baseline: Totals, final: Totals, instrument: Instrument) -> list[Outcome | None]:
    """Return one Outcome a participant, None where a total is unknown.

    A baseline at the lowest possible total has no outcome either: no change can be measured
    from it.
    """
    pairs = zip(baseline.values, final.values, strict=True)
    return [
        Outcome(instrument=instrument.name, baseline_total=float(before), final_total=float(after))
        if before > instrument.minimum and not np.isnan(after)
        else None
        for before, after in pairs
    ]
