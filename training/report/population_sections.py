"""The report's sections on other patients: subgroups, other arms, missing outcomes, elsewhere."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from training.performance.other_arms import ACTIVE, arm_sentence
from training.report.sections import FEW_EVENTS, metrics_table
from training.report.tables import (
    ACCURACY,
    CALIBRATION,
    Cell,
    Estimate,
    Evaluation,
    Metric,
    Table,
    metric_cell,
    table,
)
from training.report.words import judged_model
from training.summary import RunSummary

_SHORT: Final[Mapping[str, Metric]] = {
    name: {**ACCURACY, **CALIBRATION}[name]
    for name in ("auroc", "brier", "o_to_e", "calibration_slope")
}
_MISSING: Final = {
    "weighted": "Weighted for who had an outcome",
    "none_reached": "As if none of the others had reached it",
    "all_reached": "As if all of the others had reached it",
    "auroc_lowest": "As if those had reached it who make AUROC lowest",
    "auroc_highest": "As if those had reached it who make AUROC highest",
}


def missing_outcomes_table(summary: RunSummary, evaluation: Evaluation, split: str) -> Table | None:
    """Return the served model's figures under what may be assumed of unknown outcomes.

    Parameters
    ----------
    split : str
        The main split, or `external`.
    """
    model = judged_model(summary)
    found = evaluation.estimate if split == evaluation.split else partial(_at, evaluation, split)
    assumed = {
        label: f"{split}/outcomes={name}"
        for name, label in _MISSING.items()
        if evaluation.at(model, f"{split}/outcomes={name}", "auroc")
        or evaluation.at(model, f"{split}/outcomes={name}", "brier")
    }
    if not assumed:
        return None
    header = ["Outcomes", "Patients", *(Cell(m.label, anchor=m.term) for m in _SHORT.values())]
    primary = [
        Cell("Known ones only (the main result)"),
        _patients(found(model, "brier")),
        *(metric_cell(name, found(model, name), m) for name, m in _SHORT.items()),
    ]
    rows = [primary, *(_row(evaluation, model, place, label) for label, place in assumed.items())]
    return table("How much the unknown outcomes could change", header, rows)


def _at(evaluation: Evaluation, split: str, model: str, metric: str) -> Estimate | None:
    return evaluation.at(model, split, metric)


def abstained_sentence(summary: RunSummary, evaluation: Evaluation) -> str:
    """Say for how many patients of the other study the served model declines to answer."""
    if summary.external is None:
        return ""
    found = evaluation.at(summary.served_model, "external", "abstained")
    n, counted = summary.external.n_patients, "They count in the figures, with the chance that it "
    counted += "would have given."
    if found is None:
        return (
            f"Of the {n}, the served model declines to answer for a number that is withheld, since "
            f"fewer than five get an answer, or fewer than five get none. {counted}"
        )
    if found.value == 0:
        return f"The served model answers for each of the {n}."
    share = 100 * found.value / n
    return (
        f"For {found.value:.0f} of the {n} ({share:.0f} %) the served model declines to answer, "
        "because too much is unknown of them, or they are unlike the patients it learned from. "
        f"{counted}"
    )


def other_arms_table(summary: RunSummary, evaluation: Evaluation) -> Table | None:
    """Return how the served model does in the arms that nothing was learned from."""
    model, split = judged_model(summary), evaluation.split
    arms = [name for name in evaluation.splits(f"{split}/arm=") if "-" not in name]
    if not arms:
        return None
    header = ["Arm", "Patients", *(Cell(m.label, anchor=m.term) for m in _SHORT.values())]
    rows = []
    for arm in arms:
        name = f"{arm}, held out" if arm == ACTIVE else arm
        rows.append(_row(evaluation, model, f"{split}/arm={arm}", name))
        difference = f"{split}/arm={ACTIVE}-{arm}"
        if evaluation.at(model, difference, "auroc"):
            rows.append(_row(evaluation, model, difference, f"{ACTIVE} minus {arm}"))
    return table("The same model in each arm", header, rows)


def other_arms_sentences(summary: RunSummary, evaluation: Evaluation) -> tuple[str, ...]:
    """Say, arm by arm, what the model's success there means."""
    model, split = judged_model(summary), evaluation.split
    arms = [name for name in evaluation.splits(f"{split}/arm=") if "-" not in name]
    treatment = "TMS" if summary.population.is_tms else "the treatment"
    return tuple(
        arm_sentence(evaluation.frame, split, model, arm, treatment)
        for arm in arms
        if arm != ACTIVE
    )


def elsewhere_tables(summary: RunSummary, evaluation: Evaluation, split: str) -> list[Table]:
    """Return every model on patients of another time or place: accuracy, then calibration.

    One fit predicted all of them, so all are judged together, whatever their site.

    Parameters
    ----------
    split : {"temporal", "external"}
    """
    models = [m for m in summary.models if evaluation.at(m.name, split, "brier")]
    if not models:
        return []
    n = _patients(evaluation.at(models[0].name, split, "brier")).text
    caption = {
        "temporal": f"The {n} patients treated last, by models that learned from earlier ones",
        "external": f"The {n} patients of the other study, by models that never saw it",
    }[split]
    return [
        _elsewhere_table(summary, evaluation, split, metrics, caption + words)
        for metrics, words in ((ACCURACY, ""), (CALIBRATION, ": calibration"))
    ]


