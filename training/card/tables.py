"""The tables of the card: figures with their intervals, groups, comparators, inputs."""

from collections.abc import Iterator

from data_schemas.filled_card import CardTable
from serving.asked_units import asked_range
from serving.model_document import FeatureDocument, ModelDocument
from training.card.evidence import CardEvidence
from training.card.patient_facts import unknown_share
from training.card.performance_facts import MEASURES, figure_of, group_levels, label_of
from training.performance.evaluation import EXTERNAL
from training.report.tables import Estimate

_COMPARED = ("auroc", "brier", "calibration_slope", "o_to_e")
_DIRECTIONS = {-1: "held to lower the chance", 0: "free", 1: "held to raise the chance"}


def card_tables(evidence: CardEvidence) -> tuple[CardTable, ...]:
    """Return every table; one without rows is left out."""
    tables = (
        _measures(evidence, "", "In held-out patients of the training cohort"),
        _models(evidence),
        _groups(evidence),
        _measures(evidence, EXTERNAL, "In patients of the other study"),
        _inputs(evidence),
    )
    return tuple(each for each in tables if each.rows)


def _measures(evidence: CardEvidence, split: str, caption: str) -> CardTable:
    found = {name: evidence.found(name, split) for name in MEASURES}
    return CardTable(
        caption=f"{caption}: {label_of(evidence, evidence.model)}",
        header=("Measure", f"Estimate ({evidence.level} interval)", "Patients"),
        rows=tuple(
            (MEASURES[name].label, figure_of(name, estimate), str(estimate.n))
            for name, estimate in found.items()
            if estimate
        ),
    )


def _models(evidence: CardEvidence) -> CardTable:
    served = evidence.summary.served_model
    return CardTable(
        caption="All models on the same held-out patients",
        header=("Model", *(MEASURES[name].label for name in _COMPARED)),
        rows=tuple(
            (
                model.label + (" (served)" if model.name == served else ""),
                *(figure_of(name, evidence.found(name, model=model.name)) for name in _COMPARED),
            )
            for model in evidence.summary.models
        ),
    )


def _groups(evidence: CardEvidence) -> CardTable:
    return CardTable(
        caption="In groups of patients; groups of fewer than five are withheld, and where fewer "
        "than five reached the outcome, or did not, all but the Brier score",
        header=("Group", "Patients", *(MEASURES[name].label for name in _COMPARED)),
        rows=tuple(
            (name, *_group(evidence, split)) for name, split in group_levels(evidence).items()
        ),
    )


def _group(evidence: CardEvidence, split: str) -> Iterator[str]:
    found: dict[str, Estimate | None] = {name: evidence.found(name, split) for name in _COMPARED}
    yield str(max(estimate.n for estimate in found.values() if estimate))
    for name, estimate in found.items():
        yield figure_of(name, estimate) if estimate else "withheld or not defined"


def _inputs(evidence: CardEvidence) -> CardTable:
    n = evidence.document.trained_on.n_patients
    return CardTable(
        caption="Inputs, those that move predictions most first; the usual range is that of about "
        "98 % of the training patients",
        header=("Input", "Usual range", "Unknown", "Direction", "Part of the model"),
        rows=tuple(
            (
                each.label,
                _usual_range(each, evidence.document),
                unknown_share(each.missing_share, n),
                _DIRECTIONS[each.monotone],
                f"{100 * each.importance:.0f} %",
            )
            for each in sorted(evidence.document.features, key=lambda each: -each.importance)
        ),
    )


def _usual_range(feature: FeatureDocument, document: ModelDocument) -> str:
    if feature.reference is None:
        return "withheld: too few had it"
    low, high = feature.reference.lowest_usual, feature.reference.highest_usual
    return asked_range(feature, low, high, document)
