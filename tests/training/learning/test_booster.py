from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest
from cohort_tables import simulated_table

from training.learning.booster import BinnedRows, BoosterSettings, fit_booster, margin_of
from training.learning.rows import TrainingRows

MAX_BIN = 31
SETTINGS = BoosterSettings(
    num_leaves=4,
    min_patients_a_leaf=20,
    n_trees=20,
    learning_rate=0.05,
    l2_penalty=10.0,
    feature_fraction=0.5,
)


def rows(signal: float = 1.0, seed: int = 0) -> TrainingRows:
    return simulated_table(signal=signal, seed=seed).training_rows()


def trees(booster: lightgbm.Booster) -> str:
    text = str(booster.model_to_string())
    return text[text.index("Tree=0") : text.index("end of trees")]


def by_hand(data: TrainingRows, **changes: Any) -> lightgbm.Booster:
    """Return the booster that LightGBM fits when it is told everything anew."""
    parameters = {
        "objective": "binary", "num_leaves": 4, "min_data_in_leaf": 20, "learning_rate": 0.05,
        "lambda_l2": 10.0, "feature_fraction": 0.5, "max_bin": MAX_BIN, "num_threads": 1,
        "monotone_constraints": list(data.monotone), "feature_pre_filter": False,
        "deterministic": True, "force_row_wise": True, "seed": 7, "verbosity": -1,
    } | changes  # fmt: skip
    binned = lightgbm.Dataset(data.X, label=data.y.astype(np.float64), params=parameters)
    return lightgbm.train(parameters, binned, num_boost_round=20)


def test_same_seed_gives_the_same_trees_bit_for_bit() -> None:
    one, other = (fit_booster(rows(), SETTINGS, MAX_BIN, seed=7) for _ in range(2))
    assert one.model_to_string() == other.model_to_string()


@pytest.mark.parametrize("leaves", [2, 4, 15])
def test_shared_bins_give_the_trees_of_lightgbm_on_its_own(leaves: int) -> None:
    data = rows()
    bins = BinnedRows(data, MAX_BIN, seed=7)
    bins.fit(replace(SETTINGS, num_leaves=31, min_patients_a_leaf=1))
    fitted = bins.fit(replace(SETTINGS, num_leaves=leaves))
    assert trees(fitted) == trees(by_hand(data, num_leaves=leaves))


def test_without_signs_nothing_is_constrained() -> None:
    data = replace(rows(), monotone=(0,) * len(rows().monotone))
    fitted = BinnedRows(data, MAX_BIN, seed=7).fit(SETTINGS)
    # Where a split met no missing value, either side may be meant for them.
    known = np.nan_to_num(rows(seed=1).X)
    np.testing.assert_allclose(
        margin_of(fitted, known), margin_of(by_hand(data), known), rtol=0, atol=1e-12
    )


def test_a_booster_grown_in_steps_is_that_of_as_many_trees() -> None:
    data, held_out = rows(), rows(seed=1).X
    growing = BinnedRows(data, MAX_BIN, seed=7).growing(SETTINGS, held_out)
    for n_trees in (1, 5, 5, 20):
        fitted = fit_booster(data, replace(SETTINGS, n_trees=n_trees), MAX_BIN, seed=7)
        np.testing.assert_allclose(
            growing.margin(n_trees), margin_of(fitted, held_out), rtol=0, atol=1e-12
        )


def test_a_booster_that_finds_no_split_stays_at_the_base_rate() -> None:
    data = replace(rows(), X=np.ones((240, len(rows().monotone))))
    growing = BinnedRows(data, MAX_BIN, seed=7).growing(SETTINGS, data.X)
    share = data.y.mean()
    for n_trees in (5, 20):
        np.testing.assert_allclose(growing.margin(n_trees), np.log(share / (1 - share)))


def test_order_of_the_patients_does_not_move_the_margins() -> None:
    data = rows()
    order = np.random.default_rng(1).permutation(len(data.y))
    plain = fit_booster(data, SETTINGS, MAX_BIN, seed=7)
    shuffled = fit_booster(data.rows(order), SETTINGS, MAX_BIN, seed=7)
    np.testing.assert_allclose(margin_of(plain, data.X), margin_of(shuffled, data.X), atol=1e-9)


def test_margins_are_monotone_where_the_table_says_so() -> None:
    data = rows(signal=-1.0)  # the data point against the declared sign
    column = data.monotone.index(-1)
    booster = fit_booster(data, SETTINGS, MAX_BIN, seed=7)
    grid = np.repeat(data.X[:1], 50, axis=0)
    grid[:, column] = np.linspace(0, 12, 50)
    assert np.all(np.diff(margin_of(booster, grid)) <= 1e-12)
