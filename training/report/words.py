"""The report's sentences: the numbers of a run, for a reader from outside the field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import expm1, isnan
from typing import Final

from features.table import LOG_MONTHS, YES_NO
from serving.model_document import ModelDocument
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.report.tables import ACCURACY, Estimate, Evaluation, Metric
from training.small_cells import SMALLEST_CELL
from training.summary import RunSummary

DOMAINS: Final[Mapping[str, str]] = {
    "severity": "Severity",
    "history": "History of the illness",
    "medication": "Medication",
    "person": "Person",
    "plan": "Treatment plan",
    "networks": "Brain networks",
    "extra": "Further measurements",
}
RESEARCH_ONLY: Final = "Research software, not a medical device."
# Below it, higher and lower values of an input push the prediction either way.
_CLEAR_DIRECTION: Final = 0.5
HELD: Final = "held to it"
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


def against_chance(auroc: Estimate) -> str:
    """Say in a sentence whether an AUROC is above one half; empty without an interval."""
    if not auroc.has_interval:
        return ""
    if auroc.lower <= 0.5:
        verdict = "Not shown to be better"
    else:
        # The interval is shown with two digits: one from 0.502 reads as if it began at chance.
        verdict = "Better" if round(auroc.lower, 2) > 0.5 else "Only just better"
    return f" {verdict} than chance, 0.5."


def judged_model(summary: RunSummary) -> str:
    """Return the model whose figures stand first: the served one, if it tells patients apart."""
    if summary.served_model != BASE_RATE:
        return summary.served_model
    return summary.models[-1].name


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


def best_models(
    summary: RunSummary, evaluation: Evaluation, name: str, metric: Metric
) -> frozenset[str]:
    """Return the models with the best value of a metric as it is shown, rounding included.

    Empty where no direction is better, or fewer than two models have the metric.
    """
    found = {
        model.name: estimate
        for model in summary.models
        if (estimate := evaluation.estimate(model.name, name))
    }
    if not metric.better or len(found) < 2:
        return frozenset()
    choose = max if metric.better == "higher" else min
    best = choose(found.values(), key=lambda estimate: estimate.value).number(metric.digits)
    return frozenset(model for model, e in found.items() if e.number(metric.digits) == best)


def best_sentence(summary: RunSummary, evaluation: Evaluation) -> str:
    """Say which model had the smallest Brier score, and whether the served one differs."""
    labels = {model.name: model.label for model in summary.models}
    best = best_models(summary, evaluation, "brier", ACCURACY["brier"])
    served = evaluation.estimate(summary.served_model, "brier")
    if served is None or not best:
        return ""
    if summary.served_model in best:
        return (
            f"Of {len(labels)} models compared, none had a smaller Brier score than the one that "
            "is served." + _against_base_rate(summary, evaluation)
        )
    named = " and ".join(f"“{label}”" for name, label in labels.items() if name in best)
    top = evaluation.estimate(min(best), "brier")
    pair = f"{summary.served_model} - {min(best)}"
    difference = evaluation.at(pair, evaluation.split, "brier")
    return (
        f"Of {len(labels)} models compared, {named} had the smallest Brier score: "
        f"{top.number(3) if top else ''}, against {served.number(3)} of the one that is served"
        + (f"; {brier_difference_words(difference)}." if difference else ".")
    )


def brier_difference_words(difference: Estimate) -> str:
    """Say whether one model is shown to be more accurate than another, by paired difference."""
    figure = f"(difference {difference.text(4, '+')} in {difference.n} patients)"
    if difference.lower > 0:
        return f"it is shown to be less accurate {figure}"
    if difference.upper < 0:
        return f"it is shown to be more accurate {figure}"
    return f"they are not shown to differ {figure}"


def _against_base_rate(summary: RunSummary, evaluation: Evaluation) -> str:
    pair = f"{summary.served_model} - {BASE_RATE}"
    difference = evaluation.at(pair, evaluation.split, "brier")
    if difference is None:
        return ""
    return f" Against giving everyone the base rate: {brier_difference_words(difference)}."


def pairs_sentence(auroc: Estimate, *, within_sites: bool = False) -> str:
    """Say what an AUROC means; within sites, both patients of a pair are of one site."""
    pair = "two patients of the same site, one" if within_sites else "one patient"
    return (
        f"Shown {pair} who reached the outcome and one who did not, it gives the first "
        f"the higher chance in {100 * auroc.value:.0f} of 100 such pairs; a coin does so in 50."
    )


def chance_verdict(auroc: Estimate) -> str:
    """Say whether an AUROC can be told from chance."""
    if not auroc.has_interval:
        return "There are too few patients for an interval, so nothing can be concluded."
    if round(auroc.lower, 2) > 0.5:
        return "This is better than chance: all of the interval lies above 0.5."
    if auroc.lower > 0.5:
        return "This is better than chance, but only just: the interval begins hardly above 0.5."
    return "It is not shown to be better than chance: the interval reaches down to 0.5 or below."


def calibration_verdict(slope: Estimate) -> str:
    """Say whether the chances are too extreme or too timid."""
    figure = f"(calibration slope {slope.text()}, ideal 1)"
    if slope.upper < 0:
        return f"Higher chances went with fewer outcomes, so they mean nothing {figure}."
    if slope.upper < 1:
        return f"Its chances are too extreme: high ones too high, low ones too low {figure}."
    if slope.lower > 1:
        return f"Its chances are too timid: high ones too low, low ones too high {figure}."
    return f"Its chances are not shown to be too extreme or too timid {figure}."


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


def direction_words(direction: float, *, yes_no: bool, held: bool = False) -> str:
    """Say which way an input moves the prediction.

    Parameters
    ----------
    direction : float
        Rank correlation of value and contribution, -1 to 1; NaN where undefined.
    yes_no : bool
        Whether the input is a yes or no.
    held : bool
        Whether the model was held to the direction.
    """
    if isnan(direction):
        return "no direction"
    if abs(direction) < _CLEAR_DIRECTION:
        return "no single direction"
    subject = "“yes”" if yes_no else "a higher value"
    words = f"{subject} {'raises' if direction > 0 else 'lowers'} the chance"
    return f"{words} ({HELD})" if held else words


def value_words(value: float, unit: str) -> str:
    """Write one value of a simulated patient as a person would."""
    if isnan(value):
        return "unknown"
    if unit == YES_NO:
        return "yes" if value else "no"
    if unit.startswith("share of"):
        return f"{100 * value:.0f} % of{unit.removeprefix('share of')}"
    if unit == LOG_MONTHS:
        value, unit = round(expm1(value)), "months"
    one_of_them = value == 1 and unit in {"years", "months", "trials", "sessions", "points"}
    return f"{value:z.3g} {unit.removesuffix('s') if one_of_them else unit}".rstrip()


def confidence_percent(summary: RunSummary) -> str:
    """Return the level of the report's intervals, such as "95 %"."""
    validation = summary.config.get("validation")
    level = validation.get("confidence") if isinstance(validation, dict) else None
    return f"{100 * level:.0f} %" if isinstance(level, float) else "confidence"


def sentence(text: str) -> str:
    """Return text that begins with a capital letter and ends with one full stop."""
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def lower_first(text: str) -> str:
    """Return text with its first letter small."""
    return text[:1].lower() + text[1:]
