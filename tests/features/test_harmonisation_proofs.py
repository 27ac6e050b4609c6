"""What harmonisation does where the truth is known; `docs/harmonisation.md` shows the figures."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pandas as pd
import pytest
from scanner_study import (
    AGE_SLOPE,
    DOCS,
    HAZARD,
    N_SITES,
    NULL,
    PROCEDURES,
    REMOVAL,
    draw_scanned,
    hazard_markdown,
    held_out_auroc,
    null_markdown,
    removal_markdown,
    removal_table,
)

N_SEEDS = 6
CHANCE = 1 / N_SITES


def auroc(procedure: str, *, signal: bool, rates_differ: bool, within: bool = False) -> float:
    found = [
        held_out_auroc(
            draw_scanned(seed, signal=signal, rates_differ=rates_differ), PROCEDURES[procedure]
        )
        for seed in range(N_SEEDS)
    ]
    return fmean(each[within] for each in found)


def test_site_effects_are_removed_and_the_slope_of_age_is_kept() -> None:
    measured, taught, others, one_scanner = removal_table(2).to_dict("records")
    assert measured["variance_explained_by_site"] > 0.25
    assert measured["site_told"] > 0.9
    assert taught["variance_explained_by_site"] < 0.005
    assert taught["site_told"] < CHANCE + 0.05
    # What is left in others is the error of learning from a hundred patients a site.
    assert others["variance_explained_by_site"] < 0.02
    assert others["site_told"] < 0.5 * measured["site_told"]
    for harmonised in (taught, others):
        assert abs(harmonised["age_slope"] - AGE_SLOPE) < 0.1 * AGE_SLOPE
    assert abs(one_scanner["age_slope"] - AGE_SLOPE) < 0.1 * AGE_SLOPE


def test_scanners_that_tell_the_site_no_longer_tell_its_response_rate() -> None:
    assert auroc("no harmonisation", signal=False, rates_differ=True) > 0.75
    assert auroc("ComBat within each fold", signal=False, rates_differ=True) < 0.55


def test_the_outcome_as_covariate_makes_signal_where_there_is_none() -> None:
    within = auroc("ComBat within each fold", signal=False, rates_differ=True)
    leaky = auroc("ComBat on everyone, outcome as covariate", signal=False, rates_differ=True)
    assert leaky > within + 0.05
    assert leaky > 0.53


def test_without_it_signal_between_sites_is_lost_and_within_sites_is_kept() -> None:
    true, kept = "scanners that do not differ", "ComBat within each fold"
    lost = auroc(true, signal=True, rates_differ=True) - auroc(kept, signal=True, rates_differ=True)
    assert lost > 0.1
    within = [auroc(name, signal=True, rates_differ=True, within=True) for name in (true, kept)]
    assert within[0] - within[1] < 0.05


@pytest.mark.parametrize(
    ("table", "text"),
    [(REMOVAL, removal_markdown), (HAZARD, hazard_markdown), (NULL, null_markdown)],
)
def test_the_page_shows_the_measured_figures(
    table: Path, text: Callable[[pd.DataFrame], str]
) -> None:
    page = (DOCS / "harmonisation.md").read_text("utf-8")
    assert text(pd.read_csv(table)) in page
