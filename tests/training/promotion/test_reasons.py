"""What speaks against a promotion, as sentences."""

from dataclasses import replace
from math import nan

import pytest
from promoted_runs import BAD, document_of, write_run

from serving.model_document import ModelDocument
from training.promotion.comparison import AUROC, BRIER, INTERCEPT, SLOPE, Compared
from training.promotion.evidence import Evidence
from training.promotion.reasons import reasons_against
from training.summary import Finding, RunSummary

BETTER = (
    Compared(BRIER, 0.24, 0.22, -0.02, -0.03, -0.01),
    Compared(AUROC, 0.60, 0.65, 0.05, -0.01, 0.1),
    Compared(SLOPE, 1.2, 0.9, -0.1, -0.3, 0.1),
    Compared(INTERCEPT, 0.1, -0.05, -0.05, -0.1, 0.02),
)
EVIDENCE = Evidence("made up", 200, 90, "f" * 64, BETTER)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSummary, ModelDocument]:
    folder = write_run(tmp_path_factory.mktemp("reasons") / "run", BAD, 0.9)
    return RunSummary.load(folder), document_of(folder)


def against(
    run: tuple[RunSummary, ModelDocument], evidence: Evidence | None = EVIDENCE
) -> tuple[str, ...]:
    return reasons_against(evidence, run[0].findings, run[1], run[1])


def test_nothing_speaks_against_a_better_model(run: tuple[RunSummary, ModelDocument]) -> None:
    assert against(run) == ()
    assert reasons_against(None, run[0].findings, run[1], None) == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (Compared(BRIER, 0.22, 0.24, 0.02, 0.01, 0.03), "Brier score is higher by more than"),
        (Compared(BRIER, 0.22, 0.221, 0.001, -0.01, 0.02), "Brier score is not lower"),
        (Compared(BRIER, 0.22, 0.22, 0.0, -0.01, 0.02), "Brier score is not lower"),
        (Compared(BRIER, 0.24, 0.22, -0.02, nan, nan), "200 patients are too few"),
        (Compared(AUROC, 0.65, 0.6, -0.05, -0.08, -0.01), "AUROC is lower by more than"),
        (Compared(SLOPE, 1.0, 1.6, 0.6, 0.1, 0.9), "calibration slope is further from 1"),
        (Compared(INTERCEPT, 0.0, -0.6, 0.6, 0.1, 0.9), "calibration intercept is further from 0"),
    ],
)
def test_what_is_worse_is_named_with_its_figures(
    run: tuple[RunSummary, ModelDocument], changed: Compared, words: str
) -> None:
    others = tuple(each for each in BETTER if each.metric != changed.metric)
    [reason] = against(run, replace(EVIDENCE, compared=(changed, *others)))
    assert words in reason
    assert "few" in words or f"{changed.challenger:.3f} against" in reason


def test_patients_in_common_are_needed(run: tuple[RunSummary, ModelDocument]) -> None:
    [reason] = against(run, None)
    assert "--cohort" in reason


def test_errors_of_the_checks_speak_against_it(run: tuple[RunSummary, ModelDocument]) -> None:
    kinds = (
        (11, "error", False),
        (12, "error", True),
        (13, "warning", False),
        (11, "error", False),
    )
    found = [
        Finding(code=f"TMS0{n}", severity=severity, title="t", message="m", ignored=ignored)
        for n, severity, ignored in kinds
    ]
    summary = run[0].model_copy(update={"findings": tuple(found)})
    [reason] = against((summary, run[1]))
    assert "TMS011" in reason


def test_a_model_must_answer_and_ask_for_nothing_new(
    run: tuple[RunSummary, ModelDocument],
) -> None:
    summary, champion = run
    silent = champion.abstention.model_copy(update={"always": "Only 6 responded."})
    challenger = champion.model_copy(
        update={"abstention": silent, "required_fields": ("age_years",)}
    )
    reasons = reasons_against(EVIDENCE, summary.findings, challenger, champion)
    assert len(reasons) == 2
    assert "Only 6 responded." in reasons[0]
    assert "requires age_years" in reasons[1]
