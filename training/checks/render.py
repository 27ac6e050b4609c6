"""What the checks found, for the terminal."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from training.summary import Finding

_STYLES: Final = {"error": "bold red", "warning": "yellow"}


def render_findings(findings: Sequence[Finding]) -> RenderableType:
    """Return errors and warnings as something that `rich` prints; notes stand in the report."""
    table = Table(title="\nChecks", title_justify="left", title_style="bold")
    for name in ("code", "", "what was found"):
        table.add_column(name)
    for finding in findings:
        if finding.severity in _STYLES:
            style = "dim" if finding.ignored else _STYLES[finding.severity]
            severity = f"{finding.severity}, ignored" if finding.ignored else finding.severity
            table.add_row(Text(finding.code), Text(severity, style=style), Text(finding.message))
    notes = len(findings) - table.row_count
    more = f" The report has {notes} {'note' if notes == 1 else 'notes'} more." if notes else ""
    if not table.row_count:
        return Text(f"The checks found nothing to warn of.{more}\n")
    return Group(table, Text(f"What each code means and what to do: docs/checks.md.{more}\n"))
