"""Checks of what was treated, what could be read, and whether the model answers."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from training.checks.evidence import Check, Evidence
from training.cohort.records import Severity

# What other checks say better.
_SAID_ELSEWHERE: Final = frozenset(
    {"missing_outcome", "site_with_one_patient", "missing_site", "few_in_the_smaller_class"}
)


def _simulated(evidence: Evidence) -> Iterator[str]:
    if evidence.cohort.simulated:
        yield "The patients are simulated; nothing here is evidence about real patients."


def _not_tms(evidence: Evidence) -> Iterator[str]:
    treatment = evidence.cohort.spec.treatment
    if not treatment.is_tms:
        yield "The treatment was not TMS but: " + treatment.description.rstrip(".") + "."


def _several_arms(evidence: Evidence) -> Iterator[str]:
    arms = evidence.cohort.spec.arms
    if arms and set(arms.train_on) != {"active"}:
        yield (
            f"Not the active arm alone was learned from ({', '.join(arms.train_on)}), so the model "
            "speaks of improvement in general and not of response to the treatment."
        )


def _scans_refused(evidence: Evidence) -> Iterator[str]:
    for reason, count in evidence.table.connectomes.refused.items():
        yield f"{count} scans were refused because {reason}."


def _reading(severity: Severity, evidence: Evidence) -> Iterator[str]:
    for issue in evidence.cohort.issues:
        if issue.severity == severity and issue.code not in _SAID_ELSEWHERE:
            yield f"{issue.where}: {issue.message}"


def _never_answers(evidence: Evidence) -> Iterator[str]:
    if evidence.document.abstention.always:
        yield evidence.document.abstention.always


def _no_signal(evidence: Evidence) -> Iterator[str]:
    document = evidence.document
    if not document.abstention.always and document.calibration.slope == 0:
        yield (
            "No usable signal: out-of-fold margins do not rise with the outcome, so the model "
            "serves the base rate to everyone."
        )


SETTING_CHECKS: Final = (
    Check(
        "TMS022",
        "Simulated patients",
        "warning",
        "The data show that the program works, and nothing about patients.",
        "Train on a real cohort before concluding anything.",
        "",
        _simulated,
    ),
    Check(
        "TMS023",
        "Treatment other than TMS",
        "warning",
        "The model predicts the outcome of another treatment.",
        "Use it for that treatment only.",
        "",
        _not_tms,
    ),
    Check(
        "TMS024",
        "Other arms than the active one are learned from",
        "warning",
        "The model learns who improves, whatever the treatment.",
        'Set train_on = ["active"] where the active arm is large enough.',
        "",
        _several_arms,
    ),
    Check(
        "TMS027",
        "Scans refused",
        "warning",
        "Those patients count as having no connectivity. Whoever moves more in the scanner may "
        "respond otherwise, so that those who are left are not like the others.",
        "Look at the scans; the limits stand in the section [connectome] of the configuration.",
        "",
        _scans_refused,
    ),
    Check(
        "TMS028",
        "The model never answers",
        "warning",
        "The cohort is too small to fit anything on; the artefact abstains from every prediction.",
        "Train on more patients; `tms-response plan` says how many.",
        "",
        _never_answers,
    ),
    Check(
        "TMS029",
        "No usable signal",
        "warning",
        "What the trees learned does not carry over to patients who were held out within the "
        "training cohort, so everyone is given the base rate.",
        "Do not serve this model; look for better predictors or more patients.",
        "",
        _no_signal,
    ),
    Check(
        "TMS032",
        "Doubts that arose while reading",
        "warning",
        "Something in the tables, totals or files of the cohort is not as it should be.",
        "Run `tms-response check`, which shows the same, and mend the data or cohort.toml.",
        "",
        partial(_reading, "warning"),
    ),
    Check(
        "TMS033",
        "Remarks made while reading",
        "note",
        "Something in the cohort's tables or files is worth knowing.",
        "Nothing, where it is as intended.",
        "",
        partial(_reading, "note"),
    ),
)
