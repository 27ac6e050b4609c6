"""Checks of other patients: subgroups, other arms, those lost, those elsewhere or later."""

from collections.abc import Iterator
from functools import partial
from math import isnan
from typing import Final

from training.checks.evidence import Check, Evidence
from training.performance.evaluation import EXTERNAL, TEMPORAL
from training.report.tables import Estimate

FEWEST_EVENTS: Final = 10
_UNLIKELY: Final = 0.05


def _arms_alike(evidence: Evidence) -> Iterator[str]:
    prefix = f"{evidence.split}/arm=active-"
    for split in evidence.splits(prefix):
        difference, arm = evidence.estimate("auroc", split), split.removeprefix(prefix)
        if difference is None or isnan(difference.value):
            continue
        if not difference.has_interval:
            yield f"Too few are in the {arm} arm to say whether they are predicted as well."
        elif difference.lower <= 0:
            yield (
                f"AUROC in active less that in {arm} patients: {difference.text(sign='+')}, which "
                "does not exclude that they are predicted alike."
            )


def _worse(split: str, who: str, evidence: Evidence) -> Iterator[str]:
    here = evidence.overall("auroc")
    within = evidence.estimate("auroc", f"{split}/within_site")
    there = within or evidence.estimate("auroc", split)
    if here is None or there is None or not here.has_interval or not there.has_interval:
        return
    if there.upper < here.value and there.value < here.lower:
        where = " within sites" if within else ""
        yield (
            f"The AUROC{where} is {here.text()} in held-out patients and {there.text()} in {who}."
        )


def _small_subgroups(evidence: Evidence) -> Iterator[str]:
    prefix = f"{evidence.split}/subgroup="
    small = [
        split.removeprefix(prefix)
        for split in evidence.splits(prefix)
        if evidence.estimate("brier", split) is not None and _has_few(evidence, split)
    ]
    if small:
        yield f"Fewer than {FEWEST_EVENTS} patients of one outcome: {', '.join(small)}."


def _has_few(evidence: Evidence, split: str) -> bool:
    events = evidence.estimate("events", split)
    if events is None:
        # Withheld: too few, or to protect another level, which then still has its O:E.
        return evidence.estimate("o_to_e", split) is None
    return min(events.value, events.n - events.value) < FEWEST_EVENTS


def _subgroups_differ(evidence: Evidence) -> Iterator[str]:
    prefix = f"{evidence.split}/subgroup="
    words = {"auroc": "discrimination", "o_to_e": "the ratio of observed to expected outcomes"}
    for split in evidence.splits(prefix):
        for metric, what in words.items():
            p = evidence.estimate(f"{metric}_heterogeneity_p_holm", split)
            if p is not None and p.value < _UNLIKELY:
                name = split.removeprefix(prefix)
                yield f"By {name}, {what} differs by more than chance (p = {p.value:.3f})."


def _fragile(evidence: Evidence) -> Iterator[str]:
    observed = evidence.overall("auroc")
    if observed is None or not observed.has_interval or observed.lower <= 0.5:
        return
    for case, words in (("none_reached", "none"), ("all_reached", "all")):
        found = _in_case(evidence, case)
        if found is not None and found.has_interval and found.lower <= 0.5:
            yield (
                f"The AUROC is {observed.text()} where outcomes are known, but {found.text()} if "
                f"{words} of the other patients reached the outcome."
            )


def _in_case(evidence: Evidence, case: str) -> Estimate | None:
    split = f"{evidence.split}/outcomes={case}"
    return evidence.estimate("auroc", f"{split}/within_site") or evidence.estimate("auroc", split)


POPULATION_CHECKS: Final = (
    Check(
        "TMS009",
        "Sham or control patients not shown to be predicted worse than active ones",
        "warning",
        "It is not shown that the model tells who responds to this treatment: it may tell who "
        "improves under any, or no one.",
        "Do not speak of response to the treatment; call it improvement, or show the difference "
        "with more patients of the other arm.",
        "Siddiqi 2020, doi:10.1176/appi.ajp.2019.19090915",
        _arms_alike,
    ),
    Check(
        "TMS018",
        "Clearly worse in the external cohort",
        "warning",
        "Each estimate lies outside the other's interval: the model does not travel to that "
        "cohort, whose figure is the one to expect elsewhere.",
        "Report the external figure first; compare the patients, their treatment and the outcome.",
        "Chekroud 2024, doi:10.1126/science.adg8538",
        partial(_worse, EXTERNAL, "the other cohort"),
    ),
    Check(
        "TMS019",
        "Subgroup with fewer than 10 events",
        "note",
        "Figures of so few patients are mostly noise, whichever way they point.",
        "Draw no conclusion about that subgroup, good or bad.",
        "TRIPOD+AI 2024, item 14, doi:10.1136/bmj-2023-078378",
        _small_subgroups,
    ),
    Check(
        "TMS021",
        "Missing outcomes could overturn the result",
        "warning",
        "If all, or none, of the patients without an outcome had reached it, the AUROC's interval "
        "would hold 0.5. These are two cases among many: had some reached it, the AUROC could be "
        "lower or higher than in either.",
        "Ask for the missing totals; report both cases beside the main result.",
        "TRIPOD+AI 2024, item 11, doi:10.1136/bmj-2023-078378",
        _fragile,
    ),
    Check(
        "TMS036",
        "Performance differs between subgroups",
        "warning",
        "The model ranks, or is calibrated, better in some groups of patients than in others, by "
        "more than chance after correction for all such looks.",
        "Report the groups apart; find out whether they differ in treatment, rating or who is "
        "missing before the model is used in them.",
        "TRIPOD+AI 2024, item 14, doi:10.1136/bmj-2023-078378",
        _subgroups_differ,
    ),
    Check(
        "TMS038",
        "Clearly worse in patients treated later",
        "warning",
        "Each estimate lies outside the other's interval: patients, treatment or rating changed, "
        "and the model does not keep.",
        "Find out what changed; report the later figure first, and train on recent patients.",
        "Van Calster 2019, doi:10.1186/s12916-019-1466-7",
        partial(_worse, TEMPORAL, "those treated last"),
    ),
)
