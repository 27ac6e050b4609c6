"""The report's sentences: the numbers of a run, for a reader from outside the field."""

from collections.abc import Mapping
from math import expm1, isnan
from typing import Final

from features.table import LOG_MONTHS, YES_NO
from training.learning.models import BASE_RATE
from training.learning.splits import UNKNOWN_SITE
from training.report.tables import ACCURACY, Estimate, Evaluation, Metric
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
# Below it, higher and lower values of an input push the prediction either way.
_CLEAR_DIRECTION: Final = 0.5
HELD: Final = "set in advance"


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
    """Say which model had the smallest Brier score, and how the served one does against it.

    How it does against the base rate is said as well, whichever model is the best.
    """
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
    against_base_rate = "" if BASE_RATE in best else _against_base_rate(summary, evaluation)
    return (
        f"Of {len(labels)} models compared, {named} had the smallest Brier score: "
        f"{top.number(3) if top else ''}, against {served.number(3)} of the one that is served"
        + (f"; {brier_difference_words(difference)}." if difference else ".")
        + against_base_rate
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
    if slope.is_unsteady_slope and slope.lower <= 1 <= slope.upper:
        return (
            "Whether its chances are too extreme or too timid cannot be told: in these "
            f"{slope.n} patients the calibration slope, ideally 1, may be anything from "
            f"{slope.interval()}."
        )
    if slope.upper < 1:
        return f"Its chances are too extreme: high ones too high, low ones too low {figure}."
    if slope.lower > 1:
        return f"Its chances are too timid: high ones too low, low ones too high {figure}."
    return f"Its chances are not shown to be too extreme or too timid {figure}."


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
    # After a comma stands the range, which belongs to an axis and not to a value.
    unit = unit.partition(",")[0]
    if unit == LOG_MONTHS:
        value, unit = round(expm1(value)), "months"
    one_of_them = value == 1 and unit in {"years", "months", "trials", "sessions", "points"}
    return f"{value:z.3g} {unit.removesuffix('s') if one_of_them else unit}".rstrip()


def sites_known(summary: RunSummary) -> bool:
    """Whether the site of any patient is recorded."""
    return any(site.site != UNKNOWN_SITE for site in summary.sites)


def sites_words(summary: RunSummary) -> str:
    """Return "at 8 sites", or that the site is not recorded, to follow a number of patients."""
    if not sites_known(summary):
        return f"({UNKNOWN_SITE})"
    n_sites = summary.population.n_sites
    return f"at {n_sites} site" if n_sites == 1 else f"at {n_sites} sites"


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
