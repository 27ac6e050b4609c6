"""Checks of the columns that the models learn from."""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from data_schemas.cohort_sections import ExtraMeasurement
from training.checks.duplicates import duplicated_patients
from training.checks.evidence import Check, Evidence
from training.checks.predictors import single_predictors, site_columns

# The best that all baseline columns together reached for remission, and for response, in 356
# patients (doi:10.14288/1.0392572): one column alone should not do better.
BEST_BASELINE_MODEL: Final = 0.735
ORDINARY_BASELINE_MODEL: Final = 0.634
_BASELINE: Final = "depression_severity"
_HARDLY_KNOWN: Final = 0.05
_FEWEST_AT_A_SITE: Final = 10
_LISTED: Final = 5

_LATE_WORDS: Final = re.compile(
    r"\b(after|during|following|end of|throughout)( the)? (course of )?"
    r"(treatment|r?tms|therapy|stimulation)\b"
    r"|\bpost[- ]?(treatment|r?tms|therapy|stimulation|baseline|session)\b"
    r"|\b(session|visit) ?#?([2-9]|[1-9]\d)\b|\b(week|month) ?#?[1-9]\d*\b"
    r"|\b(follow[- ]?up|endpoint|discharge|remitters?|responders?|drop[- ]?outs?|completers?)\b"
    r"|\b(change|improvement|reduction|fall) (from|since) (baseline|before|the first|session|pre)"
    r"|\bsessions? (received|completed|delivered|attended|given)\b"
    r"|\bearly (improvement|response)\b",
    re.IGNORECASE,
)
_LATE_COLUMN: Final = re.compile(
    r"(^|[_.])(eot|eos|exit|closing|w[1-9]\d?|wk[1-9]\d?)(_|$)", re.IGNORECASE
)


def _sounds_late(evidence: Evidence) -> Iterator[str]:
    for name, extra in evidence.cohort.spec.extra.items():
        if not extra.before_treatment and (words := _late_words(extra)):
            yield f"extra.{name} speaks of “{words}”."


def _late_words(extra: ExtraMeasurement) -> str:
    for text in (extra.label, extra.meaning, extra.unit):
        if found := _LATE_WORDS.search(text):
            return found.group()
    found = _LATE_COLUMN.search(extra.column or "")
    return (extra.column or "") if found else ""


def _too_good(evidence: Evidence) -> Iterator[str]:
    # Remission is a total below a cutoff, which lies nearer to those who begin with a low total.
    seen = {_BASELINE} if evidence.document.outcome.kind == "remission" else set()
    for predictor in single_predictors(evidence.table):
        good = predictor.auroc > BEST_BASELINE_MODEL and predictor.lower > ORDINARY_BASELINE_MODEL
        if good and predictor.name not in seen:
            seen.add(predictor.name)
            yield (
                f"“{predictor.label}” alone tells outcomes apart with an AUROC of "
                f"{predictor.auroc:.2f} (at least {predictor.lower:.2f})."
            )


def _encodes_outcome(evidence: Evidence) -> Iterator[str]:
    for column in site_columns(evidence.table):
        if column.follows_outcome:
            yield (
                f"“{column.label}” has one value a site, and that value follows the site's rate of "
                "the outcome."
            )


def _gives_site_away(evidence: Evidence) -> Iterator[str]:
    for column in site_columns(evidence.table):
        if not column.follows_outcome:
            yield f"“{column.label}” has one value a site and tells {column.sites} sites apart."


def _twice(evidence: Evidence) -> Iterator[str]:
    found = duplicated_patients(evidence.table.X)
    count = int(np.count_nonzero(found))
    if count:
        sites = len(np.unique(evidence.table.site[found]))
        where = "at one site" if sites == 1 else f"at {sites} sites"
        yield (
            f"{count} patients {where} are the same as another patient in all predictors, or in "
            "all but one."
        )


def _hardly_known(evidence: Evidence) -> Iterator[str]:
    share = np.mean(~np.isnan(evidence.table.X), axis=0)
    rare = [f.label for f, known in zip(evidence.table.features, share, strict=True)
            if 0 < known < _HARDLY_KNOWN]  # fmt: skip
    if rare:
        yield f"Known in fewer than {100 * _HARDLY_KNOWN:.0f} % of the patients: {_listed(rare)}."


