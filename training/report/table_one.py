"""Table 1: who the patients were, by outcome and by site, with what is unknown of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import expm1
from typing import Final

from data_schemas.instruments import INSTRUMENTS
from features.table import FEATURES, LOG_MONTHS
from training.report.tables import Cell, Table, table
from training.small_cells import SMALLEST_CELL
from training.summary import Characteristic, FlowCount, RunSummary, SiteCharacteristic, SiteValue

WITHHELD: Final = "withheld"
_FIGURES: Final = "mean (standard deviation) or share; groups of fewer than five are withheld"
MOST_SITES: Final = 12
"""Columns that still fit a page; of more sites, those with most patients are shown."""


@dataclass(frozen=True)
class FlowRow:
    """One step of the flow as it is shown: the patients left, and how many it cost, in words."""

    step: str
    n_patients: int
    lost: str
    percent: float


def flow_rows(summary: RunSummary) -> list[FlowRow]:
    """Return the flow with steps that cost one to four patients put together with others."""
    steps = _without_small_losses(summary.flow)
    first = max(steps[0].n_patients, 1) if steps else 1
    before = [step.n_patients for step in (*steps[:1], *steps[:-1])]
    rows = []
    for step, previous in zip(steps, before, strict=True):
        lost = previous - step.n_patients
        share = round(100 * step.n_patients / first, 1)
        rows.append(FlowRow(step.step, step.n_patients, f"{lost} fewer" if lost else "", share))
    if len(steps) == 1 and len(summary.flow) > 1 and _loses_few(summary.flow[0], steps[0]):
        rows = [replace(rows[0], lost="fewer than five fewer in all")]
    return rows


def _without_small_losses(flow: Sequence[FlowCount]) -> list[FlowCount]:
    """Put a step that cost few together with the next; the last ones with those before."""
    shown: list[FlowCount] = []
    waiting: list[str] = []
    for number, step in enumerate(flow):
        waiting.append(step.step)
        if number and _loses_few(shown[-1], step):
            continue
        shown.append(FlowCount(step="; ".join(waiting), n_patients=step.n_patients))
        waiting = []
    while waiting and shown:
        last = shown.pop()
        waiting.insert(0, last.step)
        if not shown or not _loses_few(shown[-1], flow[-1]):
            shown.append(FlowCount(step="; ".join(waiting), n_patients=flow[-1].n_patients))
            break
    return shown


def _loses_few(before: FlowCount, after: FlowCount) -> bool:
    return 0 < before.n_patients - after.n_patients < SMALLEST_CELL


def by_outcome(summary: RunSummary) -> list[Table]:
    """Return who the patients were, with the many connections in a table of their own."""
    found = []
    for caption, wanted in (("Patients by outcome", False), ("Their brain connectivity", True)):
        rows = [
            [
                Cell(row.label, _unit(row.unit)),
                _group(row.mean_with_outcome, row.sd_with_outcome, row.unit),
                _group(row.mean_without_outcome, row.sd_without_outcome, row.unit),
                _difference(row),
                _share(row.missing_share, summary.population.n_patients),
            ]
            for row in summary.characteristics
            if (row.label in _connections()) == wanted
        ]
        if rows:
            found.append(table(f"{caption}: {_FIGURES}", _header(summary), rows))
    return found


def by_site(summary: RunSummary) -> list[Table]:
    """Return the same by site, where there are several."""
    places = _shown_sites(summary)
    header: list[object] = ["", *(summary.sites[place].site for place in places)]
    header.append(Cell("Largest difference", "of two sites, standardised"))
    found = []
    for caption, wanted in (("Patients by site", False), ("Connectivity by site", True)):
        rows = [
            [
                Cell(row.label, _unit(row.unit)),
                *(_site_cell(row.values[place], row.unit) for place in places),
                "" if row.largest_difference is None else f"{row.largest_difference:.2f}",
            ]
            for row in summary.characteristics_by_site
            if (row.label in _connections()) == wanted and _any_figure(row)
        ]
        if rows:
            found.append(table(f"{caption}: {_FIGURES}", header, rows))
    return found


def _connections() -> set[str]:
    return {feature.label for feature in FEATURES if feature.group == "connectivity"}


def _any_figure(row: SiteCharacteristic) -> bool:
    return any(value.mean is not None for value in row.values)


def _shown_sites(summary: RunSummary) -> list[int]:
    counts = [site.n_patients or 0 for site in summary.sites]
    largest = sorted(range(len(counts)), key=lambda place: -counts[place])[:MOST_SITES]
    return sorted(largest)


def _header(summary: RunSummary) -> list[object]:
    reached = summary.population.n_events
    others = summary.population.n_patients - reached
    n = "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
    return [
        "", f"Reached the outcome ({n}{reached})", f"Did not ({n}{others})",
        Cell("Standardised difference", "95 % interval"), "Unknown",
    ]  # fmt: skip


def _scale(unit: str) -> str:
    """Return the scale of whose range a severity is a share; empty where it is none."""
    name = unit.removeprefix("share of the ").removesuffix(" range")
    return name if name in INSTRUMENTS and name != unit else ""


def _unit(unit: str) -> str:
    """Return in which unit a value is told."""
    if unit == LOG_MONTHS:
        return "months: geometric mean (one SD below it to one above)"
    return f"points on the {_scale(unit)}" if _scale(unit) else unit


def _group(mean: float | None, sd: float | None, unit: str) -> str:
    if mean is None:
        return WITHHELD
    if sd is None:
        return f"{100 * mean:.0f} %"
    if unit == LOG_MONTHS:
        low, middle, high = (expm1(mean + step * sd) for step in (-1, 0, 1))
        return f"{middle:.0f} ({max(low, 0):.0f} to {high:.0f})"
    if scale := _scale(unit):
        lowest, highest = INSTRUMENTS[scale].minimum, INSTRUMENTS[scale].maximum
        mean, sd = lowest + mean * (highest - lowest), sd * (highest - lowest)
    digits = 2 if max(abs(mean), sd) < 2 else 1
    return f"{mean:z.{digits}f} ({sd:.{digits}f})"


def _difference(row: Characteristic) -> Cell:
    if row.standardised_difference is None:
        return Cell("-")
    return Cell(
        f"{row.standardised_difference:+z.2f}",
        f"{row.difference_lower:+z.2f} to {row.difference_upper:+z.2f}",
    )


def _share(share: float, n_patients: int) -> str:
    count = round(share * n_patients)
    return "fewer than 5" if 0 < count < SMALLEST_CELL else f"{100 * share:.0f} %"


def _site_cell(value: SiteValue, unit: str) -> Cell:
    if value.mean is None and value.missing_share == 1:
        return Cell("unknown")
    missing = value.missing_share
    detail = "" if not missing else f"{100 * missing:.0f} % unknown"
    return Cell(
        _group(value.mean, value.sd, unit), detail if missing is not None else "few unknown"
    )
