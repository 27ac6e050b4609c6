"""What the card says of how well the model does, from `evaluation.csv`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from data_schemas.filled_card import CardPart
from training.card.evidence import CardEvidence, figure
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL
from training.performance.evaluation import EXTERNAL
from training.report.tables import ACCURACY, CALIBRATION, SLOPE, Estimate, Metric
from training.stability.measures import STABILITY

MEASURES: Final[Mapping[str, Metric]] = {
    **ACCURACY,
    **CALIBRATION,
    "calibration_slope": replace(
        CALIBRATION["calibration_slope"], label="Calibration slope (ideal 1)"
    ),
    "calibration_intercept": replace(
        CALIBRATION["calibration_intercept"], label="Calibration intercept (ideal 0)"
    ),
}
_NO_OTHER_COHORT: Final = "None: the model was not tested on patients of any other study."
_ALIKE_BELOW: Final = 0.05


def performance_facts(evidence: CardEvidence) -> dict[str, CardPart]:
    """Return facts by the name that the standards ask for them."""
    words = {
        "discrimination": ("Discrimination", measured(evidence, "auroc")),
        "calibration": ("Calibration", measured(evidence, *CALIBRATION)),
        "accuracy": ("Accuracy", measured(evidence, "brier", "brier_scaled", "log_loss")),
        "tested_on": ("Tested on", _tested_on(evidence)),
        "subgroups": ("By group", _subgroups(evidence)),
        "subgroup_differences": ("Differences between groups", _subgroup_differences(evidence)),
        "heterogeneity": ("At a further site", _heterogeneity(evidence)),
        "stability": ("Stability", _stability(evidence)),
        "interpretation": ("What the figures mean", interpretation(evidence)),
        **_external(evidence),
    }
    return {
        name: CardPart(label=label, text=text, source="run")
        for name, (label, text) in words.items()
    }


def measured(evidence: CardEvidence, *metrics: str, split: str = "") -> str:
    """Return figures of the judged model with their intervals and patients."""
    found = {name: evidence.found(name, split) for name in metrics}
    known = {name: estimate for name, estimate in found.items() if estimate}
    if not known:
        return f"Could not be estimated{_whose(evidence)}."
    told = [
        f"{MEASURES[name].label} {figure_of(name, estimate)}" for name, estimate in known.items()
    ]
    n = max(estimate.n for estimate in known.values())
    return f"{'; '.join(told)}; {evidence.level} intervals, {n} patients{_whose(evidence)}."


def figure_of(name: str, estimate: Estimate | None) -> str:
    """Return an estimate of a measure with its interval, and say so where it cannot be read."""
    told = figure(estimate, MEASURES[name].digits)
    unsteady = name == SLOPE and estimate is not None and estimate.is_unsteady_slope
    return f"{told}, too uncertain to be read" if unsteady else told


def _whose(evidence: CardEvidence) -> str:
    if evidence.model == evidence.summary.served_model:
        return ""
    return (
        f" (of the comparator “{label_of(evidence, evidence.model)}”; the served model gives "
        "everyone the base rate)"
    )


def label_of(evidence: CardEvidence, model: str) -> str:
    """Return a model's name in plain language."""
    return next(each.label for each in evidence.summary.models if each.name == model)


def _tested_on(evidence: CardEvidence) -> str:
    brier = evidence.found("brier", evidence.evaluation.split)
    n = f"{brier.n} " if brier else ""
    return f"{n}patients of the training cohort, each predicted while held out."


def group_levels(evidence: CardEvidence) -> dict[str, str]:
    """Return the split of every group of patients that was judged, by a name such as "sex female".

    A group has a Brier score of its own; a difference of two groups has none.
    """
    prefix = f"{evidence.evaluation.split}/subgroup="
    return {
        name.replace("_", " ").replace(":", " "): prefix + name
        for name in evidence.evaluation.splits(prefix)
        if ":" in name and evidence.found("brier", prefix + name)
    }


def _subgroups(evidence: CardEvidence) -> str:
    told = []
    for name, split in group_levels(evidence).items():
        auroc, ratio = evidence.found("auroc", split), evidence.found("o_to_e", split)
        if auroc or ratio:
            told.append(f"{name}: AUROC {figure(auroc)}, observed to expected {figure(ratio)}")
    if not told:
        return "No group had enough patients of either outcome to be judged."
    return "\n".join(told) + f"\n({evidence.level} intervals)"


