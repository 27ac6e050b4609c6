"""Margins and exact SHAP values of small trees, looked up instead of computed.

A tree with m <= 8 splits sees a patient only as m yes-or-no decisions, so its output and its SHAP
values are functions of one number below 2^m. Both are tabulated once; a patient then costs one
comparison a distinct split and one row of a table a tree. The values are those of LightGBM's
`pred_contrib` (path-dependent TreeSHAP, Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9),
which takes five to fifteen times as long on a thousand such trees.
"""

from collections.abc import Sequence
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.booster_text import FloatArray, Tree
from serving.questions import BoolArray, Questions

MAXIMUM_SPLITS = 8  # one byte of decisions a tree


class TreeTables:
    """The trees of all bags as lookup tables.

    Parameters
    ----------
    trees : sequence of Tree
        Bag after bag, each with at most `MAXIMUM_SPLITS` splits.
    n_features : int
        Columns of X.

    Attributes
    ----------
    baseline : float
        Expected margin when no feature is known, weighted by training rows.
    questions : Questions
        Each distinct split, once.
    """

    def __init__(self, trees: Sequence[Tree], n_features: int) -> None:
        self._n_features = n_features
        self._tabulate_decisions(trees)
        self._tabulate_outputs(trees)

    def _tabulate_decisions(self, trees: Sequence[Tree]) -> None:
        """List each distinct split once, and where each tree finds its own among them."""
        distinct: dict[tuple[int, float, bool], int] = {}
        # Slot 0 is always false; it pads trees with fewer than eight splits.
        slots = np.zeros((len(trees), MAXIMUM_SPLITS), dtype=np.intp)
        for row, tree in enumerate(trees):
            columns = (tree.split_feature, tree.threshold, tree.nan_goes_left)
            splits = zip(*(column.tolist() for column in columns), strict=True)
            for node, split in enumerate(splits, MAXIMUM_SPLITS - tree.n_splits):
                slots[row, node] = distinct.setdefault(split, len(distinct) + 1)
        # No question is answered with yes of what is missing. So a split that sends it to the left
        # is asked in the negative. A threshold of infinity parts the known from the missing.
        features, thresholds, nan_left = zip((0, np.nan, False), *distinct, strict=True)
        self.questions = Questions.of(features, thresholds, above=nan_left)
        self._slots = slots.ravel()

    def _tabulate_outputs(self, trees: Sequence[Tree]) -> None:
        """Tabulate each tree's margin, and its SHAP values in as many columns as any tree needs."""
        self._offsets = np.cumsum([0, *(1 << tree.n_splits for tree in trees)])
        width = max(1, *(len(np.unique(tree.split_feature)) for tree in trees))
        self._margins = np.zeros(self._offsets[-1])
        self._values = np.zeros((self._offsets[-1], width))
        # Columns that a tree does not need add zero to the first feature, which changes nothing.
        bins = np.zeros((len(trees), width), dtype=np.intp)
        self.baseline = 0.0
        for number, tree in enumerate(trees):
            used = np.unique(tree.split_feature)
            values = _values_by_known_features(tree)
            rows = slice(self._offsets[number], self._offsets[number + 1])
            # In the order of the answers, of which some are in the negative.
            values = values[np.arange(len(values)) ^ _bits(tree.nan_goes_left)]
            self._values[rows, : len(used)] = values @ _shapley_weights(len(used))
            self._margins[rows] = values[:, -1]
            bins[number, : len(used)] = used
            self.baseline += float(values[0, 0])
        self._offsets = self._offsets[:-1]
        self._bins = bins.ravel()

    def outputs(
        self, X: FloatArray, answers: BoolArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return what each tree and each feature gives to patients' margins.

        Parameters
        ----------
        X : ndarray of float64, shape (p,) or (n, p)
            Features of one patient or several, finite, or NaN where unknown. What comes of a
            patient does not depend on the others, to the last bit.
        answers : ndarray of bool, shape (q,) or (n, q), optional
            To `questions`, where they are known; others may follow.

        Returns
        -------
        by_tree : ndarray of float64, shape (trees,) or (n, trees)
            The sum is the margin.
        by_feature : ndarray of float64, of the shape of X
            SHAP values; with `baseline`, the sum is the margin.
        """
        answers = self.questions.answers(X) if answers is None else answers
        if X.ndim == 1:
            rows = np.packbits(answers.take(self._slots)) + self._offsets
            return self._margins.take(rows), self._sums(rows)
        decisions = np.packbits(answers.take(self._slots, axis=1), axis=1)
        many = decisions + self._offsets
        return self._margins.take(many), np.array([self._sums(rows) for rows in many])

    def _sums(self, rows: npt.NDArray[np.intp]) -> FloatArray:
        values = self._values.take(rows, axis=0)
        # Weighted counts are real numbers, of which NumPy's own types know nothing.
        sums: Any = np.bincount(self._bins, values.ravel(), self._n_features)
        by_feature: FloatArray = sums
        return by_feature


def _values_by_known_features(tree: Tree) -> FloatArray:
    """Return a tree's expected output for every set of decisions and every set of known features.

    Returns
    -------
    ndarray of float64, shape (2^m, 2^d)
        Row: decisions, split 0 the highest bit, 1 where the patient goes left. Column: known
        features, the first column of X the highest bit; below a split on an unknown feature both
        branches count, by their training rows.
    """
    m = tree.n_splits
    used, position = np.unique(tree.split_feature, return_inverse=True)
    n_axes = m + len(used)
    # One axis of length 2 a question; a branch has length 1 where it does not depend on it.
    yes_or_no = [
        np.array([False, True]).reshape([2 if a == axis else 1 for a in range(n_axes)])
        for axis in range(n_axes)
    ]
    below: list[FloatArray] = [np.zeros(())] * m
    for node in reversed(range(m)):
        left, left_count = _branch(tree, below, int(tree.left_child[node]))
        right, right_count = _branch(tree, below, int(tree.right_child[node]))
        rows = tree.internal_count[node]
        average = (left_count / rows) * left + (right_count / rows) * right
        taken = np.where(yes_or_no[node], left, right)
        below[node] = np.where(yes_or_no[m + position[node]], taken, average)
    root: FloatArray = below[0] if m else tree.leaf_value[0]
    values: FloatArray = np.broadcast_to(root, (2,) * n_axes).reshape(1 << m, -1)
    return values


def _branch(tree: Tree, below: Sequence[FloatArray], child: int) -> tuple[FloatArray, int]:
    if child >= 0:
        return below[child], int(tree.internal_count[child])
    return tree.leaf_value[-child - 1], int(tree.leaf_count[-child - 1])


def _bits(flags: npt.NDArray[np.bool_]) -> int:
    """Return yes-or-no answers as the bits of a number, the first one the highest."""
    return sum(1 << place for place, flag in enumerate(flags[::-1]) if flag)


def _shapley_weights(d: int) -> FloatArray:
    """Return W, shape (2^d, d): values by coalition @ W are the Shapley values of d players."""
    coalitions = np.arange(1 << d)[:, None]
    member = (coalitions >> np.arange(d)[::-1] & 1).astype(bool)
    sizes = member.sum(axis=1)
    share = [factorial(s) * factorial(d - s - 1) / factorial(d) for s in range(d)] + [0.0]
    joins, stays = np.array([0.0, *share[:-1]])[sizes], np.array(share)[sizes]
    weights: FloatArray = np.where(member, joins[:, None], -stays[:, None])
    return weights
