"""The card's first screen: what, for whom, how good, with which cautions, and who to ask."""

from collections.abc import Iterable

from data_schemas.filled_card import NOT_PROVIDED, CardAnswer, CardStandard
from training.card.evidence import CardEvidence, figure
from training.card.performance_facts import interpretation
from training.report.first_screen import RESEARCH_ONLY, cautions, whose_figure
from training.report.tables import SLOPE
from training.report.words import calibration_verdict, sentence, sites_words


def warnings(evidence: CardEvidence) -> tuple[str, ...]:
    """Return what stands above everything else."""
    summary, population = evidence.summary, evidence.summary.population
    told = [RESEARCH_ONLY]
    told += ["Trained on simulated patients."] if population.simulated else []
    told += [] if population.is_tms else ["The treatment was not TMS."]
    if summary.always_abstains is not None:
        told.append("This model never answers for a patient.")
    elif evidence.document.serves_base_rate:
        told.append("This model gives everyone the base rate.")
    return tuple(told)


def first_answers(
    evidence: CardEvidence, standards: Iterable[CardStandard]
) -> tuple[CardAnswer, ...]:
    """Answer what a reviewer asks before anything else."""
    return (
        _what(evidence),
        _for_whom(evidence),
        _how_good(evidence),
        _cautions(evidence),
        _who_to_ask(evidence, standards),
    )


def _owner(label: str, said: str | None) -> str:
    return f"{label}: {sentence(said) if said else NOT_PROVIDED}"


def _what(evidence: CardEvidence) -> CardAnswer:
    outcome, use = evidence.summary.outcome, evidence.text.use
    return CardAnswer(
        question="What is it for?",
        short=f"It predicts {outcome.kind}: {outcome.describe()}.",
        details=(
            _owner("Intended use", use.intended_use),
            _owner("Part in the decision", use.decision_role),
        ),
    )


def _for_whom(evidence: CardEvidence) -> CardAnswer:
    population, use = evidence.summary.population, evidence.text.use
    kind = "simulated patients" if population.simulated else "patients"
    share = 100 * population.n_events / population.n_patients
    return CardAnswer(
        question="For whom?",
        short=f"It learned from {population.n_patients} {kind} {sites_words(evidence.summary)}, "
        f"of whom {population.n_events} ({share:.0f} %) reached the outcome.",
        details=(
            f"Cohort: {population.cohort}. {sentence(population.description)}".strip(),
            f"Treatment: {sentence(population.treatment)}",
            _owner("Intended patients", use.population),
            _owner("Intended users", use.users),
        ),
    )


def _how_good(evidence: CardEvidence) -> CardAnswer:
    auroc, slope = evidence.found("auroc"), evidence.found(SLOPE)
    details = [
        whose_figure(evidence.summary, evidence.document),
        interpretation(evidence),
        evidence.summary.split,
        calibration_verdict(slope) if slope is not None and slope.has_interval else "",
    ]
    if auroc is None:
        short = "AUROC could not be estimated."
    elif auroc.never_moves:
        short = f"AUROC {figure(auroc)}: all held-out patients got the same figure; 0.5 is chance."
    else:
        short = f"AUROC {figure(auroc)}, {evidence.level} interval; 0.5 is chance, 1 perfect."
    told = tuple(filter(None, details))
    return CardAnswer(question="How good is it?", short=short, details=told)


def _cautions(evidence: CardEvidence) -> CardAnswer:
    summary = evidence.summary
    found = [
        f"{each.code}: {sentence(each.message)}"
        for each in summary.findings
        if each.severity == "error" and not each.ignored
    ]
    if summary.always_abstains is not None:
        short = "Do not use it: it never answers."
    else:
        short = "For research only, never to decide about a patient."
    return CardAnswer(
        question="What are the cautions?",
        short=short,
        details=(
            *cautions(summary, evidence.document),
            *found,
            _owner("Out of scope", evidence.text.use.out_of_scope),
        ),
    )


def _who_to_ask(evidence: CardEvidence, standards: Iterable[CardStandard]) -> CardAnswer:
    developer = evidence.text.developer
    return CardAnswer(
        question="Who answers for it?",
        short=f"Contact: {developer.contact or NOT_PROVIDED}",
        details=(
            _owner("Developer", developer.name),
            _owner("Funding", developer.funding),
            *(f"{standard.title}; {tally_words(standard)}" for standard in standards),
        ),
    )


def tally_words(standard: CardStandard) -> str:
    """Return how many items are in which state, such as "of 15: 12 answered, 3 in part"."""
    states = ", ".join(f"{count} {state}" for state, count in standard.tally.items())
    return f"of {len(standard.items)}: {states}"
