"""One LightGBM booster: its settings, the bins it learns from, and how it is grown."""

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from training.learning.rows import FloatArray, TrainingRows


@dataclass(frozen=True)
class BoosterSettings:
    """What tuning may choose.

    Attributes
    ----------
    num_leaves, min_patients_a_leaf, n_trees : int
        The size of the trees, and their number.
    learning_rate : float
        Share of each tree that is added, in (0, 1].
    l2_penalty : float
        On the leaves' values, not negative.
    feature_fraction : float
        Of the features, offered to each tree, in (0, 1].
    """

    num_leaves: int
    min_patients_a_leaf: int
    n_trees: int
    learning_rate: float
    l2_penalty: float
    feature_fraction: float

    def describe(self) -> str:
        """Return the settings in words."""
        return (
            f"{self.n_trees} trees of {self.num_leaves} leaves, "
            f"at least {self.min_patients_a_leaf} patients a leaf"
        )

    @property
    def complexity(self) -> tuple[float, ...]:
        """What to sort by, smaller models first."""
        return (
            self.num_leaves, -self.min_patients_a_leaf, self.n_trees,
            self.learning_rate, -self.l2_penalty, self.feature_fraction,
        )  # fmt: skip


class BinnedRows:
    """Training rows in bins, which are learned once and serve any number of boosters.

    Parameters
    ----------
    rows : TrainingRows
        Both outcomes occur.
    max_bin : int
        Bins a feature at most, 3 to 255.
    seed : int
        Of the trees; from 200,000 rows on also of the sample that defines the bins.
    """

    def __init__(self, rows: TrainingRows, max_bin: int, seed: int) -> None:
        self._n = len(rows.y)
        self._parameters: dict[str, Any] = {
            "objective": "binary",
            "max_bin": max_bin,
            "feature_pre_filter": False,  # else the bins would depend on the leaves' size
            "deterministic": True,
            "force_col_wise": True,  # the same trees as row-wise, and faster with few rows
            "num_threads": 1,
            "seed": seed,
            "verbosity": -1,
        }
        if any(rows.monotone):
            self._parameters["monotone_constraints"] = list(rows.monotone)
        label = rows.y.astype(np.float64)
        self._data = lightgbm.Dataset(rows.X, label=label, params=self._parameters).construct()

    def parameters(self, settings: BoosterSettings) -> dict[str, Any]:
        """Return the settings in LightGBM's words."""
        return {
            **self._parameters,
            "num_leaves": settings.num_leaves,
            # A quarter of the patients at most, or a small cohort could not be split at all.
            "min_data_in_leaf": max(1, min(settings.min_patients_a_leaf, self._n // 4)),
            "learning_rate": settings.learning_rate,
            "lambda_l2": settings.l2_penalty,
            "feature_fraction": settings.feature_fraction,
        }

    def fit(self, settings: BoosterSettings) -> lightgbm.Booster:
        """Return a booster with all its trees, which keeps nothing of the rows."""
        return lightgbm.train(self.parameters(settings), self._data, settings.n_trees)

    def growing(self, settings: BoosterSettings, X: FloatArray) -> "GrowingBooster":
        """Return a booster without trees, and the held-out features to follow while it grows."""
        return GrowingBooster(lightgbm.Booster(self.parameters(settings), self._data), X)


class GrowingBooster:
    """A booster that is grown in steps; each tree is evaluated once on the held-out patients.

    Parameters
    ----------
    booster : lightgbm.Booster
        Without trees.
    X : ndarray of float, shape (m, p)
        Features of the held-out patients.
    """

    def __init__(self, booster: lightgbm.Booster, X: FloatArray) -> None:
        self._booster = booster
        self._X = X
        self._margin = np.zeros(len(X))
        self._rounds = 0

    def margin(self, n_trees: int) -> FloatArray:
        """Grow to a number of trees, no fewer than before; return the held-out margins, (m,)."""
        before = self._booster.current_iteration()
        for _ in range(n_trees - self._rounds):
            self._booster.update()
        self._rounds = n_trees
        # Rounds that find no split add no tree.
        added = self._booster.current_iteration() - before
        if added:
            self._margin = self._margin + margin_of(self._booster, self._X, before, added)
        return self._margin


def fit_booster(
    rows: TrainingRows, settings: BoosterSettings, max_bin: int, seed: int
) -> lightgbm.Booster:
    """Fit one booster; bins, like all else, are learned from these rows alone."""
    return BinnedRows(rows, max_bin, seed).fit(settings)


def margin_of(
    booster: lightgbm.Booster, X: FloatArray, first: int = 0, n_trees: int = -1
) -> FloatArray:
    """Return what trees give to the margins in log-odds, shape (n,); by default all of them.

    Parameters
    ----------
    first, n_trees : int
        The first tree, counted from 0, and how many; the base rate is part of tree 0.
    """
    margin = booster.predict(
        X, raw_score=True, start_iteration=first, num_iteration=n_trees, num_threads=1
    )
    return np.asarray(margin, dtype=np.float64)