def _subgroup_differences(evidence: CardEvidence) -> str:
    prefix = f"{evidence.evaluation.split}/subgroup="
    names = [name for name in evidence.evaluation.splits(prefix) if ":" not in name]
    tests = {name: evidence.found("auroc_heterogeneity_p_holm", prefix + name) for name in names}
    told = [f"{name.replace('_', ' ')}: {_p_words(test)}" for name, test in tests.items() if test]
    if not told:
        return "No two groups could be compared."
    return (
        "Whether AUROC differs between the levels, corrected for the number of looks: "
        f"{'; '.join(told)}."
    )


def _p_words(test: Estimate) -> str:
    shown = "p below 0.001" if test.value < 0.001 else f"p = {test.value:.2g}"
    return f"{'it does' if test.value < _ALIKE_BELOW else 'not shown'} ({shown})"


def _heterogeneity(evidence: CardEvidence) -> str:
    ahead = {
        name: evidence.evaluation.average_site(evidence.model, f"{name}_prediction_interval")
        for name in ("auroc", "o_to_e")
    }
    told = [
        f"{_plain(name)} between {found.lower:.2f} and {found.upper:.2f}"
        for name, found in ahead.items()
        if found and found.has_interval
    ]
    if not told:
        return "Too few sites to say how they differ."
    return f"Expected there: {'; '.join(told)} ({evidence.level} prediction intervals)."


def _plain(metric: str) -> str:
    return MEASURES[metric].label.partition(" (")[0]


def _stability(evidence: CardEvidence) -> str:
    mape = evidence.found("mape", STABILITY)
    if mape is None:
        return "Not examined: the run has no bootstraps of the pipeline."
    return (
        "Trained again on resampled cohorts, a patient's chance moves on average by "
        f"{figure(mape, 3)} ({mape.n} patients)."
    )


def interpretation(evidence: CardEvidence) -> str:
    """Say what the figures show and do not show, by their intervals."""
    auroc, gain = evidence.found("auroc"), _gain(evidence)
    told = []
    if auroc is None or not auroc.has_interval:
        told.append("Whether it tells patients apart could not be estimated.")
    elif auroc.lower > 0.5:
        # As on the report's first screen, where the interval is shown with two digits.
        how = "better" if round(auroc.lower, 2) > 0.5 else "only just better"
        told.append(f"It tells patients apart {how} than chance.")
    else:
        told.append("It is not shown to tell patients apart better than chance.")
    base = evidence.found("brier", evidence.evaluation.split, f"{evidence.model} - {BASE_RATE}")
    if base is not None and base.has_interval:
        better = "more accurate than" if base.upper < 0 else "not shown to be more accurate than"
        told.append(
            f"It is {better} giving everyone the base rate: the Brier score differs by "
            f"{figure(base, 4, '+')}."
        )
    if gain is not None and gain.has_interval:
        adds = "adds to" if gain.lower > 0 else "is not shown to add to"
        told.append(
            f"Connectivity {adds} the clinical inputs: AUROC changes by {figure(gain, 3, '+')} in "
            f"{gain.n} patients."
        )
    return " ".join(told)


def _gain(evidence: CardEvidence) -> Estimate | None:
    return evidence.found("auroc", model=f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}")


def _external(evidence: CardEvidence) -> dict[str, tuple[str, str]]:
    """Return what is known from another study's patients; a plain no where there are none."""
    other = evidence.summary.external
    names = {
        "external_source": "Other cohort",
        "external_process": "How it was tested there",
        "external_validity": "Figures there",
        "external_fairness": "By group, there",
        "external_comparison": "Patients there",
    }
    if other is None:
        return {name: (label, _NO_OTHER_COHORT) for name, label in names.items()}
    population = evidence.summary.population
    there, here = other.n_events / other.n_patients, population.n_events / population.n_patients
    words = {
        "external_source": f"{other.name}: {other.description or 'not described'}.",
        "external_process": "The models of the run predicted everybody there, without a refit.",
        "external_validity": measured(evidence, *MEASURES, split=EXTERNAL),
        "external_fairness": "Not examined: the figures there are not parted by group.",
        "external_comparison": (
            f"{other.n_patients} patients, of whom {other.n_events} ({100 * there:.0f} %) reached "
            f"the outcome, against {100 * here:.0f} % of those it learned from. Their inputs are "
            "not compared."
        ),
    }
    return {name: (label, words[name]) for name, label in names.items()}
