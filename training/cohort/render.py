"""A check report as tables for the terminal. Only counts of five and more are shown a group."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from training.cohort.records import CheckReport, GroupRates

SMALLEST_SHOWN = 5
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
    for group in report.rates:
        table.add_row(
            group.grouping,
            Text(group.group),
            str(group.patients) if group.patients >= SMALLEST_SHOWN else f"<{SMALLEST_SHOWN}",
            rate_text(group.responses, group.patients),
            _remission_text(group),
        )
    return table


def _remission_text(group: GroupRates) -> str:
    if group.remissions is None:
        return "no cutoff"
    return rate_text(group.remissions, group.patients)


def rate_text(count: int, total: int) -> str:
    """Return a count and its share, hidden where it or its complement is under five.

    Examples
    --------
    >>> rate_text(6, 26), rate_text(3, 26), rate_text(24, 26), rate_text(2, 3)
    ('6 (23 %)', '<5', '>21', '<5')
    """
    if total < SMALLEST_SHOWN or count < SMALLEST_SHOWN:
        return f"<{SMALLEST_SHOWN}"
    if total - count < SMALLEST_SHOWN:
        return f">{total - SMALLEST_SHOWN}"
    return f"{count} ({_percent(count, total)})"


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
