"""The answers to PROBAST+AI's signalling questions that the run itself makes facts.

All others are for the reviewer: a self-audit that praises itself is worth nothing. Answers are
those of the tool: yes, probably yes, probably no, no, not applicable.
"""

from collections.abc import Mapping
from typing import Final

from data_schemas.filled_card import FOR_THE_REVIEWER
from training.card.evidence import CardEvidence
from training.card.model_facts import shares_severity

TOO_FEW_PATIENTS: Final = "TMS001"


def probast_verdicts(evidence: CardEvidence, numbers: tuple[str, ...]) -> Mapping[str, str]:
    """Return the answer to each question, by its number in `standards/probast_ai.toml`."""
    known = {**_shared(evidence), **_development(evidence), **_evaluation(evidence)}
    return {number: known.get(number, FOR_THE_REVIEWER) for number in numbers}


def _shared(evidence: CardEvidence) -> dict[str, str]:
    """Return what is asked of development and of evaluation alike."""
    shared = "probably no" if shares_severity(evidence.document) else FOR_THE_REVIEWER
    missing = _missing_outcomes(evidence)
    return {
        # Later measurements are refused by name; a study may still misname one of its own.
        "D2.4": "probably yes", "E2.4": "probably yes",
        # One scale and one rule for everybody; how it was asked is not in the tables.
        "D3.2": "probably yes", "E3.2": "probably yes",
        "D3.3": shared, "E3.3": shared,
        "D4.3": missing, "E4.3": missing,
        "D4.4": "not applicable", "E4.4": "not applicable",
    }  # fmt: skip


def _missing_outcomes(evidence: CardEvidence) -> str:
    """Unknown inputs leave nobody out; unknown outcomes must at least have been weighed."""
    weighed = evidence.found("brier", f"{evidence.evaluation.split}/outcomes=weighted")
    return "probably yes" if weighed else FOR_THE_REVIEWER


def _development(evidence: CardEvidence) -> dict[str, str]:
    codes = {finding.code for finding in evidence.summary.findings}
    return {
        "D4.1": "no" if TOO_FEW_PATIENTS in codes else "probably yes",
        "D4.2": "yes",
        "D4.5": "not applicable" if evidence.document.booster is None else "yes",
    }


def _evaluation(evidence: CardEvidence) -> dict[str, str]:
    looked_at = (
        evidence.found("auroc") is not None,
        evidence.found("calibration_slope") is not None,
        not evidence.evaluation.curves([evidence.model], "net_benefit").empty,
    )
    return {
        "E4.1": "yes",
        "E4.5": "yes",
        "E4.6": "yes",
        "E4.7": "yes" if all(looked_at) else "probably no",
    }