def _elsewhere_table(
    summary: RunSummary,
    evaluation: Evaluation,
    split: str,
    metrics: Mapping[str, Metric],
    caption: str,
) -> Table:
    rows = [
        [
            Cell(model.label, mark="served" if model.name == summary.served_model else ""),
            *(
                metric_cell(name, evaluation.at(model.name, split, name), metric)
                for name, metric in metrics.items()
            ),
        ]
        for model in summary.models
    ]
    return table(
        caption, ["Model", *(Cell(m.label, anchor=m.term) for m in metrics.values())], rows
    )


def scanned_table(summary: RunSummary, evaluation: Evaluation) -> Table | None:
    """Return every model on the held-out patients with connectivity, where they were judged."""
    place = f"{evaluation.split}/scanned"
    rows = [
        _row(evaluation, model.name, place, model.label)
        for model in summary.models
        if evaluation.at(model.name, place, "brier")
    ]
    if not rows:
        return None
    header = ["Model", "Patients", *(Cell(m.label, anchor=m.term) for m in _SHORT.values())]
    return table("The same models in the patients with connectivity", header, rows)


def permutation_sentence(summary: RunSummary, evaluation: Evaluation) -> str:
    """Say how often shuffled outcomes did as well; empty where none were shuffled."""
    model = judged_model(summary)
    p = evaluation.at(model, "permutation", "auroc_p")
    shuffles = evaluation.at(model, "permutation", "permutations")
    if p is None or shuffles is None:
        return ""
    return (
        f"With outcomes shuffled among the patients of each site {shuffles.value:.0f} times, and "
        f"everything learned anew, an AUROC as high came about with p = {p.text(3)}."
    )


def secondary_tables(summary: RunSummary, evaluation: Evaluation) -> list[Table]:
    """Return accuracy and calibration of every model for each outcome that is not served."""
    unserved = summary.model_copy(update={"served_model": ""})
    return [
        metrics_table(unserved, evaluation.of_outcome(kind), metrics, kind.capitalize() + words)
        for kind in summary.secondary_outcomes
        for metrics, words in (
            (ACCURACY, ": all models on the same held-out patients"),
            (CALIBRATION, ": calibration"),
        )
    ]


def subgroup_tables(summary: RunSummary, evaluation: Evaluation) -> list[Table]:
    """Return one table for each way to part the patients."""
    model, prefix = judged_model(summary), f"{evaluation.split}/subgroup="
    levels: dict[str, list[str]] = {}
    for name, level in _named_levels(evaluation.splits(prefix)):
        levels.setdefault(name, []).append(level)
    return [_subgroup_table(evaluation, model, name, found) for name, found in levels.items()]


def _named_levels(splits: Iterable[str]) -> list[tuple[str, str]]:
    """Return name and level of each split such as `sex:female`, without differences."""
    parted = [split.partition(":") for split in splits]
    named = [(name, level) for name, _, level in parted if level]
    known = {*named}
    return [(name, level) for name, level in named if not _is_difference(name, level, known)]


def _is_difference(name: str, level: str, known: set[tuple[str, str]]) -> bool:
    ends = [(level[:place], level[place + 1 :]) for place, sign in enumerate(level) if sign == "-"]
    return any((name, first) in known and (name, second) in known for first, second in ends)


def _subgroup_table(evaluation: Evaluation, model: str, name: str, levels: list[str]) -> Table:
    prefix = f"{evaluation.split}/subgroup={name}"
    header = [
        name.replace("_", " ").capitalize(), "Patients", "Reached it",
        *(Cell(m.label, anchor=m.term) for m in _SHORT.values()),
    ]  # fmt: skip
    rows = []
    for level in levels:
        row = _row(evaluation, model, f"{prefix}:{level}", level)
        events = evaluation.at(model, f"{prefix}:{level}", "events")
        count = Cell("withheld") if events is None else Cell(f"{events.value:.0f}")
        if events is not None and min(events.value, events.n - events.value) < FEW_EVENTS:
            count = Cell(count.text, "too few to judge")
        rows.append([row[0], row[1], count, *row[2:]])
    p = evaluation.at(model, prefix, "auroc_heterogeneity_p_holm")
    verdict = "" if p is None else f"; {_difference_words(p.value)}"
    return table(f"By {name.replace('_', ' ')}{verdict}", header, rows)


def _difference_words(p: float) -> str:
    shown = "p below 0.001" if p < 0.001 else f"p = {p:.2g}"
    if p < 0.05:
        return f"AUROC differs between the levels ({shown}, corrected for the number of looks)"
    return f"no difference in AUROC is shown ({shown}, corrected for the number of looks)"


def _row(evaluation: Evaluation, model: str, split: str, label: str) -> list[Cell]:
    found = {name: evaluation.at(model, split, name) for name in _SHORT}
    known = max(filter(None, found.values()), key=lambda estimate: estimate.n, default=None)
    cells = [
        metric_cell(name, found[name], metric) if found[name] else Cell("-")
        for name, metric in _SHORT.items()
    ]
    return [Cell(label), _patients(known), *cells]


def _patients(estimate: Estimate | None) -> Cell:
    return Cell("") if estimate is None else Cell(str(estimate.n))