def _at_some_sites(evidence: Evidence) -> Iterator[str]:
    table = evidence.table
    names, counts = np.unique(table.site, return_counts=True)
    large = names[counts >= _FEWEST_AT_A_SITE]
    if len(large) < 2:
        return
    share = np.array([np.mean(~np.isnan(table.X[table.site == name]), axis=0) for name in large])
    partly = (share.min(axis=0) == 0) & (share.max(axis=0) >= 0.5)
    labels = [
        "connectivity" if feature.group == "connectivity" else feature.label
        for feature, found in zip(table.features, partly, strict=True)
        if found
    ]
    if labels:
        yield f"Known at some sites and never at others: {_listed(list(dict.fromkeys(labels)))}."


def _listed(labels: list[str]) -> str:
    shown = "; ".join(labels[:_LISTED])
    return shown + (f"; and {len(labels) - _LISTED} more" if len(labels) > _LISTED else "")


PREDICTOR_CHECKS: Final = (
    Check(
        "TMS003",
        "Predictor that sounds as if known only after treatment",
        "error",
        "What is measured once treatment has begun tells of the outcome itself: with the scores of "
        "week 1, a model explained 28 % of the improvement, and with those of week 3, 46 %. Before "
        "treatment nobody has it. Columns and fields whose names say so are refused; this one says "
        "so in its description.",
        "Leave it out. If it was measured before the first session, say before_treatment = true, "
        "and describe it otherwise.",
        "Liu 2020, doi:10.14288/1.0392572",
        _sounds_late,
    ),
    Check(
        "TMS010",
        "Patients who are in the data twice",
        "error",
        "A patient who is learned from and held out at once is recognised and not predicted, so "
        "performance is too good. Agreement in so many numbers is not by chance.",
        "Keep one row a patient: the first course, or merge the two ids.",
        "Poldrack 2020, doi:10.1001/jamapsychiatry.2019.3671",
        _twice,
    ),
    Check(
        "TMS011",
        "One predictor tells outcomes apart implausibly well",
        "error",
        "One column alone does better than all baseline variables together did in a published "
        "cohort (0.634 for response and 0.735 for remission in 356 patients). It was probably "
        "measured after treatment, or made from the outcome. The baseline total is not held "
        "against remission, whose cutoff lies nearer to a low one.",
        "Find out when and how it was recorded; leave it out if that was not before treatment.",
        "Liu 2020, doi:10.14288/1.0392572",
        _too_good,
    ),
    Check(
        "TMS012",
        "Predictor made from the outcome of each site",
        "error",
        "One value a site that follows the site's rate of the outcome is the outcome itself, "
        "averaged (target encoding). It carries the held-out patients' outcomes into the model.",
        "Leave it out. Sites are for holding out, never a predictor.",
        "Poldrack 2020, doi:10.1001/jamapsychiatry.2019.3671",
        _encodes_outcome,
    ),
    Check(
        "TMS013",
        "Predictor that gives the site away",
        "warning",
        "The model can tell sites apart by it, and so learn their rates of the outcome, which do "
        "not hold elsewhere. Leave-one-site-out shows what is left; folds of single patients do "
        "not.",
        "Leave it out, unless patients of one site can differ in it.",
        "Nieto 2026, doi:10.1016/j.neucom.2026.133146",
        _gives_site_away,
    ),
    Check(
        "TMS030",
        "Predictor known in hardly anybody",
        "note",
        "It cannot be learned from, and adds to the predictors that a sample is counted against.",
        "Leave it out, or look whether its column and missing codes are right.",
        "",
        _hardly_known,
    ),
    Check(
        "TMS031",
        "Predictor recorded at some sites only",
        "note",
        "That it is missing tells the site, and what it says of the outcome is learned from fewer "
        "patients than the cohort has.",
        "Judge the model at sites that record it and at sites that do not.",
        "",
        _at_some_sites,
    ),
)
