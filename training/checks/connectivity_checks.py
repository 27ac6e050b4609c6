"""Checks of what connectivity adds to the clinical columns."""

from collections.abc import Iterator
from typing import Final

from training.checks.evidence import Check, Evidence
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL
from training.report.tables import Estimate

_PAIR: Final = f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}"


def _adds_nothing(evidence: Evidence) -> Iterator[str]:
    difference = evidence.overall("auroc", _PAIR)
    if difference is None or _is_gain(difference):
        return
    if not difference.has_interval:
        yield f"Too few patients have connectivity to say what it adds ({difference.n})."
    elif difference.upper < 0:
        yield _sentence("Connectivity harms", difference)
    else:
        yield _sentence("It is not shown that connectivity adds anything", difference)


def _adds(evidence: Evidence) -> Iterator[str]:
    difference = evidence.overall("auroc", _PAIR)
    if difference is not None and _is_gain(difference):
        yield _sentence("Connectivity adds to the clinical columns", difference)


def _is_gain(difference: Estimate) -> bool:
    return difference.has_interval and difference.lower > 0


def _sentence(verdict: str, difference: Estimate) -> str:
    return (
        f"{verdict}: AUROC changes by {difference.text(3, '+')} in the {difference.n} patients "
        "with connectivity."
    )


CONNECTIVITY_CHECKS: Final = (
    Check(
        "TMS008",
        "Connectivity is not shown to add anything",
        "warning",
        "On the same patients, with and without connectivity, the difference in AUROC is not "
        "above 0 by more than chance. In the largest study (295 patients) connectivity of the "
        "stimulated site explained 3 % of the improvement, and a prospective one (66) found none.",
        'Do not ask for a scan for this prediction; train with feature_groups = ["clinical"], or '
        "on more scanned patients.",
        "Elbau 2023, doi:10.1176/appi.ajp.20220306; Khosravani 2025, "
        "doi:10.1038/s41380-025-03153-3",
        _adds_nothing,
    ),
    Check(
        "TMS034",
        "Connectivity adds to the clinical columns",
        "note",
        "On the same patients the AUROC with connectivity is higher by more than chance.",
        "Look at the size of the difference, and whether it holds in another cohort.",
        "Elbau 2023, doi:10.1176/appi.ajp.20220306",
        _adds,
    ),
)
