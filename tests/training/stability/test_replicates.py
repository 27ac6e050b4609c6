"""Bootstraps of the pipeline are pure, keep the sites, and never learn a patient by heart."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import quick_config, simulated_table

from training.learning.models import BoostedModel, fit_boosted
from training.learning.rows import TrainingRows
from training.learning.splits import inner_splits
from training.stability.replicates import (
    BootstrapPlan,
    Replicates,
    draw_within_sites,
    fit_replicate,
)

CONFIG = quick_config()


def null_rows(seed: int, n: int = 90) -> TrainingRows:
    """Patients of one site whose outcome has nothing to do with their features."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.5
    return TrainingRows(rng.normal(size=(n, 6)), y, np.array(["only"] * n), (0,) * 6)


def plan_of(rows: TrainingRows) -> BootstrapPlan:
    return BootstrapPlan(rows, CONFIG, rows.X[:7] + 1.0)


def test_a_replicate_depends_on_its_number_alone() -> None:
    plan = plan_of(simulated_table(n=120, n_sites=3).training_rows())
    first, second = fit_replicate(plan, 0), fit_replicate(plan, 1)
    for name, values in fit_replicate(plan, 0).items():
        np.testing.assert_array_equal(values, first[name])
    assert not np.array_equal(first["log_odds"], second["log_odds"])
    together = Replicates.of([first, second])
    assert (together.log_odds.shape, together.probe_log_odds.shape) == ((2, 120), (2, 7))
    assert len(together) == 2


def test_probes_are_asked_of_the_same_model() -> None:
    rows = simulated_table(n=120, n_sites=3).training_rows()
    result = fit_replicate(BootstrapPlan(rows, CONFIG, rows.X[5:9]), 3)
    np.testing.assert_array_equal(result["probe_log_odds"], result["log_odds"][5:9])


def test_every_site_keeps_its_size() -> None:
    site = np.array(["a"] * 30 + ["b"] * 9 + ["c"] * 2)
    for seed in range(20):
        drawn = draw_within_sites(site, np.random.default_rng(seed))
        names, counts = np.unique(site[drawn], return_counts=True)
        assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {"a": 30, "b": 9, "c": 2}


def test_about_63_percent_of_the_patients_are_drawn() -> None:
    drawn = draw_within_sites(np.array(["only"] * 5000), np.random.default_rng(1))
    # 1 - 1/e; its SE is 0.3 points at n = 5000.
    assert len(np.unique(drawn)) / 5000 == pytest.approx(1 - np.exp(-1), abs=0.012)


def out_of_fold_slopes(*, together: bool) -> list[float]:
    """Return unconstrained slopes of out-of-fold margins on the outcome, in bootstraps of noise."""
    slopes = []
    for number in range(12):
        rows = null_rows(number)
        drawn = draw_within_sites(rows.site, np.random.default_rng(number))
        sample = replace(rows.rows(drawn), patient=drawn if together else None)
        fitted = fit_boosted(sample, CONFIG)
        assert isinstance(fitted, BoostedModel)
        margin = fitted.bag.out_of_fold_margin
        slopes.append(float(np.cov(margin, sample.y)[0, 1] / np.var(margin)))
    return slopes


def test_duplicates_do_not_make_a_signal_out_of_noise() -> None:
    together, apart = (np.array(out_of_fold_slopes(together=t)) for t in (True, False))
    # On noise the slope is as often negative as positive.
    assert np.mean(together > 0) < 0.8
    # The naive folds hold copies of the patients learned from, and "find" a signal every time.
    assert np.mean(apart > 0) == 1
    assert np.median(apart) > np.median(together) + 0.1


def test_folds_of_a_bootstrap_sample_hold_each_patient_once() -> None:
    rows = null_rows(3)
    drawn = draw_within_sites(rows.site, np.random.default_rng(0))
    splits = inner_splits(
        rows.y[drawn], rows.site, minimum_sites=3, folds=5, repeats=3, seed=0, patient=drawn
    )
    for split in splits:
        assert not set(drawn[split.train]) & set(drawn[split.test])
