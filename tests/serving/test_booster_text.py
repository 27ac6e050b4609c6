"""Merged boosters are the mean of their parts, and damaged text is refused."""

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from served_models import fit_boosters

from data_schemas.errors import ModelError
from serving.booster_text import Tree, merge_boosters, read_trees, write_trees

N_FEATURES = 4


@pytest.fixture(scope="module", name="X")
def random_columns() -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, N_FEATURES))
    X[:, 2] = X[:, 2] > 0
    X[rng.random(X.shape) < 0.2] = np.nan
    return X


@pytest.fixture(scope="module")
def boosters(X: npt.NDArray[np.float64]) -> list[lightgbm.Booster]:
    y = np.nan_to_num(X[:, 0]) + np.isnan(X[:, 1]) > 0.2
    return fit_boosters(X, y)


@pytest.fixture(scope="module")
def merged(boosters: list[lightgbm.Booster]) -> str:
    return merge_boosters(boosters)


def test_merged_margin_is_the_mean_margin(
    merged: str, boosters: list[lightgbm.Booster], X: npt.NDArray[np.float64]
) -> None:
    margins = [np.asarray(each.predict(X, raw_score=True)) for each in boosters]
    one = np.asarray(lightgbm.Booster(model_str=merged).predict(X, raw_score=True))
    assert np.abs(one - np.mean(margins, axis=0)).max() < 1e-12
    assert np.ptp(one) > 0.1


def test_merged_contributions_are_the_mean_contributions(
    merged: str, boosters: list[lightgbm.Booster], X: npt.NDArray[np.float64]
) -> None:
    parts = [np.asarray(each.predict(X, pred_contrib=True)) for each in boosters]
    one = np.asarray(lightgbm.Booster(model_str=merged).predict(X, pred_contrib=True))
    assert np.abs(one - np.mean(parts, axis=0)).max() < 1e-12


def test_every_bag_has_the_same_number_of_trees(
    merged: str, boosters: list[lightgbm.Booster]
) -> None:
    longest = max(each.num_trees() for each in boosters)
    assert min(each.num_trees() for each in boosters) < longest
    assert merged.count("\nTree=") == longest * len(boosters)


def test_one_bag_is_one_part_of_the_merged_trees(
    merged: str, boosters: list[lightgbm.Booster], X: npt.NDArray[np.float64]
) -> None:
    per_bag = max(each.num_trees() for each in boosters)
    whole = lightgbm.Booster(model_str=merged)
    for bag, booster in enumerate(boosters):
        part = whole.predict(
            X, raw_score=True, start_iteration=bag * per_bag, num_iteration=per_bag
        )
        alone = np.asarray(booster.predict(X, raw_score=True))
        assert np.allclose(np.asarray(part) * len(boosters), alone, atol=1e-12)


def test_a_booster_that_never_split_is_a_constant(X: npt.NDArray[np.float64]) -> None:
    y = np.arange(len(X)) < 50
    data = lightgbm.Dataset(X, y)
    settings = {"objective": "binary", "min_data_in_leaf": 1000, "verbosity": -1}
    stump = lightgbm.train(settings, data, num_boost_round=3)
    one = lightgbm.Booster(model_str=merge_boosters([stump, stump]))
    assert np.allclose(np.asarray(one.predict(X, raw_score=True)), np.log(50 / 150))


def test_no_value_of_a_single_patient_is_kept(
    merged: str, boosters: list[lightgbm.Booster], X: npt.NDArray[np.float64]
) -> None:
    extreme = repr(float(np.nanmin(X[:, 0])))
    assert any(extreme in each.model_to_string() for each in boosters)
    assert extreme not in merged
    assert "feature_infos=none none none none\n" in merged


def test_text_survives_reading_and_writing(merged: str) -> None:
    assert write_trees(read_trees(merged, N_FEATURES), N_FEATURES) == merged


def test_boosters_on_different_columns_are_refused(
    boosters: list[lightgbm.Booster], X: npt.NDArray[np.float64]
) -> None:
    narrower = fit_boosters(X[:, :2], np.nan_to_num(X[:, 0]) > 0, n_bags=1)
    with pytest.raises(ModelError, match="same columns"):
        merge_boosters([*boosters, *narrower])
    with pytest.raises(ModelError, match="at least one"):
        merge_boosters([])


def test_categorical_trees_are_refused() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, size=(200, 1)).astype(float)
    y = np.isin(X[:, 0], [1, 4])
    data = lightgbm.Dataset(X, y, categorical_feature=[0])
    settings = {"objective": "binary", "verbosity": -1, "min_data_per_group": 5}
    categorical = lightgbm.train(settings, data, num_boost_round=2)
    with pytest.raises(ModelError, match="numeric trees"):
        merge_boosters([categorical])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("split_feature=0", "split_feature=9"),
        ("split_feature=0", "split_feature=-1"),
        ("threshold=", "threshold=nan "),
        ("left_child=", "left_child=7 "),
        ("leaf_value=", "leaf_value=inf "),
        ("leaf_value=", "lost="),
        ("internal_count=", "internal_count=0 "),
        ("decision_type=", "decision_type=4 "),
        ("num_cat=0", "num_cat=1"),
        ("is_linear=0", "is_linear=1"),
        ("leaf_count=", "leaf_count=99999999999999999999 "),
        ("max_feature_idx=3", "max_feature_idx=4"),
        ("end of trees", ""),
        ("tree\nversion", "version"),
    ],
)
def test_damaged_trees_are_refused(merged: str, old: str, new: str) -> None:
    assert old in merged
    with pytest.raises(ModelError, match="train the model again"):
        read_trees(merged.replace(old, new, 1), N_FEATURES)


@pytest.mark.parametrize(
    ("left", "right"),
    [([1, 1], [-3, -2]), ([0, -1], [-3, -2]), ([-1, -1], [-3, -2]), ([-1, 0], [-3, -2])],
)
def test_children_that_form_no_tree_are_refused(left: list[int], right: list[int]) -> None:
    sound = Tree(
        split_feature=np.array([0, 1]),
        threshold=np.array([0.0, 1.0]),
        decision_type=np.array([2, 8]),
        left_child=np.array([1, -1]),
        right_child=np.array([-3, -2]),
        leaf_value=np.array([0.1, 0.2, 0.3]),
        internal_count=np.array([9, 5]),
        leaf_count=np.array([2, 3, 4]),
    )
    assert len(read_trees(write_trees([sound], N_FEATURES), N_FEATURES)) == 1
    children = {"left_child": np.array(left), "right_child": np.array(right)}
    broken = Tree(**{**vars(sound), **children})
    with pytest.raises(ModelError):
        read_trees(write_trees([broken], N_FEATURES), N_FEATURES)


@pytest.mark.parametrize("length", [0, 1, 100, 1000])
def test_truncated_text_is_refused(merged: str, length: int) -> None:
    with pytest.raises(ModelError, match="incomplete"):
        read_trees(merged[:length], N_FEATURES)
