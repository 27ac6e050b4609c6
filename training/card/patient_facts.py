"""What the card says of the patients and of the model's inputs, from the files of the run."""

from collections import Counter
from collections.abc import Mapping

from data_schemas.filled_card import CardPart
from training.card.evidence import CardEvidence, figure
from training.report.first_screen import cautions
from training.report.words import sentence, sites_known
from training.small_cells import SMALLEST_CELL
from training.summary import Characteristic, FlowCount, RunSummary

# Names of the domains of `features.table` in the singular, as a count needs them.
_DOMAINS: Mapping[str, str] = {
    "severity": "severity", "history": "history", "medication": "medication", "person": "person",
    "plan": "plan of treatment", "networks": "brain networks", "extra": "declared by the study",
}  # fmt: skip


def patient_facts(evidence: CardEvidence) -> dict[str, CardPart]:
    """Return facts by the name that the standards ask for them."""
    summary = evidence.summary
    population = summary.population
    words = {
        "population": ("Patients", f"{population.sentence()}. {sentence(population.description)}"),
        "treatment": ("Treatment", _treatment(summary)),
        "sites": ("Centres", _sites(summary)),
        "flow": ("From the tables to the model", flow_words(summary.flow)),
        "counts": ("Learned from", _counts(summary)),
        "demographic_inputs": ("Inputs of this kind", _demographic_inputs(evidence)),
        "demographics": ("Who they were", _demographics(evidence)),
        "inputs": ("Inputs", _inputs(evidence)),
        "instruments": ("Instruments", _instruments(evidence)),
        "missing_outcomes": ("Unknown outcomes", _missing_outcomes(evidence)),
        "licence": ("Licence of the data", population.licence),
        "citation": ("Source of the data", population.citation),
        "cautions": ("Cautions", "\n".join(cautions(summary, evidence.document))),
        "findings": ("Findings of the checks", _findings(summary)),
    }
    return {
        name: CardPart(label=label, text=text.strip(), source="run")
        for name, (label, text) in words.items()
    }


def _treatment(summary: RunSummary) -> str:
    kind = "" if summary.population.is_tms else " This is not TMS."
    return sentence(summary.population.treatment) + kind


def _sites(summary: RunSummary) -> str:
    if not sites_known(summary):
        return "Not recorded."
    n = summary.population.n_sites
    return "1 site." if n == 1 else f"{n} sites."


def flow_words(flow: tuple[FlowCount, ...]) -> str:
    """Return the flow in words; a step that left out fewer than five has no number of its own."""
    if not flow:
        return "The run does not tell."
    told = [f"{flow[-1].step}: {flow[-1].n_patients}"]
    last = flow[-1].n_patients
    for step in reversed(flow[:-1]):
        if 0 < step.n_patients - last < SMALLEST_CELL:
            told.append(f"{step.step}: fewer than {SMALLEST_CELL} more")
        else:
            told.append(f"{step.step}: {step.n_patients}")
            last = step.n_patients
    return "\n".join(reversed(told))


def _counts(summary: RunSummary) -> str:
    n, events = summary.population.n_patients, summary.population.n_events
    return f"{n} patients, of whom {events} ({100 * events / n:.0f} %) reached the outcome."


def _demographic_inputs(evidence: CardEvidence) -> str:
    features = evidence.document.features
    person = [each.label for each in features if each.domain == "person"]
    health = [each.label for each in features if each.domain == "severity"]
    extra = [each.label for each in features if each.domain == "extra"]
    return (
        f"Of the person: {_listed(person)}. Health status: {_listed(health)}. "
        + (f"Declared by the study: {_listed(extra)}. " if extra else "")
        + "Race, ethnicity, language, sexual orientation and gender identity are no fields of a "
        "patient here."
    )


def _listed(labels: list[str]) -> str:
    return ", ".join(labels) or "none"


def _demographics(evidence: CardEvidence) -> str:
    person = {each.label for each in evidence.document.features if each.domain == "person"}
    rows = [row for row in evidence.summary.characteristics if row.label in person]
    if not rows:
        return "No demographic variable is among the inputs, so the run knows of none."
    return "\n".join(_characteristic(row, evidence.summary) for row in rows)


def _characteristic(row: Characteristic, summary: RunSummary) -> str:
    n, events = summary.population.n_patients, summary.population.n_events
    reached = _group(row.mean_with_outcome, row.sd_with_outcome, events)
    others = _group(row.mean_without_outcome, row.sd_without_outcome, n - events)
    unit = f" ({row.unit})" if row.unit and row.sd_with_outcome is not None else ""
    return (
        f"{row.label}{unit}: {reached} in those who reached the outcome, {others} in the others, "
        f"unknown in {unknown_share(row.missing_share, n)}."
    )


def _group(mean: float | None, sd: float | None, n: int) -> str:
    if mean is None:
        return "withheld"
    if sd is not None:
        return f"{mean:z.3g} (SD {sd:.2g})"
    if any(0 < count < SMALLEST_CELL for count in (round(mean * n), round((1 - mean) * n))):
        return "withheld"
    return f"{100 * mean:.0f} %"


def unknown_share(share: float, n: int) -> str:
    """Return how many of n lack a value: a share, or that they are fewer than five."""
    if 0 < round(share * n) < SMALLEST_CELL:
        return f"fewer than {SMALLEST_CELL}"
    return f"{100 * share:.0f} %"


def _inputs(evidence: CardEvidence) -> str:
    domains = Counter(each.domain for each in evidence.document.features)
    counted = ", ".join(f"{count} {_DOMAINS.get(name, name)}" for name, count in domains.items())
    total = sum(domains.values())
    return (
        f"{total} {'input' if total == 1 else 'inputs'} ({counted}), listed with unit and usual "
        "range in the table of inputs."
    )


def _instruments(evidence: CardEvidence) -> str:
    document = evidence.document
    scales = {
        "Depression": document.depression_instrument,
        "Anxiety": document.anxiety_instrument,
    }
    known = [f"{name} on the {scale} only" for name, scale in scales.items() if scale]
    return "; ".join(known) + "." if known else "No scale is among the inputs."


def _missing_outcomes(evidence: CardEvidence) -> str:
    """Say how many outcomes are unknown, and what that could change."""
    split = f"{evidence.evaluation.split}/outcomes="
    weighted = evidence.found("brier", f"{split}weighted")
    known = evidence.found("brier", evidence.evaluation.split)
    if weighted is None or known is None:
        return (
            "Patients whose outcome is unknown were not learned from; the flow of patients counts "
            "them. What they could change was not estimated."
        )
    return (
        f"Patients whose outcome is unknown were not learned from. Weighted for who had an outcome "
        f"the Brier score is {figure(weighted, 3)}, against {figure(known, 3)}; bounds are in the "
        "report."
    )


def _findings(summary: RunSummary) -> str:
    told = [
        f"{each.code or each.severity} ({each.severity}): {sentence(each.message)}"
        for each in summary.findings
        if each.severity != "note"
    ]
    return "\n".join(told) or "The checks found no error and nothing to warn of."
