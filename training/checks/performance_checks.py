"""Checks of how well patients who were held out were predicted."""

from collections.abc import Iterator
from typing import Final

from training.checks.evidence import Check, Evidence
from training.learning.models import BASE_RATE, MODEL_LABELS
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance.permutation import PERMUTATION
from training.report.tables import Estimate
from training.report.words import brier_difference_words
from training.stability.measures import STABILITY

# Upper end of the interval of the highest AUROC of a nested validation in TMS, which even knew the
# course of treatment: remission 0.745 (0.692 to 0.797), 232 patients,
# doi:10.1038/s41398-025-03380-w.
PLAUSIBLE_AUROC: Final = 0.797
# Baseline columns alone for response, 356 patients, doi:10.14288/1.0392572.
CLINICAL_AUROC: Final = 0.634
_UNLIKELY: Final = 0.05
# A fifth more or fewer outcomes than promised; a choice, symmetric on the log scale.
_TOLERATED_O_TO_E: Final = (0.8, 1.25)


def _implausible(evidence: Evidence) -> Iterator[str]:
    for model in evidence.models:
        auroc = evidence.overall("auroc", model)
        if auroc is not None and auroc.value > PLAUSIBLE_AUROC:
            yield f"{MODEL_LABELS[model]} reaches an AUROC of {auroc.text()} in held-out patients."


def _slope_off(evidence: Evidence) -> Iterator[str]:
    slope = evidence.overall("calibration_slope")
    if slope is None or not slope.has_interval or slope.lower <= 1 <= slope.upper:
        return
    how = "too extreme" if slope.upper < 1 else "too close to the base rate"
    yield f"The calibration slope is {slope.text()}; predictions are {how}."


def _beaten_by_base_rate(evidence: Evidence) -> Iterator[str]:
    difference = _brier_difference(evidence, BASE_RATE)
    if difference is not None:
        if difference.upper >= 0:
            said = brier_difference_words(difference)
            yield f"{MODEL_LABELS[evidence.model]} against the base rate: {said}."
        return
    scores = _brier_scores(evidence)
    if len(scores) > 1 and min(scores, key=scores.__getitem__) == BASE_RATE:
        yield "No model predicts held-out patients better than giving everyone the base rate."


def _most_accurate(evidence: Evidence) -> Iterator[str]:
    scores = _brier_scores(evidence)
    if scores:
        best = min(scores, key=scores.__getitem__)
        others = ", ".join(f"{MODEL_LABELS[name]} {score:.4f}" for name, score in scores.items())
        difference = _brier_difference(evidence, best)
        compared = (
            f" {MODEL_LABELS[evidence.model]} against it: {brier_difference_words(difference)}."
            if difference is not None
            else ""
        )
        yield f"{MODEL_LABELS[best]} has the smallest held-out Brier score ({others}).{compared}"


def _brier_difference(evidence: Evidence, other: str) -> Estimate | None:
    """Return the judged model's score less that of another; None without an interval."""
    found = evidence.estimate("brier", evidence.split, f"{evidence.model} - {other}")
    return found if found is not None and found.has_interval else None


def _brier_scores(evidence: Evidence) -> dict[str, float]:
    """Return each model's score over all held-out patients; nothing where one has none."""
    found = {name: evidence.estimate("brier", evidence.split, name) for name in evidence.models}
    scores = {name: brier.value for name, brier in found.items() if brier is not None}
    return scores if len(scores) == len(evidence.models) else {}


def _chance(evidence: Evidence) -> Iterator[str]:
    auroc = evidence.overall("auroc")
    if auroc is not None and auroc.never_moves:
        yield "All held-out patients got the same chance: nobody is told from anybody else."
    elif auroc is not None and auroc.has_interval and auroc.lower <= 0.5:
        yield f"The AUROC is {auroc.text()}, an interval that holds 0.5."


def _little_use(evidence: Evidence) -> Iterator[str]:
    auroc = evidence.overall("auroc")
    if auroc is None or not auroc.has_interval or auroc.never_moves:
        return
    if auroc.upper < CLINICAL_AUROC:
        yield f"The AUROC is {auroc.text()}; even its upper end lies below {CLINICAL_AUROC}."


def _further_site(evidence: Evidence) -> Iterator[str]:
    split = f"{LEAVE_ONE_SITE_OUT}/within_site"
    ahead, mean = (
        evidence.estimate(name, split) for name in ("auroc_prediction_interval", "auroc")
    )
    if ahead is None or mean is None or not ahead.has_interval or not mean.has_interval:
        return
    if ahead.lower <= 0.5 < mean.lower:
        yield f"The AUROC is {mean.text()} on average, but at a further site {ahead.interval()}."


def _permuted_alike(evidence: Evidence) -> Iterator[str]:
    p = evidence.estimate("auroc_p", PERMUTATION)
    if p is not None and p.value >= _UNLIKELY:
        yield (
            "With the outcome permuted, the whole pipeline reaches an AUROC as high as this one in "
            f"{100 * p.value:.0f} % of the cases."
        )


