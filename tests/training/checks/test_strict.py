"""`train --strict` ends with code 10 for an error, after it has said where the run is."""

from pathlib import Path

import pytest

import tms_response
from training.run import RunResult
from training.summary import Finding

ERROR = Finding(code="TMS010", severity="error", message="12 patients are there twice.")
WARNING = Finding(code="TMS022", severity="warning", message="Simulated.")


@pytest.mark.parametrize(
    ("findings", "options", "code"),
    [
        ((ERROR, WARNING), ["--strict"], 10),
        ((ERROR, WARNING), [], 0),
        ((WARNING,), ["--strict"], 0),
        ((ERROR.model_copy(update={"ignored": True}),), ["--strict"], 0),
    ],
)
def test_only_errors_that_are_not_ignored_are_fatal(
    findings: tuple[Finding, ...],
    options: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = RunResult(Path("run"), Path("run/report.html"), "id", "AUROC 0.6", None, findings)
    monkeypatch.setattr("training.run.train_cohort", lambda *_, **__: done)
    assert tms_response.run(["train", "anywhere", *options]) == code
    shown = capsys.readouterr()
    assert findings[0].code in shown.out
    assert "Report: run/report.html" in shown.out
    assert ("TMS010: 12 patients are there twice." in shown.err) == (code == 10)
