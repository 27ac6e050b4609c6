from dataclasses import replace
from typing import Literal

import lightgbm
import numpy as np
import pytest
from cohort_tables import quick_config, simulated_table
from sklearn.model_selection import cross_val_score

from training.config import BoostingConfig
from training.learning.booster import BinnedRows, BoosterSettings
from training.learning.rows import FloatArray, IntArray, TrainingRows
from training.learning.splits import Split, inner_splits
from training.learning.tuning import search_space, tune

Mode = Literal["racing", "exhaustive"]

CONFIG = quick_config().boosting
WEAK = BoosterSettings(
    num_leaves=2,
    min_patients_a_leaf=20,
    n_trees=10,
    learning_rate=0.001,
    l2_penalty=10.0,
    feature_fraction=0.5,
)
# On a strong signal, near a constant and hopelessly overfitted.
HOPELESS = [replace(WEAK, n_trees=n) for n in (1, 2, 5, 10, 20)] + [
    replace(WEAK, num_leaves=31, min_patients_a_leaf=1, learning_rate=rate, n_trees=40)
    for rate in (0.5, 0.9)
]
GOOD = replace(WEAK, learning_rate=0.1, n_trees=40)


def rows(signal: float = 1.0, seed: int = 0) -> TrainingRows:
    return simulated_table(signal=signal, seed=seed).training_rows()


def splits(of: TrainingRows, folds: int = 3) -> list[Split]:
    return inner_splits(of.y, of.site, minimum_sites=9, folds=folds, repeats=1, seed=7)


def configured(mode: Mode) -> BoostingConfig:
    return CONFIG.model_copy(update={"tuning": mode})


def random_candidates(n: int, seed: int) -> list[BoosterSettings]:
    rng = np.random.default_rng(seed)
    return [
        BoosterSettings(
            num_leaves=int(rng.integers(2, 9)),
            min_patients_a_leaf=int(rng.integers(5, 41)),
            n_trees=int(rng.integers(5, 41)),
            learning_rate=float(rng.uniform(0.02, 0.3)),
            l2_penalty=float(rng.uniform(0, 20)),
            feature_fraction=float(rng.uniform(0.3, 1)),
        )
        for _ in range(n)
    ]


def scikit_learn_loss(data: TrainingRows, folds: list[Split], settings: BoosterSettings) -> float:
    """Return the mean held-out log loss as scikit-learn finds it, each fit from nothing."""
    classifier = lightgbm.LGBMClassifier(
        num_leaves=settings.num_leaves,
        min_child_samples=settings.min_patients_a_leaf,
        n_estimators=settings.n_trees,
        learning_rate=settings.learning_rate,
        reg_lambda=settings.l2_penalty,
        colsample_bytree=settings.feature_fraction,
        max_bin=CONFIG.max_bin,
        monotone_constraints=list(data.monotone),
        random_state=7,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        feature_pre_filter=False,  # else columns are drawn from fewer features
        verbosity=-1,
    )
    parts = [(fold.train, fold.test) for fold in folds]
    scores = cross_val_score(classifier, data.X, data.y, cv=parts, scoring="neg_log_loss")
    return -float(scores.mean())


def test_search_space_is_every_combination() -> None:
    space = search_space(CONFIG)
    assert len(set(space)) == len(space) == 4
    assert {(s.num_leaves, s.n_trees) for s in space} == {(2, 5), (2, 20), (4, 5), (4, 20)}
    assert {s.l2_penalty for s in space} == {CONFIG.l2_penalty}


@pytest.mark.parametrize("seed", range(2))
def test_exhaustive_search_is_that_of_scikit_learn(seed: int) -> None:
    data = rows(seed=seed)
    folds = splits(data)
    candidates = [*random_candidates(3, seed), *search_space(CONFIG)]
    losses = [scikit_learn_loss(data, folds, each) for each in candidates]
    best = candidates[int(np.argmin(losses))]
    assert tune(data, folds, candidates, configured("exhaustive"), seed=7) == best


