"""Looked-up margins and SHAP values equal LightGBM's, for trees small and large."""

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from served_models import fit_boosters

from data_schemas.errors import ModelError
from serving.boosted_trees import LightGBMTrees, boosted_trees
from serving.booster_text import Tree, constant_tree, merge_boosters, read_trees, write_trees
from serving.tree_tables import MAXIMUM_SPLITS, TreeTables

FloatArray = npt.NDArray[np.float64]
N_FEATURES = 5


def random_rows(rng: np.random.Generator, n: int) -> FloatArray:
    X = rng.normal(size=(n, N_FEATURES))
    X[:, 3] = X[:, 3] > 0.5
    X[:, 4] = 1.0
    X[rng.random(X.shape) < 0.25] = np.nan
    return X


def merged_text(leaves: int) -> str:
    X = random_rows(np.random.default_rng(8), 400)
    signal = np.nan_to_num(X[:, 0] * X[:, 1]) + np.isnan(X[:, 2]) + np.nan_to_num(X[:, 3])
    return merge_boosters(fit_boosters(X, signal > 0.5, n_bags=3, leaves=leaves))


SMALL = merged_text(MAXIMUM_SPLITS + 1)
TABLES = boosted_trees(SMALL, N_FEATURES)
BOOSTER = lightgbm.Booster(model_str=SMALL)

rows = hypothesis_numpy.arrays(
    np.float64,
    N_FEATURES,
    elements=st.floats(-4, 4) | st.sampled_from([np.nan, 0.0, -0.0, 1.0, 1e300, -1e300]),
)


@given(rows)
def test_tables_equal_lightgbm_on_any_row(row: FloatArray) -> None:
    by_tree, by_feature = TABLES.outputs(row)
    expected = np.asarray(BOOSTER.predict(row[None, :], pred_contrib=True))[0]
    assert np.abs(by_feature - expected[:-1]).max() < 1e-9
    assert abs(TABLES.baseline - expected[-1]) < 1e-9
    margin = np.asarray(BOOSTER.predict(row[None, :], raw_score=True))[0]
    assert abs(by_tree.sum() - margin) < 1e-9
    assert abs(TABLES.baseline + by_feature.sum() - margin) < 1e-9


def test_values_at_the_thresholds_go_where_lightgbm_sends_them() -> None:
    thresholds = sorted({t for tree in read_trees(SMALL, N_FEATURES) for t in tree.threshold})
    finite = [t for t in thresholds if np.isfinite(t)]
    for threshold in finite:
        for value in (threshold, np.nextafter(threshold, np.inf)):
            row = np.full(N_FEATURES, value)
            margin = np.asarray(BOOSTER.predict(row[None, :], raw_score=True))[0]
            assert abs(TABLES.outputs(row)[0].sum() - margin) < 1e-12


def test_some_splits_part_the_missing_from_the_known() -> None:
    assert any(np.isinf(tree.threshold).any() for tree in read_trees(SMALL, N_FEATURES))


def test_each_tree_gives_its_own_share() -> None:
    row = random_rows(np.random.default_rng(1), 1)[0]
    by_tree = TABLES.outputs(row)[0]
    assert len(by_tree) == BOOSTER.num_trees()
    for number in range(0, len(by_tree), 7):
        alone = BOOSTER.predict(
            row[None, :], raw_score=True, start_iteration=number, num_iteration=1
        )
        assert by_tree[number] == pytest.approx(np.asarray(alone)[0], abs=1e-15)


def test_small_trees_are_tabulated_and_large_ones_are_not() -> None:
    assert isinstance(TABLES, TreeTables)
    assert isinstance(boosted_trees(merged_text(MAXIMUM_SPLITS + 2), N_FEATURES), LightGBMTrees)


def test_both_forms_agree() -> None:
    slow = LightGBMTrees(read_trees(SMALL, N_FEATURES), N_FEATURES)
    assert slow.baseline == pytest.approx(TABLES.baseline, abs=1e-12)
    for row in random_rows(np.random.default_rng(2), 20):
        for fast_part, slow_part in zip(TABLES.outputs(row), slow.outputs(row), strict=True):
            assert np.allclose(fast_part, slow_part, atol=1e-12)


def test_large_trees_give_additive_contributions() -> None:
    trees = boosted_trees(merged_text(31), N_FEATURES)
    for row in random_rows(np.random.default_rng(4), 20):
        by_tree, by_feature = trees.outputs(row)
        assert trees.baseline + by_feature.sum() == pytest.approx(by_tree.sum(), abs=1e-9)


def test_shap_values_are_the_shapley_values_of_the_tree_game() -> None:
    """Recomputed from the definition, on one tree in which a feature splits twice."""
    tree = Tree(
        split_feature=np.array([0, 1, 0]),
        threshold=np.array([0.5, 0.0, 2.0]),
        decision_type=np.array([2, 8, 10]),
        left_child=np.array([1, -1, -3]),
        right_child=np.array([2, -2, -4]),
        leaf_value=np.array([1.0, -2.0, 0.5, 4.0]),
        internal_count=np.array([20, 12, 8]),
        leaf_count=np.array([5, 7, 6, 2]),
    )
    row = np.array([1.0, -3.0, np.nan, 0.0, 0.0])

    # Of 20 training rows 12 go left at the first split, and 5 of these left again; 6 of 8 on the
    # right go left. This patient goes right, then left.
    def game(known: set[int]) -> float:
        on_left = 1.0 if 1 in known else (5 * 1.0 + 7 * -2.0) / 12
        on_right = (6 * 0.5 + 2 * 4.0) / 8
        return 0.5 if 0 in known else (12 * on_left + 8 * on_right) / 20

    tables = TreeTables([tree, constant_tree(0.25)], N_FEATURES)
    by_tree, by_feature = tables.outputs(row)
    for player, other in ((0, 1), (1, 0)):
        alone = game({player}) - game(set())
        after_the_other = game({0, 1}) - game({other})
        assert by_feature[player] == pytest.approx((alone + after_the_other) / 2, abs=1e-15)
    assert by_feature[2:].tolist() == [0.0] * (N_FEATURES - 2)
    assert by_tree.tolist() == [0.5, 0.25]
    assert tables.baseline == pytest.approx(game(set()) + 0.25)


def test_constant_trees_alone_explain_nothing() -> None:
    text = write_trees([constant_tree(0.5), constant_tree(-0.25)], N_FEATURES)
    by_tree, by_feature = boosted_trees(text, N_FEATURES).outputs(np.full(N_FEATURES, np.nan))
    assert by_tree.sum() == 0.25
    assert by_feature.tolist() == [0.0] * N_FEATURES


def test_another_width_is_refused() -> None:
    with pytest.raises(ModelError, match="over 6 features"):
        boosted_trees(SMALL, N_FEATURES + 1)
