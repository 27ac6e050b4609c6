"""LightGBM's text format, reduced to what a prediction needs.

A fitted model is `booster.txt`: the trees of all bags, one bag after the other, leaf values already
divided by the number of bags, so that the sum over all trees is the mean margin. LightGBM reads it
(`lightgbm.Booster(model_file="booster.txt")`), and so does this module, which checks every index
first: LightGBM's own parser trusts its input.

LightGBM's `feature_infos` (each feature's minimum and maximum, hence single patients' values) and
its parameters are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from data_schemas.errors import ModelError

if TYPE_CHECKING:
    import lightgbm

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Bits of LightGBM's decision_type: 1 categorical, 2 missing goes left, 4 zero is missing,
# 8 NaN is missing. Without the last, NaN is read as 0.
_DEFAULT_LEFT = 2
_NAN_IS_MISSING = 8
_READABLE_DECISIONS = (0, _DEFAULT_LEFT, _NAN_IS_MISSING, _NAN_IS_MISSING | _DEFAULT_LEFT)


@dataclass(frozen=True)
class Tree:
    """One regression tree with m splits and m + 1 leaves; a tree without splits is a constant.

    Attributes
    ----------
    split_feature : ndarray of int, shape (m,)
        Column of X at each split.
    threshold : ndarray of float, shape (m,)
        A value at or below it goes left.
    decision_type : ndarray of int, shape (m,)
        LightGBM's bits for missing values.
    left_child, right_child : ndarray of int, shape (m,)
        Index of a later split, or `-(leaf + 1)`.
    leaf_value : ndarray of float, shape (m + 1,)
        Log-odds added.
    internal_count, leaf_count : ndarray of int, shapes (m,) and (m + 1,)
        Training rows that passed; the weights of path-dependent SHAP.
    """

    split_feature: IntArray
    threshold: FloatArray
    decision_type: IntArray
    left_child: IntArray
    right_child: IntArray
    leaf_value: FloatArray
    internal_count: IntArray
    leaf_count: IntArray

    @property
    def n_splits(self) -> int:
        """Number of splits, m."""
        return len(self.split_feature)

    @property
    def nan_goes_left(self) -> npt.NDArray[np.bool_]:
        """Whether a missing value goes left, at each split."""
        nan_is_missing = (self.decision_type & _NAN_IS_MISSING) > 0
        default_left = (self.decision_type & _DEFAULT_LEFT) > 0
        return np.where(nan_is_missing, default_left, self.threshold >= 0)


def constant_tree(value: float) -> Tree:
    """Return a tree without splits, which adds `value` for everyone."""
    none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
    return Tree(
        none, nothing, none, none, none, np.array([value]), none, np.ones(1, dtype=np.int64)
    )


def read_trees(text: str, n_features: int) -> list[Tree]:
    """Parse and check every tree of a LightGBM text model.

    Raises
    ------
    ModelError
        When the text ends early, a number is missing, or a tree is not one over `n_features`
        numeric columns.
    """
    body, end, _ = text.partition("end of trees")
    if not text.startswith("tree\n") or not end:
        raise ModelError("The booster is incomplete; copy or train the model again.")
    try:
        trees = [_read_tree(block) for block in body.split("\nTree=")[1:]]
        sound = f"\nmax_feature_idx={n_features - 1}\n" in body
        sound = sound and all(_is_sound(tree, n_features) for tree in trees)
    except (KeyError, ValueError, OverflowError):
        sound = False
    if not sound or not trees:
        raise ModelError(
            f"The booster does not hold numeric trees over {n_features} features; "
            "copy or train the model again."
        )
    return trees


def _read_tree(block: str) -> Tree:
    fields = dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line)
    if fields.get("num_cat", "0") != "0" or fields.get("is_linear", "0") != "0":
        raise ValueError("only numeric trees with constant leaves")
    value = _floats(fields["leaf_value"])
    if len(value) == 1:
        return constant_tree(float(value[0]))
    return Tree(
        split_feature=_integers(fields["split_feature"]),
        threshold=_floats(fields["threshold"]),
        decision_type=_integers(fields["decision_type"]),
        left_child=_integers(fields["left_child"]),
        right_child=_integers(fields["right_child"]),
        leaf_value=value,
        internal_count=_integers(fields["internal_count"]),
        leaf_count=_integers(fields["leaf_count"]),
    )


def _floats(text: str) -> FloatArray:
    return np.array([float(number) for number in text.split()], dtype=np.float64)


def _integers(text: str) -> IntArray:
    return np.array([int(number) for number in text.split()], dtype=np.int64)


def _is_sound(tree: Tree, n_features: int) -> bool:
    m = tree.n_splits
    if len(tree.leaf_value) != m + 1 or not np.isfinite(tree.leaf_value).all():
        return False
    if m == 0:
        return True
    per_split = (tree.threshold, tree.decision_type, tree.left_child, tree.internal_count)
    if any(len(values) != m for values in (*per_split, tree.right_child)):
        return False
    if len(tree.leaf_count) != m + 1 or min(tree.internal_count.min(), tree.leaf_count.min()) < 1:
        return False
    # Every split but the first, and every leaf, hangs below exactly one earlier split.
    children = np.concatenate([tree.left_child, tree.right_child])
    return bool(
        np.array_equal(np.sort(children), [*range(-m - 1, 0), *range(1, m)])
        and _descends(tree.left_child)
        and _descends(tree.right_child)
        and np.all((tree.split_feature >= 0) & (tree.split_feature < n_features))
        and not np.isnan(tree.threshold).any()
        and np.isin(tree.decision_type, _READABLE_DECISIONS).all()
    )


def _descends(children: IntArray) -> bool:
    return bool(np.all((children < 0) | (children > np.arange(len(children)))))


def write_trees(trees: Iterable[Tree], n_features: int) -> str:
    """Return a LightGBM text model of these trees; the inverse of `read_trees`."""
    header = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={n_features - 1}\nobjective=binary sigmoid:1\n"
        f"feature_names={' '.join(f'x{column}' for column in range(n_features))}\n"
        f"feature_infos={' '.join(['none'] * n_features)}\n"
    )
    blocks = [f"\nTree={number}\n{_written(tree)}" for number, tree in enumerate(trees)]
    return header + "\n".join(blocks) + "\nend of trees\n"


def _written(tree: Tree) -> str:
    lines = [f"num_leaves={len(tree.leaf_value)}", "num_cat=0"]
    names = ("split_feature", "threshold", "decision_type", "left_child", "right_child",
             "leaf_value", "leaf_count", "internal_count")  # fmt: skip
    for name in names:
        values: list[float] = getattr(tree, name).tolist()
        lines.append(f"{name}={' '.join(map(repr, values))}")
    return "\n".join([*lines, "is_linear=0", "shrinkage=1\n"])


def merge_boosters(boosters: Sequence["lightgbm.Booster"]) -> str:
    """Merge the boosters of K bags into one, whose raw score is their mean raw score.

    Bags that stopped early are filled up with trees that add nothing, so that every bag has the
    same number of trees.

    Parameters
    ----------
    boosters : sequence of lightgbm.Booster, length K
        Binary boosters on the same numeric columns, with constant leaves.

    Returns
    -------
    str
        LightGBM text model, its features named x0, x1, ...

    Raises
    ------
    ModelError
        When there is no booster, the columns differ, or a tree is not numeric.
    """
    widths = {booster.num_feature() for booster in boosters}
    if len(widths) != 1:
        raise ModelError("Only boosters on the same columns can be merged, and at least one.")
    n_features: int = widths.pop()
    bags = [read_trees(booster.model_to_string(), n_features) for booster in boosters]
    trees_per_bag = max(len(bag) for bag in bags)
    merged = [
        _scaled(tree, 1.0 / len(bags))
        for bag in bags
        for tree in [*bag, *[constant_tree(0.0)] * (trees_per_bag - len(bag))]
    ]
    return write_trees(merged, n_features)


def _scaled(tree: Tree, factor: float) -> Tree:
    return Tree(**{**vars(tree), "leaf_value": tree.leaf_value * factor})
