"""What speaks against a promotion, as sentences."""

from dataclasses import dataclass, replace
from math import nan

import pytest
from promoted_runs import BAD, write_run

from serving.predictor import ResponsePredictor
from training.promotion.comparison import AUROC, BRIER, INTERCEPT, SLOPE, Compared
from training.promotion.evidence import Evidence
from training.promotion.reasons import reasons_against
from training.summary import Finding

BETTER = (
    Compared(BRIER, 0.24, 0.22, -0.02, -0.03, -0.01),
    Compared(AUROC, 0.60, 0.65, 0.05, -0.01, 0.1),
    Compared(SLOPE, 1.2, 0.9, -0.1, -0.3, 0.1),
    Compared(INTERCEPT, 0.1, -0.05, -0.05, -0.1, 0.02),
)
EVIDENCE = Evidence("made up", 200, 90, "f" * 64, BETTER)


@dataclass(frozen=True)
class Made:
    findings: tuple[Finding, ...] = ()
    not_comparable: str = "Nothing to compare on."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ResponsePredictor:
    folder = write_run(tmp_path_factory.mktemp("reasons") / "run", BAD, 0.9)
    return ResponsePredictor.load(folder / "model")


def against(
    model: ResponsePredictor, evidence: Evidence | None = EVIDENCE, made: Made = Made()
) -> tuple[str, ...]:
    return reasons_against(evidence, made, model, model)


def test_nothing_speaks_against_a_better_model(model: ResponsePredictor) -> None:
    assert against(model) == ()
    assert reasons_against(None, Made(), model, None) == ()


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
    model: ResponsePredictor, changed: Compared, words: str
) -> None:
    others = tuple(each for each in BETTER if each.metric != changed.metric)
    [reason] = against(model, replace(EVIDENCE, compared=(changed, *others)))
    assert words in reason
    assert "few" in words or f"{changed.challenger:.3f} against" in reason


def test_patients_in_common_are_needed(model: ResponsePredictor) -> None:
    assert against(model, None) == ("Nothing to compare on.",)


def test_errors_of_the_checks_speak_against_it(model: ResponsePredictor) -> None:
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
    [reason] = against(model, made=Made(tuple(found)))
    assert "TMS011" in reason


def test_a_model_must_answer_and_ask_for_nothing_new(model: ResponsePredictor) -> None:
    silent = model.document.abstention.model_copy(update={"always": "Only 6 responded."})
    changes = {"abstention": silent, "required_fields": ("age_years",)}
    document = model.document.model_copy(update=changes)
    challenger = ResponsePredictor(document, model._booster_text)
    reasons = reasons_against(EVIDENCE, Made(), challenger, model)
    assert len(reasons) == 2
    assert "Only 6 responded." in reasons[0]
    assert "requires age_years" in reasons[1]