@pytest.mark.parametrize("seed", range(4))
def test_racing_keeps_a_clear_winner(seed: int) -> None:
    data = rows(signal=2.0, seed=seed)
    folds = splits(data, folds=5)
    candidates = [*HOPELESS, GOOD]
    assert tune(data, folds, candidates, configured("exhaustive"), seed=7) == GOOD
    assert tune(data, folds, candidates, configured("racing"), seed=7) == GOOD


@pytest.mark.parametrize("mode", ["racing", "exhaustive"])
@pytest.mark.parametrize("seed", range(2))
def test_order_of_the_candidates_does_not_matter(mode: Mode, seed: int) -> None:
    data = rows(seed=seed)
    candidates = random_candidates(9, seed)
    chosen = {
        tune(data, splits(data), order, configured(mode), seed=7)
        for order in (candidates, candidates[::-1], [*candidates[4:], *candidates[:4]])
    }
    assert len(chosen) == 1


@pytest.mark.parametrize("mode", ["racing", "exhaustive"])
def test_equal_candidates_go_to_the_smaller_model(mode: Mode) -> None:
    data = rows()
    flat = replace(data, X=np.ones_like(data.X))  # nothing to split on
    chosen = tune(flat, splits(flat), random_candidates(9, 0), configured(mode), seed=7)
    assert chosen == min(random_candidates(9, 0), key=lambda each: each.complexity)


def test_one_candidate_needs_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgbm, "Dataset", None)
    assert tune(rows(), splits(rows()), [GOOD, GOOD], configured("racing"), seed=7) == GOOD


@pytest.mark.parametrize("mode", ["racing", "exhaustive"])
def test_nothing_is_learned_from_the_held_out_rows(
    mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = rows()
    seen: list[FloatArray] = []
    learn = BinnedRows.__init__

    def recorded(self: BinnedRows, part: TrainingRows, max_bin: int, seed: int) -> None:
        seen.append(part.X)
        learn(self, part, max_bin, seed)

    monkeypatch.setattr(BinnedRows, "__init__", recorded)
    tune(data, splits(data), search_space(CONFIG), configured(mode), seed=7)
    assert seen
    for X, fold in zip(seen, splits(data), strict=False):
        np.testing.assert_array_equal(X, data.X[fold.train])


def test_rows_outside_all_folds_play_no_part() -> None:
    data = rows()
    folds = [Split(s.repeat, s.fold, within(s.train), within(s.test)) for s in splits(data)]
    X, y = data.X.copy(), data.y.copy()
    X[200:], y[200:] = 1e6, ~y[200:]
    for seed in range(3):
        candidates = random_candidates(6, seed)
        one, other = (
            tune(each, folds, candidates, configured("racing"), seed=7)
            for each in (data, replace(data, X=X, y=y))
        )
        assert one == other


def within(index: IntArray) -> IntArray:
    return index[index < 200]


def test_racing_grows_a_third_of_the_trees_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = 0
    update = lightgbm.Booster.update

    def counted(booster: lightgbm.Booster) -> bool:
        nonlocal grown
        grown += 1
        return bool(update(booster))

    monkeypatch.setattr(lightgbm.Booster, "update", counted)
    data, candidates = rows(), random_candidates(20, 0)
    tune(data, splits(data, folds=5), candidates, configured("racing"), seed=7)
    assert grown < 5 * sum(settings.n_trees for settings in candidates) / 3


def test_more_trees_are_chosen_on_signal_than_on_noise() -> None:
    settings = CONFIG.model_copy(update={"tree_counts": (5, 200)})

    def mean_trees(signal: float) -> float:
        tables = [rows(signal, seed) for seed in range(4)]
        space = search_space(settings)
        return float(np.mean([tune(t, splits(t), space, settings, 7).n_trees for t in tables]))

    assert mean_trees(signal=0.0) < 100 < mean_trees(signal=2.0)


@pytest.mark.parametrize("n", [12, 30])
@pytest.mark.parametrize("mode", ["racing", "exhaustive"])
def test_small_cohorts_are_tuned_too(n: int, mode: Mode) -> None:
    data = simulated_table(n=n, n_sites=1).training_rows()
    space = search_space(CONFIG)
    assert tune(data, splits(data), space, configured(mode), seed=7) in space
