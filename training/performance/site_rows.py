"""Rows of the evaluation table about sites: summarised within them, and site by site."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from training.learning.rows import BoolArray, FloatArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance import measures
from training.performance.held_out import HeldOut
from training.performance.judge import Judge, Row
from training.performance.measures import Part, measure_set
from training.performance.site_summary import (
    RandomEffects,
    SiteAuroc,
    has_auroc,
    log_observed_to_expected,
    site_auroc,
    summarise_ratios,
    summarise_sites,
)
from training.small_cells import SMALLEST_CELL, may_be_shown

WITHIN_SITE: Final = f"{LEAVE_ONE_SITE_OUT}/within_site"
SITE_PREFIX: Final = f"{LEAVE_ONE_SITE_OUT}/site="


def within_site_rows(judge: Judge) -> Iterator[Row]:
    """Yield what summarises the sites that have an AUROC; nothing when there is none."""
    held = judge.held.of(in_sites_with_auroc(judge.held))
    if held.n == 0:
        return
    within = replace(judge, split=f"{judge.split}/within_site", held=held)
    yield from summary_rows(within, "auroc", within_site_auroc(held, judge.confidence))
    if all(held.probability[:, member].any() for member in _members_of_sites(held)):
        yield from summary_rows(within, "o_to_e", _within_site_ratio(held, judge.confidence))
    if judge.split == LEAVE_ONE_SITE_OUT:  # elsewhere one fit predicted everyone: see pooled rows
        yield from within.free_rows(measure_set(held, held.site_code, measures.precision_within))
    yield from within.by_outcome_rows(measure_set(held, held.site_code, measures.roc_curve))
    if held.varies_within_folds:
        yield from within.free_rows(measure_set(held, held.site_code, measures.slope_within))


def summary_rows(judge: Judge, metric: str, summary: RandomEffects) -> Iterator[Row]:
    """Yield the mean over sites, and tau and the prediction interval where there are enough."""
    yield judge.row(metric, summary.mean, summary.lower, summary.upper)
    if not np.isnan(summary.tau):
        yield judge.row(f"{metric}_tau", summary.tau)
    if not np.isnan(summary.prediction_lower):
        ends = summary.prediction_lower, summary.prediction_upper
        yield judge.row(f"{metric}_prediction_interval", summary.mean, *ends)


def within_site_auroc(
    held: HeldOut, confidence: float, weights: FloatArray | None = None
) -> RandomEffects:
    """Return the random-effects AUROC of patients in sites that each have an AUROC.

    Parameters
    ----------
    weights : ndarray, shape (n,), optional
        How much each patient counts.
    """
    sites = [
        _auroc_of(held.of(member), confidence, None if weights is None else weights[member])
        for member in _members_of_sites(held)
    ]
    return summarise_sites(sites, confidence)


def _within_site_ratio(held: HeldOut, confidence: float) -> RandomEffects:
    found = [
        log_observed_to_expected(held.y[member], held.probability[:, member].mean(axis=0))
        for member in _members_of_sites(held)
    ]
    log_ratios, variances = np.array(found).T
    return summarise_ratios(log_ratios, variances, confidence)


def single_site_rows(judge: Judge) -> Iterator[Row]:
    """Yield the rows of each site, in alphabetical order, small cells withheld.

    Brier score, O:E and slope are withheld where few patients are at a site, the last two also
    where few of them reached the outcome or did not, and all where it could be had by subtraction.
    """
    members = _members_of_sites(judge.held)
    counts = [int(np.count_nonzero(member)) for member in members]
    shown = may_be_shown(counts)
    for place, member in enumerate(members):
        held = judge.held.of(member)
        single = replace(judge, split=f"{judge.split}/site={held.site[0]}", held=held)
        if has_auroc(held.y):
            found = _auroc_of(held, judge.confidence)
            yield single.row("auroc", found.estimate, found.lower, found.upper)
        if shown[place]:
            parts: list[Part] = [measures.score]
            if held.smaller_class >= SMALLEST_CELL:
                parts.append(measures.event_ratio)
                parts += [measures.slope] if held.varies_within_folds else []
            yield from single.free_rows(measure_set(held, held.fold, *parts))


def _auroc_of(held: HeldOut, confidence: float, weights: FloatArray | None = None) -> SiteAuroc:
    return site_auroc(held.y, held.probability, confidence, weights)


def _members_of_sites(held: HeldOut) -> list[BoolArray]:
    return [held.site == name for name in np.unique(held.site)]


def in_sites_with_auroc(held: HeldOut) -> BoolArray:
    """Return which patients are in sites that have an AUROC, shape (n,)."""
    names = [name for name in np.unique(held.site) if has_auroc(held.y[held.site == name])]
    member: BoolArray = np.isin(held.site, names)
    return member
