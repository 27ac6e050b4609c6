"""Rows of the evaluation table that leave-one-site-out adds: within sites, and site by site."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from training.learning.rows import BoolArray
from training.learning.splits import LEAVE_ONE_SITE_OUT
from training.performance import measures
from training.performance.held_out import HeldOut
from training.performance.judge import Judge, Row
from training.performance.measures import measure_set
from training.performance.site_summary import SiteAuroc, has_auroc, site_auroc, summarise_sites

WITHIN_SITE: Final = f"{LEAVE_ONE_SITE_OUT}/within_site"
SITE_PREFIX: Final = f"{LEAVE_ONE_SITE_OUT}/site="


def within_site_rows(judge: Judge) -> Iterator[Row]:
    """Yield what summarises the sites that have an AUROC; nothing when there is none."""
    held = judge.held.of(in_sites_with_auroc(judge.held))
    if held.n == 0:
        return
    within = replace(judge, split=WITHIN_SITE, held=held)
    names = np.unique(held.site)
    sites = [_auroc_of(held.of(held.site == name), judge.confidence) for name in names]
    summary = summarise_sites(sites, judge.confidence)
    yield within.row("auroc", summary.mean, summary.lower, summary.upper)
    if len(sites) > 1:
        yield within.row("auroc_tau", summary.tau)
    if len(sites) > 2:
        yield within.row(
            "auroc_prediction_interval",
            summary.mean, summary.prediction_lower, summary.prediction_upper,
        )  # fmt: skip
    yield from within.free_rows(measure_set(held, held.site_code, measures.precision))
    yield from within.by_outcome_rows(measure_set(held, held.site_code, measures.roc_curve))
    if held.varies_within_folds:
        yield from within.free_rows(measure_set(held, held.site_code, measures.slope_within))


def single_site_rows(judge: Judge) -> Iterator[Row]:
    """Yield the rows of each site, in alphabetical order."""
    for name in np.unique(judge.held.site):
        held = judge.held.of(judge.held.site == name)
        single = replace(judge, split=f"{SITE_PREFIX}{name}", held=held)
        if has_auroc(held.y):
            found = _auroc_of(held, judge.confidence)
            yield single.row("auroc", found.estimate, found.lower, found.upper)
        yield from single.free_rows(measure_set(held, held.fold, measures.brier_and_mean))


def _auroc_of(held: HeldOut, confidence: float) -> SiteAuroc:
    return site_auroc(held.y, held.probability, confidence)


def in_sites_with_auroc(held: HeldOut) -> BoolArray:
    """Return which patients are in sites that have an AUROC, shape (n,)."""
    names = [name for name in np.unique(held.site) if has_auroc(held.y[held.site == name])]
    member: BoolArray = np.isin(held.site, names)
    return member
