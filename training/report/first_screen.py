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
)
from training.small_cells import SMALLEST_CELL
from training.summary import RunSummary

RESEARCH_ONLY: Final = "Research software, not a medical device."
_HELD_MEANS: Final = (
    "“Held to it”: on this direction published studies agree, and it was set before training. The "
    "model could not have found the opposite, so it is no finding of this run."
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
    ranking: str = "",
) -> tuple[Answer, ...]:
    """Answer what a reader asks before anything else.

    Parameters
    ----------
    strongest : sequence of str
        The inputs that matter most, each with its direction; empty where nothing drives the model.
    ranking : str
        Whether these would be the same in other patients, where that is known.
    """
    return (
        _what(summary),
        _whom(summary),
        _how_well(summary, evaluation),
        connectivity_answer(summary, evaluation),
        _what_matters(strongest, ranking),
        _use(summary, document),
    )


def _what_matters(strongest: Sequence[str], ranking: str) -> Answer:
    short = "; ".join(strongest) or "Nothing: everyone gets the same chance"
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
    sites = "1 site" if population.n_sites == 1 else f"{population.n_sites} sites"
    who = "" if population.simulated else f" {sentence(population.description)}"
    return Answer(
        "In whom?",
        f"{population.n_patients} {kind} at {sites}; {population.n_events} of them "
        f"({100 * rate:.0f} %) reached the outcome.{who}",
        (f"Treatment: {sentence(population.treatment)}", sentence(population.description)),
    )


def _how_well(summary: RunSummary, evaluation: Evaluation) -> Answer:
    model = judged_model(summary)
    auroc = evaluation.estimate(model, "auroc")
    if auroc is None:
        return Answer("How well?", "This could not be estimated.", (summary.split,))
    slope = evaluation.estimate(model, "calibration_slope")
    details = (
        _whose_figure(summary),
        pairs_sentence(auroc, within_sites=summary.split_name == LEAVE_ONE_SITE_OUT),
        chance_verdict(auroc),
        calibration_verdict(slope) if slope is not None and slope.has_interval else "",
        f"Measured in patients who were held out: {lower_first(summary.split)}",
        best_sentence(summary, evaluation),
    )
    whose = "" if model == summary.served_model else ", of a model that is not served"
    figure = f"AUROC {auroc.text()}, {confidence_percent(summary)} interval{whose}."
    short = figure + against_chance(auroc)
    return Answer("How well?", short, details)


def _whose_figure(summary: RunSummary) -> str:
    """Say so where the figure is not that of the served model."""
    model = judged_model(summary)
    if model == summary.served_model:
        return ""
    label = next(each.label for each in summary.models if each.name == model)
    return (
        f"This is the figure of the comparator “{label}”: the model that is served gives everyone "
        "the base rate, and does not answer."
    )


def connectivity_answer(summary: RunSummary, evaluation: Evaluation) -> Answer:
    """Say whether the model with connectivity is shown to be better than that without."""
    question = "Did brain connectivity help?"
    if LIGHTGBM_BOTH not in {model.name for model in summary.models}:
        reason = (
            "the cohort has no usable scan"
            if summary.always_abstains is None
            else "there are too few patients to compare models with and without it"
        )
        return Answer(question, f"Not tested: {reason}.", ())
    gain = evaluation.estimate(f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}", "auroc")
    read = (scans_words(summary),)
    if gain is None or not gain.has_interval:
        return Answer(question, "Not shown: the difference could not be estimated.", read)
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


def _use(summary: RunSummary, document: ModelDocument) -> Answer:
    question, found = "Can I use it?", cautions(summary, document)
    if summary.always_abstains is not None:
        why = sentence(summary.always_abstains)
        return Answer(question, f"No. This model never answers. {why}", found)
    # The banner says already that it is no medical device; the next reason is about this run.
    short = f"For research only, never to decide about a patient. {found[1]}"
    return Answer(question, short, found)


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
    if summary.always_abstains is None and document.calibration.slope == 0:
        found.append("No usable signal was found: it gives every patient the base rate.")
    if summary.external is None:
        found.append("It has not been tested on patients of any other study.")
    else:
        found.append(
            f"It has been tested on patients of one other study ({summary.external.name}) and "
            "nowhere else."
        )
    return tuple(found)
