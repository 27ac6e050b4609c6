"""The trees of a model, evaluated by lookup where they are small and by LightGBM where not."""

from collections.abc import Sequence

import numpy as np

from serving.booster_text import FloatArray, Tree, read_trees, write_trees
from serving.questions import NO_QUESTIONS, BoolArray
from serving.tree_tables import MAXIMUM_SPLITS, TreeTables


class LightGBMTrees:
    """Trees of any size, with the interface of `TreeTables`.

    Parameters
    ----------
    trees : sequence of Tree
        Bag after bag.
    n_features : int
        Columns of X.
    """

    def __init__(self, trees: Sequence[Tree], n_features: int) -> None:
        # Imported here because it brings pandas and scikit-learn, and small trees need none of it.
        import lightgbm  # noqa: PLC0415

        text = write_trees(trees, n_features)
        self.questions = NO_QUESTIONS
        self._booster = lightgbm.Booster(model_str=text)
        self._values = np.zeros((len(trees), max(len(tree.leaf_value) for tree in trees)))
        for number, tree in enumerate(trees):
            self._values[number, : len(tree.leaf_value)] = tree.leaf_value
        self.baseline = float(self._contributions(np.full((1, n_features), np.nan))[0, -1])

    def _contributions(self, X: FloatArray) -> FloatArray:
        return np.asarray(self._booster.predict(X, pred_contrib=True, num_threads=1))

    def outputs(self, X: FloatArray, _: BoolArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Return what each tree and each feature gives to patients' margins."""
        rows = np.atleast_2d(X)
        predicted = self._booster.predict(rows, pred_leaf=True, num_threads=1)
        leaves = np.asarray(predicted, dtype=np.intp).reshape(*X.shape[:-1], -1)
        # Adding zero turns -0.0 into 0.0.
        by_feature = self._contributions(rows)[:, :-1].reshape(X.shape) + 0.0
        return self._values[np.arange(leaves.shape[-1]), leaves], by_feature


def boosted_trees(text: str, n_features: int) -> TreeTables | LightGBMTrees:
    """Read a merged booster into the faster of the two forms that can hold it.

    Raises
    ------
    ModelError
        When the text is not a complete model over `n_features` numeric columns.
    """
    trees = read_trees(text, n_features)
    if max(tree.n_splits for tree in trees) <= MAXIMUM_SPLITS:
        return TreeTables(trees, n_features)
    return LightGBMTrees(trees, n_features)
