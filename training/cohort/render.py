"""A check report as tables for the terminal.

The flow and the counts of missing values are exact, since they are there to be mended; of outcomes
no number under five can be told.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from training.cohort.records import CheckReport, GroupRates
from training.small_cells import SMALLEST_CELL, may_be_shown

WITHHELD: Final = "withheld"
_LISTED_ISSUES = 50
_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def render_check(report: CheckReport) -> RenderableType:
    """Return the report as something that `rich` prints.

    Parameters
    ----------
    report : CheckReport

    Returns
    -------
    rich renderable
        Flow, issues, missingness and rates, each where there is something to show.
    """
    parts: list[RenderableType] = [_heading(report)]
    if report.flow:
        parts.append(_flow(report))
    if report.issues:
        parts.append(_issues(report))
    if report.missingness:
        parts.append(_missingness(report))
    if report.rates:
        parts.append(_rates(report))
    return Group(*parts, _verdict(report))


def _heading(report: CheckReport) -> Text:
    who = "simulated patients" if report.spec.simulated else "real patients"
    treatment = report.spec.treatment
    kind = "" if treatment.is_tms else " This is not TMS."
    text = Text(report.name, style="bold")
    text.append(f"\n{who}; {treatment.description}.{kind}\n", style="default")
    return text


def _table(title: str, *headers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for header in headers:
        is_number = header in {"left", "left out", "missing", "of", "patients"}
        table.add_column(header, justify="right" if is_number else "left", overflow="fold")
    return table


def _flow(report: CheckReport) -> Table:
    table = _table("Flow of participants", "step", "left out", "left")
    for step in report.flow:
        left_out = str(step.left_out) if step.left_out else ""
        table.add_row(Text(step.step), left_out, str(step.remaining))
    return table


def _issues(report: CheckReport) -> Table:
    table = _table("Wrong or doubtful", "", "where", "what")
    for issue in report.issues[:_LISTED_ISSUES]:
        severity = Text(issue.severity, style=_STYLES[issue.severity])
        table.add_row(severity, Text(issue.where), Text(issue.message))
    more = len(report.issues) - _LISTED_ISSUES
    if more > 0:
        table.add_row("", "", f"and {more} more")
    return table


def _missingness(report: CheckReport) -> Table:
    table = _table("Missing values", "field", "from", "missing", "of")
    for field in report.missingness:
        share = f"{field.missing} ({_percent(field.missing, field.total)})"
        table.add_row(field.field, Text(field.place), share, str(field.total))
    return table


def _rates(report: CheckReport) -> Table:
    table = _table("Outcome", "by", "group", "patients", "response", "remission")
    texts = rate_texts(report.rates, report.spec.arms.train_on if report.spec.arms else ())
    for rates, cells in zip(report.rates, texts, strict=True):
        table.add_row(rates.grouping, Text(rates.group), *cells)
    if any(WITHHELD in cells for cells in texts):
        table.caption = f"{WITHHELD}: a number under {SMALLEST_CELL}, or one that would tell it"
        table.caption_justify = "left"
    return table


def rate_texts(
    rates: Sequence[GroupRates], trained_on: Collection[str] = ()
) -> list[tuple[str, str, str]]:
    """Return patients, responses and remissions of each group, as they may be shown.

    Groups of one kind add up to a number that is shown too: sites, and arms that are learned
    from, to the first row; the other arms to a step of the flow. A number under five of patients
    with or without the outcome is withheld, and so is what would tell it.

    Parameters
    ----------
    rates : sequence of GroupRates
    trained_on : collection of str
        Arms that are learned from.

    Examples
    --------
    >>> rate_texts([GroupRates("all", "learned from", 26, 6, 24)])
    [('26', '6 (23 %)', 'withheld')]
    """
    parts: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for place, each in enumerate(rates):
        learned_from = each.grouping == "arm" and each.group in trained_on
        parts[each.grouping, learned_from].append(place)
    texts = dict.fromkeys(range(len(rates)), (WITHHELD,) * 3)
    for places in parts.values():
        texts |= zip(places, _texts_of_parts([rates[place] for place in places]), strict=True)
    return [texts[place] for place in range(len(rates))]


def _texts_of_parts(parts: Sequence[GroupRates]) -> list[tuple[str, str, str]]:
    totals = [part.patients for part in parts]
    shown = may_be_shown(totals)
    patients = [str(n) if may else WITHHELD for n, may in zip(totals, shown, strict=True)]
    responses = _share_texts([part.responses for part in parts], totals, shown)
    remissions = _share_texts([part.remissions for part in parts], totals, shown)
    return list(zip(patients, responses, remissions, strict=True))


def _share_texts(
    counts: Sequence[int | None], totals: Sequence[int], totals_shown: Sequence[bool]
) -> list[str]:
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return ["no cutoff"] * len(counts)
    rarer = [min(count, total - count) for count, total in zip(known, totals, strict=True)]
    both = zip(may_be_shown(rarer), totals_shown, strict=True)
    return [
        f"{count} ({_percent(count, total)})" if all(may) else WITHHELD
        for count, total, may in zip(known, totals, both, strict=True)
    ]


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if total else "0 %"


def _verdict(report: CheckReport) -> Text:
    errors = sum(issue.severity == "error" for issue in report.issues)
    if errors:
        plural = "error" if errors == 1 else "errors"
        return Text(f"\nNot fit to train on: {errors} {plural} to mend.", style="bold red")
    doubts = sum(issue.severity == "warning" for issue in report.issues)
    mind = f", with {doubts} {'warning' if doubts == 1 else 'warnings'} above" if doubts else ""
    return Text(f"\nNothing here keeps it from training{mind}.", style="bold green")
