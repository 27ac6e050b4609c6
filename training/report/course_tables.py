"""Who left before each week of treatment, and how far the figures depend on them."""

from collections.abc import Mapping
from typing import Final

from training.course.judging import COURSE
from training.course.landmarks import LandmarkCounts
from training.course.same_patients import SAME_PATIENTS
from training.course.summary import CourseSummary
from training.performance.missing_outcomes import CASES, EXTREMES, WEIGHTED, outcomes_split
from training.report.tables import Cell, Estimate, Evaluation, Table, estimate_cell, table

Evaluations = Mapping[float, Evaluation]

_LOWEST, _HIGHEST = EXTREMES
_NONE, _ALL = CASES
_HEADER: Final = (
    "Week", "AUROC as reported", "weighted for who had an outcome", "lowest possible",
    "highest possible", "in the patients of all weeks", "Observed to expected as reported",
    "if nobody else reached it", "if everybody else did",
)  # fmt: skip


def departures(summary: CourseSummary) -> Table:
    """Return how many are at risk at each week, who left before, and what became of those."""
    header = [
        "Week", "Listed", "Stopped before", "Reached it, of these", "At risk",
        "Not scored so far", "Outcome unknown", "Learned from", "Reached it",
    ]  # fmt: skip
    rows = [[f"{each.week:g}", *_counted(each.counts)] for each in summary.landmarks]
    return table("Who was in treatment at each week, and who was looked at", header, rows)


def _counted(counts: LandmarkCounts) -> list[Cell]:
    if counts.stopped_known == 0:
        reached = Cell("none known")
    elif counts.stopped_events is None:
        reached = Cell("withheld", f"{counts.stopped_known} of known outcome")
    else:
        reached = _share(counts.stopped_events, counts.stopped_known)
    at_risk = counts.listed - counts.stopped
    before = [Cell(str(counts.listed)), Cell(str(counts.stopped)), reached, Cell(str(at_risk))]
    after = (counts.not_scored, counts.outcome_unknown, counts.learned_from)
    events = _share(counts.events, counts.learned_from)
    return [*before, *(Cell(str(count)) for count in after), events]


def _share(count: int, total: int) -> Cell:
    share = f"{100 * count / total:.0f} % of {total}" if total else ""
    return Cell(str(count), share)


def sensitivity(summary: CourseSummary, evaluations: Evaluations) -> Table:
    """Return AUROC and O:E of each week under what may be assumed of those who are not seen."""
    rows = [
        [
            f"{week:g}",
            estimate_cell(each.estimate(COURSE, "auroc")),
            *(_assumed(each, name, "auroc") for name in (WEIGHTED, _LOWEST, _HIGHEST)),
            estimate_cell(each.estimate(SAME_PATIENTS, "auroc")),
            estimate_cell(each.estimate(COURSE, "o_to_e")),
            *(_assumed(each, name, "o_to_e") for name in (_NONE, _ALL)),
        ]
        for week, each in evaluations.items()
    ]
    return table(f"How much those who are not seen could change ({summary.outcome})", _HEADER, rows)


def _assumed(evaluation: Evaluation, assumption: str, metric: str) -> Cell:
    return estimate_cell(_under(evaluation, assumption, metric))


def _under(evaluation: Evaluation, assumption: str, metric: str) -> Estimate | None:
    return evaluation.at(COURSE, outcomes_split(evaluation.split, assumption), metric)


def sensitivity_words(summary: CourseSummary, evaluations: Evaluations) -> str:
    """Say by how much the AUROC moves, and how far it could, with those who are not seen."""
    moved = {
        "weighting for who had an outcome": _moved(evaluations, WEIGHTED),
        "keeping to the patients of all weeks": _moved(evaluations, None),
    }
    parts = [f"{what} moves it by {by:.2f} at most" for what, by in moved.items() if by is not None]
    sentences = [f"Of the AUROC: {', and '.join(parts)}."] if parts else []
    last = max(evaluations)
    ends = [_under(evaluations[last], case, "auroc") for case in (_LOWEST, _HIGHEST)]
    if known := [end.value for end in ends if end is not None]:
        sentences.append(
            f"Whatever became of those whose outcome is unknown, at week {last:g} it lies between "
            f"{min(known):.2f} and {max(known):.2f}."
        )
    learned_from = [each.counts.learned_from for each in summary.landmarks]
    if len(learned_from) > 1 and len(set(learned_from)) == 1:
        sentences.append("As many patients are learned from at every week.")
    return " ".join(sentences)


def _moved(evaluations: Evaluations, assumption: str | None) -> float | None:
    changes = []
    for each in evaluations.values():
        main = each.estimate(COURSE, "auroc")
        other = (
            each.estimate(SAME_PATIENTS, "auroc")
            if assumption is None
            else _under(each, assumption, "auroc")
        )
        if main is not None and other is not None:
            changes.append(abs(main.value - other.value))
    return max(changes, default=None)
