from io import StringIO

from rich.console import Console

from training.checks.render import render_findings
from training.summary import Finding


def shown(*findings: Finding) -> str:
    console = Console(width=120, file=StringIO(), record=True)
    console.print(render_findings(findings))
    return console.export_text()


def test_warnings_are_shown_and_notes_are_counted() -> None:
    text = shown(
        Finding(code="TMS003", severity="error", message="A [bold] error."),
        Finding(code="TMS022", severity="warning", message="Simulated.", ignored=True),
        Finding(code="TMS035", severity="note", message="The best."),
    )
    assert "TMS003" in text
    assert "A [bold] error." in text
    assert "warning, ignored" in text
    assert "The best." not in text
    assert "The report has 1 note more." in text
    assert "docs/checks.md" in text


def test_nothing_found_is_said() -> None:
    assert "nothing to warn of" in shown()
    assert "1 note more" in shown(Finding(code="TMS035", severity="note", message="The best."))
