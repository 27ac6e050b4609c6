"""The report's first screen: what a reader asks before anything else, and its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from serving.model_document import ModelDocument
from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.report.tables import Estimate, Evaluation
from training.report.words import (
    HELD,
    against_chance,
    best_sentence,
    calibration_verdict,
    chance_verdict,
    confidence_percent,
    judged_model,
    lower_first,
    pairs_sentence,
    sentence,
    sites_words,
)
from training.small_cells import SMALLEST_CELL
from training.summary import RunSummary

NO_SIGNAL: Final = "No usable signal was found: it gives every patient the base rate."
RESEARCH_ONLY: Final = "Research software, not a medical device."
_HELD_MEANS: Final = (
    "“Set in advance”: published studies agree on this direction, and the model was held to it. It "
    "could not have found the opposite, so this is no finding of this run."
)


@dataclass(frozen=True)
class Answer:
    """A question of the first screen, its answer, and what stands behind it."""

    question: str
    short: str
    details: tuple[str, ...]


def first_screen(
    summary: RunSummary,
    document: ModelDocument,
    evaluation: Evaluation,
    strongest: Sequence[str],
    *,
    ranking: str = "",
    out_of_scope: str = "",
) -> tuple[Answer, ...]:
    """Answer what a reader asks before anything else.

    Parameters
    ----------
    strongest : sequence of str
        The inputs that matter most, each with its direction; empty where nothing drives the model.
    ranking : str
        Whether these would be the same in other patients, where that is known.
    out_of_scope : str
        What the owner says that it is not for, where anything is said.
    """
    return (
        _what(summary),
        _whom(summary),
        _how_well(summary, document, evaluation),
        connectivity_answer(summary, evaluation),
        _what_matters(summary, strongest, ranking),
        _use(summary, document, out_of_scope),
    )


def _what_matters(summary: RunSummary, strongest: Sequence[str], ranking: str) -> Answer:
    nothing = "everyone gets the base rate"
    if summary.always_abstains is not None:
        nothing = "the model never answers"
    short = "; ".join(strongest) or f"Nothing: {nothing}"
    caution = "These are associations in these patients, not causes." if strongest else ""
    held = _HELD_MEANS if HELD in short else ""
    return Answer("What matters most?", f"{short}.", (caution, held, ranking))


def _what(summary: RunSummary) -> Answer:
    outcome = summary.outcome
    return Answer(
        "What is predicted?",
        f"{outcome.kind.capitalize()}: {outcome.describe()}.",
        ("The model gives a chance from 0 to 100 %, from what is known before treatment.",),
    )


def _whom(summary: RunSummary) -> Answer:
    population = summary.population
    kind = "simulated patients" if population.simulated else "patients"
    rate = population.n_events / population.n_patients
    who = sentence(population.description)
    return Answer(
        "In whom?",
        f"{population.n_patients} {kind} {sites_words(summary)}; {population.n_events} of them "
        f"({100 * rate:.0f} %) reached the outcome.{'' if population.simulated else f' {who}'}",
        (f"Treatment: {sentence(population.treatment)}", who if population.simulated else ""),
    )


def _how_well(summary: RunSummary, document: ModelDocument, evaluation: Evaluation) -> Answer:
    question, model = "How well?", judged_model(summary)
    auroc = evaluation.estimate(model, "auroc")
    if auroc is None:
        return Answer(question, "This could not be estimated.", (summary.split,))
    measured = (
        f"Measured in patients who were held out: {lower_first(summary.split)}",
        best_sentence(summary, evaluation),
    )
    if auroc.never_moves:
        told = (
            f"AUROC {auroc.number()}, no better than a coin: all held-out patients got the same "
            "figure, so there is no interval."
        )
        return Answer(question, told, measured)
    slope = evaluation.estimate(model, "calibration_slope")
    details = (
        whose_figure(summary, document),
        pairs_sentence(auroc, within_sites=summary.split_name == LEAVE_ONE_SITE_OUT),
        chance_verdict(auroc),
        calibration_verdict(slope) if slope is not None and slope.has_interval else "",
        *measured,
    )
    whose = "" if model == summary.served_model else ", of a model that is not served"
    figure = f"AUROC {auroc.text()}, {confidence_percent(summary)} interval{whose}."
    return Answer(question, figure + against_chance(auroc), details)


def whose_figure(summary: RunSummary, document: ModelDocument) -> str:
    """Say so where the figure is not that of the served model."""
    model = judged_model(summary)
    if model == summary.served_model:
        if not document.serves_base_rate:
            return ""
        return (
            "This is the figure of models learned in the same way with patients held out. The one "
            "that is served learned from all, found no usable signal, and gives everyone the base "
            "rate."
        )
    label = next(each.label for each in summary.models if each.name == model)
    return (
        f"This is the figure of the comparator “{label}”: the model that is served never answers."
    )


def connectivity_answer(summary: RunSummary, evaluation: Evaluation) -> Answer:
    """Say whether the model with connectivity is shown to be better than that without."""
    question = "Did brain connectivity help?"
    if LIGHTGBM_BOTH not in {model.name for model in summary.models}:
        reason = (
            "there are too few patients to compare models with and without it"
            if summary.always_abstains is not None
            else "no scan of the cohort could be used"
            if summary.connectomes.n_read
            else "the cohort has no brain scans"
        )
        return Answer(question, f"Not tested: {reason}.", ())
    gain = evaluation.estimate(f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}", "auroc")
    read = (scans_words(summary),)
    if gain is None or not gain.has_interval:
        return Answer(question, "Not shown: the difference could not be estimated.", read)
    if gain.never_moves:
        return Answer(question, "Not shown: with it and without it, all got the same figure.", read)
    if gain.lower > 0:
        short = "Yes, measurably"
    elif gain.upper < 0:
        short = "No: it made predictions worse"
    else:
        short = "Not shown"
    difference = gain.text(3, sign="+")
    return Answer(
        question,
        f"{short}: AUROC changes by {difference} when it is added to the clinical data.",
        (_whose_gain(summary, gain), *read),
    )


def scans_words(summary: RunSummary) -> str:
    """Say how many scans were accepted; empty where none was read, without a small count."""
    scans = summary.connectomes
    if not scans.n_read:
        return ""
    if 0 < scans.n_read - scans.n_accepted < SMALLEST_CELL:
        return f"{scans.n_accepted} brain scans were accepted, and fewer than five refused."
    return f"Of {scans.n_read} brain scans, {scans.n_accepted} were accepted."


def _whose_gain(summary: RunSummary, gain: Estimate) -> str:
    patients = f"Compared in the {gain.n} held-out patients who had it"
    if summary.split_name != LEAVE_ONE_SITE_OUT:
        return f"{patients}; the interval is that of the paired difference."
    return (
        f"{patients}, ranked within their sites: so it is not the difference of two figures in the "
        "table of all patients. The interval is that of the paired difference, at these sites."
    )


def _use(summary: RunSummary, document: ModelDocument, out_of_scope: str) -> Answer:
    question, found = "Can I use it?", cautions(summary, document)
    owner = (f"Out of scope, says its owner: {sentence(out_of_scope)}",) if out_of_scope else ()
    if summary.always_abstains is not None:
        why = sentence(summary.always_abstains)
        never = "" if "never answers" in why else "This model never answers. "
        return Answer(question, f"No. {never}{why}", (*found, *owner))
    # The banner says already that it is no medical device; the next reason is about this run.
    short = f"For research only, never to decide about a patient. {found[1]}"
    if document.serves_base_rate and found[1] != NO_SIGNAL:
        short = f"{short} {NO_SIGNAL}"
    return Answer(question, short, (*found, *owner))


def cautions(summary: RunSummary, document: ModelDocument) -> tuple[str, ...]:
    """Return every reason not to rely on this model, the gravest first."""
    population, arms = summary.population, summary.arms_trained_on
    found = [RESEARCH_ONLY]
    if summary.always_abstains is not None:
        found.append(f"This model always abstains, because: {sentence(summary.always_abstains)}")
    if population.simulated:
        found.append(
            "It was trained on simulated patients: nothing here is evidence about real ones."
        )
    if not population.is_tms:
        found.append(
            f"The treatment was not TMS: {sentence(population.treatment)} It says nothing about "
            "response to TMS."
        )
    if set(arms) - {"active"}:
        others = " and ".join(arm for arm in arms if arm != "active")
        found.append(
            f"Patients of the {others} arm were trained on too, so it speaks of improvement in "
            "general and not of response to the treatment."
        )
    if summary.always_abstains is None and document.serves_base_rate:
        found.append(NO_SIGNAL)
    if summary.external is None:
        found.append("It has not been tested on patients of any other study.")
    else:
        found.append(
            f"It has been tested on patients of one other study ({summary.external.name}) and "
            "nowhere else."
        )
    return tuple(found)
