import numpy as np
import pytest
from cohort_tables import quick_config, simulated_table
from scipy.special import logit

from training.learning.booster import margin_of
from training.learning.boosting import fit_bag
from training.learning.rows import TrainingRows
from training.learning.splits import Split, inner_splits

CONFIG = quick_config()


def rows(signal: float = 1.0, seed: int = 0) -> TrainingRows:
    return simulated_table(signal=signal, seed=seed).training_rows()


def splits(of: TrainingRows, repeats: int = 2) -> list[Split]:
    return inner_splits(of.y, of.site, minimum_sites=3, folds=3, repeats=repeats, seed=7)


def test_out_of_fold_margins_come_from_boosters_that_never_saw_the_patient() -> None:
    data = rows()
    folds = splits(data)
    bag = fit_bag(data, folds, CONFIG.boosting, seed=7)
    base_rates = [logit(data.y[fold.train].mean()) for fold in folds]
    for row in (0, 17, 101):
        unseen = [
            margin_of(booster, data.X[[row]])[0] - base_rate
            for booster, fold, base_rate in zip(bag.boosters, folds, base_rates, strict=True)
            if row in fold.test
        ]
        assert len(unseen) == 2
        expected = np.mean(unseen) + np.mean(base_rates)
        np.testing.assert_allclose(bag.out_of_fold_margin[row], expected)


def test_bag_is_the_mean_of_its_boosters() -> None:
    data = rows()
    bag = fit_bag(data, splits(data), CONFIG.boosting, seed=7)
    each = [margin_of(booster, data.X) for booster in bag.boosters]
    np.testing.assert_allclose(bag.margin(data.X), np.mean(each, axis=0), atol=1e-12)


def test_signal_is_found_out_of_fold() -> None:
    data = rows(signal=1.5)
    margin = fit_bag(data, splits(data), CONFIG.boosting, seed=7).out_of_fold_margin
    assert margin[data.y].mean() > margin[~data.y].mean() + 0.1


@pytest.mark.parametrize("n", [12, 30])
def test_small_cohorts_fit_without_a_warning(n: int) -> None:
    data = simulated_table(n=n, n_sites=1).training_rows()
    bag = fit_bag(data, splits(data), CONFIG.boosting, seed=7)
    assert np.isfinite(bag.margin(data.X)).all()
