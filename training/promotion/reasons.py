"""Why a challenger should not become the champion; where there is no reason, it may.

It must look better, and be worse in nothing by more than chance: its Brier score must be lower, and
no interval of a difference (`training.promotion.comparison`) may lie wholly on the wrong side of 0.
Beside that its run's checks must have found no error, it must give answers at all, and ask nothing
of callers that the champion does not. No margin is chosen: with few patients everything is within
chance, and the Brier score alone decides.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from serving.model_document import ModelDocument
from training.promotion.comparison import AUROC, BRIER, INTERCEPT, SLOPE, Compared
from training.promotion.evidence import Evidence
from training.summary import Finding

LABELS: Final = {
    BRIER: "Brier score",
    AUROC: "AUROC",
    SLOPE: "Calibration slope",
    INTERCEPT: "Calibration intercept",
}
_WORSE: Final = {
    BRIER: "is higher",
    AUROC: "is lower",
    SLOPE: "is further from 1",
    INTERCEPT: "is further from 0",
}


def reasons_against(
    evidence: Evidence | None,
    findings: Iterable[Finding],
    challenger: ModelDocument,
    champion: ModelDocument | None,
) -> tuple[str, ...]:
    """Return the reasons against a promotion, as sentences.

    Parameters
    ----------
    evidence : Evidence or None
        None where nothing could be compared.
    findings : iterable of Finding
        Of the checks of the challenger's run.
    challenger, champion : ModelDocument
        What they say of themselves; no champion where there is none yet.
    """
    reasons = list(_about_the_run(findings, challenger))
    if champion is not None:
        reasons += _about_callers(challenger, champion)
        reasons += _about_the_comparison(evidence, challenger)
    return tuple(reasons)


def _about_the_run(findings: Iterable[Finding], challenger: ModelDocument) -> Iterator[str]:
    if challenger.abstention.always is not None:
        yield f"It gives no predictions: {challenger.abstention.always}"
    errors = {each.code: each.title for each in findings
              if each.severity == "error" and not each.ignored}  # fmt: skip
    for code, title in sorted(errors.items()):
        yield f"Its checks found an error, {code}: {title} (docs/checks.md)."


def _about_callers(challenger: ModelDocument, champion: ModelDocument) -> Iterator[str]:
    added = sorted(set(challenger.required_fields) - set(champion.required_fields))
    if added:
        yield (
            f"It requires {', '.join(added)}, which the champion does not: running services "
            "refuse it until they are started anew."
        )


def _about_the_comparison(evidence: Evidence | None, challenger: ModelDocument) -> Iterator[str]:
    if evidence is None and challenger.updates:
        yield (
            f"It is an update of version {challenger.updates[-1].parent}, which is not the "
            "champion; update the champion itself, or compare them on another cohort with --cohort."
        )
        return
    if evidence is None:
        yield (
            "Champion and challenger have no held-out patients in common; compare them on another "
            "cohort with --cohort."
        )
        return
    for each in evidence.compared:
        if each.metric == BRIER and not each.has_interval:
            yield f"{evidence.n_patients} patients are too few to compare on."
        elif is_worse(each):
            what = f"{_label(each.metric)} {_WORSE[each.metric]}"
            yield f"Its {what} by more than chance: {_told(each)}."
        elif each.metric == BRIER and each.difference >= 0:
            yield f"Its Brier score is not lower: {_told(each)}."


def is_worse(compared: Compared) -> bool:
    """Return whether the challenger is worse in a measure by more than chance."""
    if not compared.has_interval:
        return False
    return compared.upper < 0 if compared.metric == AUROC else compared.lower > 0


def _label(metric: str) -> str:
    label = LABELS[metric]
    return label if metric in {BRIER, AUROC} else label.lower()


def _told(each: Compared) -> str:
    interval = (
        f", 95 % interval {each.lower:+.3f} to {each.upper:+.3f}" if each.has_interval else ""
    )
    return (
        f"{each.challenger:.3f} against the champion's {each.champion:.3f} "
        f"(difference {each.difference:+.3f}{interval})"
    )