def _unlearnable(evidence: Evidence) -> Iterator[str]:
    share = evidence.estimate("share_without_signal", STABILITY)
    if share is not None and share.value > _UNLIKELY:
        yield (
            f"In {100 * share.value:.0f} % of the cohorts drawn again from these patients, nothing "
            "was learned that carries over."
        )


def _sites_off(evidence: Evidence) -> Iterator[str]:
    lowest, highest = _TOLERATED_O_TO_E
    prefix = f"{LEAVE_ONE_SITE_OUT}/site="
    for split in evidence.splits(prefix):
        ratio = evidence.estimate("o_to_e", split)
        if ratio is not None and (ratio.upper < lowest or ratio.lower > highest):
            yield (
                f"At {split.removeprefix(prefix)}, {ratio.text()} times as many reached the "
                "outcome as a model that had not seen the site promised."
            )


IMPLAUSIBLE: Final = Check(
    "TMS006",
    "AUROC above what the literature makes plausible",
    "error",
    "In cohorts of 232 to 388 patients with TMS, models reached 0.634 to 0.745, the best with "
    "an interval up to 0.797. Higher figures in this field come from small studies that wait "
    "to be replicated.",
    "Look for a predictor known only after treatment, a patient who is there twice, or "
    "anything done before the folds were made. Believe it once it holds in another cohort.",
    "UCSD cohort 2025, doi:10.1038/s41398-025-03380-w; Jin 2024, "
    "doi:10.1016/j.neubiorev.2024.105695; Chekroud 2024, doi:10.1126/science.adg8538",
    _implausible,
)

PERFORMANCE_CHECKS: Final = (
    IMPLAUSIBLE,
    Check(
        "TMS007",
        "Calibration slope interval excludes 1",
        "warning",
        "Below 1, high chances are given too high and low ones too low; above 1, predictions "
        "differ less than patients do.",
        "Read probabilities with that in mind; recalibrate on patients of the place of use.",
        "Van Calster 2019, doi:10.1186/s12916-019-1466-7",
        _slope_off,
    ),
    Check(
        "TMS014",
        "Not shown to predict better than the base rate",
        "warning",
        "For all that these patients show, giving everyone the same chance is as accurate as the "
        "model (Brier score).",
        "Report the base rate beside the model; serve none before a difference is shown.",
        "Van Calster 2025, doi:10.1016/j.landig.2025.100916",
        _beaten_by_base_rate,
    ),
    Check(
        "TMS015",
        "Chance is not excluded",
        "warning",
        "The interval of the AUROC holds 0.5: these patients do not show that the model can tell "
        "who reaches the outcome.",
        "Learn from and judge on more patients; `tms-response plan` gives the expected interval.",
        "Varoquaux 2018, doi:10.1016/j.neuroimage.2017.06.061",
        _chance,
    ),
    Check(
        "TMS016",
        "The interval excludes anything useful",
        "warning",
        "Even the upper end of the AUROC's interval lies below 0.634, which a few baseline columns "
        "reached for response in a published cohort.",
        "A model from this many patients is of little use; whether more patients would help, this "
        "cannot say. Look for other predictors, and for errors in the data.",
        "Liu 2020, doi:10.14288/1.0392572",
        _little_use,
    ),
    Check(
        "TMS017",
        "At a further site it may do no better than chance",
        "note",
        "On average over sites the model ranks better than chance, but sites differ so much that "
        "a new one may well not see it (the prediction interval holds 0.5).",
        "Validate at the site before use there.",
        "Debray 2019, doi:10.1177/0962280218785504",
        _further_site,
    ),
    Check(
        "TMS035",
        "Which model is the most accurate",
        "note",
        "By Brier score over all held-out patients. The smallest of several scores is partly "
        "chance: only a difference whose interval excludes 0 is shown.",
        "Prefer the simpler of two that are alike.",
        "Van Calster 2025, doi:10.1016/j.landig.2025.100916",
        _most_accurate,
    ),
    Check(
        "TMS037",
        "Not shown to predict better than with a permuted outcome",
        "warning",
        "The permutation test does not exclude that the predictors say nothing: the pipeline finds "
        "as much, often enough, where the outcome is shuffled within sites.",
        "Do not speak of prediction; learn from more patients.",
        "Ojala and Garriga 2010, Journal of Machine Learning Research 11:1833",
        _permuted_alike,
    ),
    Check(
        "TMS039",
        "Other draws of these patients teach nothing",
        "warning",
        "Had the cohort held slightly other patients, the model would often be the base rate: it "
        "is not stable.",
        "Learn from more patients or fewer predictors; read the instability plot.",
        "Riley and Collins 2023, doi:10.1002/bimj.202200302",
        _unlearnable,
    ),
    Check(
        "TMS040",
        "Chances clearly off at a site",
        "warning",
        "The whole interval of observed to expected outcomes at a held-out site lies outside 0.8 "
        "to 1.25: a model from the other sites promises its patients too much or too little.",
        "Find out how the site differs in patients, treatment or rating; at a new site, compare "
        "the chances with what happens before anyone relies on them.",
        "Van Calster 2019, doi:10.1186/s12916-019-1466-7",
        _sites_off,
    ),
)
