"""Why a challenger should not become the champion; where there is no reason, it may.

It must look better, and be worse in nothing by more than chance: its Brier score must be lower, and
no interval of a difference (`training.promotion.comparison`) may lie wholly on the wrong side of 0.
Beside that its run's checks must have found no error, it must give answers at all, and ask nothing
of callers that the champion does not. No margin is chosen: with few patients everything is within
chance, and the Brier score alone decides. Of models of the course of treatment, each must be worse
in nothing by more than chance.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from serving.model_document import ModelDocument
from serving.predictor import ResponsePredictor
from training.promotion.comparison import AUROC, BRIER, INTERCEPT, SLOPE, Compared
from training.promotion.course_evidence import missing_weeks, weeks_to_compare
from training.promotion.evidence import Evidence
from training.promotion.succession import Reign
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


class Learned(Protocol):
    """What a challenger was made of: a finished run, or an update."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks found."""

    @property
    def not_comparable(self) -> str:
        """What to do where nothing can be compared."""


def reasons_against(
    evidence: Evidence | None,
    learned: Learned,
    challenger: ResponsePredictor,
    champion: ResponsePredictor | None,
) -> tuple[str, ...]:
    """Return the reasons against a promotion, as sentences.

    Parameters
    ----------
    evidence : Evidence or None
        None where nothing could be compared.
    learned : Learned
        What the challenger was made of.
    challenger, champion : ResponsePredictor
        The models; no champion where there is none yet.
    """
    reasons = list(_about_the_run(learned.findings, challenger.document))
    if champion is not None:
        reasons += _about_callers(challenger.document, champion.document)
        reasons += missing_weeks(challenger, champion)
        if evidence is None:
            return (*reasons, learned.not_comparable)
        reasons += _about_the_comparison(evidence)
        reasons += _about_the_course(evidence, weeks_to_compare(challenger, champion))
    return tuple(reasons)


def about_rollbacks(rollback: Reign | None) -> Iterator[str]:
    """Yield the reason against a version that was taken back, if it was."""
    if rollback is not None:
        why = "" if rollback.why is None else f": {rollback.why}"
        yield f"It was rolled back on {rollback.at[:10]}{why.rstrip('.')}."


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


def _about_the_comparison(evidence: Evidence) -> Iterator[str]:
    for each in evidence.compared:
        if each.metric == BRIER and not each.has_interval:
            yield f"{evidence.n_patients} patients are too few to compare on."
        elif is_worse(each):
            yield f"Its {_worse(each)}"
        elif each.metric == BRIER and each.difference >= 0:
            yield f"Its Brier score is not lower: {_told(each)}."


def _about_the_course(evidence: Evidence, weeks: Sequence[float]) -> Iterator[str]:
    compared = {each.week: each.compared for each in evidence.course}
    for week in weeks:
        for each in compared.get(week, ()):
            if is_worse(each):
                yield f"At week {week:g} of treatment, its {_worse(each)}"
    unknown = ", ".join(f"{week:g}" for week in weeks if week not in compared)
    if unknown:
        yield (
            f"Its models of week {unknown} of treatment could not be compared: that needs runs "
            "with --course on the same cohort, held out alike, and no --cohort."
        )


def _worse(each: Compared) -> str:
    return f"{_label(each.metric)} {_WORSE[each.metric]} by more than chance: {_told(each)}."


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
