"""LightGBM at the size that TMS cohorts allow: small trees, tuned, bagged and cross-fitted.

Each booster of the bag is trained on all folds but one, over several repeats of the folds. The
booster's left-out fold gives every patient margins from boosters that never saw him, on which the
bag's mean is recalibrated; the bag itself is what is served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import lightgbm
import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from training.config import BoostingConfig
from training.learning.rows import FloatArray, TrainingRows
from training.learning.splits import Split


@dataclass(frozen=True)
class BoosterSettings:
    """What tuning chooses."""

    num_leaves: int
    min_patients_a_leaf: int
    n_trees: int

    def describe(self) -> str:
        """Return the settings in words."""
        return (
            f"{self.n_trees} trees of {self.num_leaves} leaves, "
            f"at least {self.min_patients_a_leaf} patients a leaf"
        )


@dataclass(frozen=True)
class Bag:
    """Boosters fitted on overlapping parts of one training set.

    Attributes
    ----------
    boosters : tuple of lightgbm.Booster
        Their margins are averaged.
    out_of_fold_margin : ndarray of float, shape (n,)
        Mean margin of the boosters that did not see each training patient, NaN if there is none.
        Each booster's own base rate is exchanged for the mean one: it is low where those left out
        are high, which says nothing of the patient.
    settings : BoosterSettings
        What tuning chose.
    """

    boosters: tuple[lightgbm.Booster, ...]
    out_of_fold_margin: FloatArray
    settings: BoosterSettings

    def margin(self, X: FloatArray) -> FloatArray:
        """Return the mean margin in log-odds, shape (n,)."""
        margins = np.array([margin_of(booster, X) for booster in self.boosters])
        return np.asarray(margins.mean(axis=0), dtype=np.float64)


def fit_booster(
    rows: TrainingRows, settings: BoosterSettings, config: BoostingConfig, seed: int
) -> lightgbm.Booster:
    """Fit one booster; bins, like all else, are learned from these rows alone.

    Parameters
    ----------
    rows : TrainingRows
        Both outcomes occur.
    """
    parameters = {
        "objective": "binary",
        "num_leaves": settings.num_leaves,
        # A quarter of the patients at most, or a small cohort could not be split at all.
        "min_data_in_leaf": max(1, min(settings.min_patients_a_leaf, len(rows.y) // 4)),
        "learning_rate": config.learning_rate,
        "lambda_l2": config.l2_penalty,
        "feature_fraction": config.feature_fraction,
        "max_bin": config.max_bin,
        "monotone_constraints": list(rows.monotone),
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows.X, label=rows.y.astype(np.float64), params=parameters)
    return lightgbm.train(parameters, data, num_boost_round=settings.n_trees)


def tune(
    rows: TrainingRows, splits: Sequence[Split], config: BoostingConfig, seed: int
) -> BoosterSettings:
    """Return the settings with the least mean held-out log loss over the splits.

    Each pair of leaves and leaf size is fitted once a split, with the most trees; smaller counts
    are judged on its first trees. Equal losses go to the smaller model.
    """
    counts = sorted(config.tree_counts)
    best: tuple[float, BoosterSettings] | None = None
    for leaves, minimum in product(
        sorted(config.num_leaves), sorted(config.min_patients_a_leaf, reverse=True)
    ):
        largest = BoosterSettings(leaves, minimum, counts[-1])
        losses = np.mean(
            [_losses(rows, split, largest, config, seed) for split in splits],
            axis=0,
        )
        for n_trees, loss in zip(counts, losses, strict=True):
            if best is None or loss < best[0] - 1e-9:
                best = (float(loss), BoosterSettings(leaves, minimum, n_trees))
    assert best is not None  # noqa: S101
    return best[1]


def fit_bag(rows: TrainingRows, splits: Sequence[Split], config: BoostingConfig, seed: int) -> Bag:
    """Tune on the first repeat of the splits, then fit one booster for every split.

    Parameters
    ----------
    splits : sequence of Split
        From `training.learning.splits.inner_splits`; at least one.
    """
    first = [split for split in splits if split.repeat == splits[0].repeat]
    settings = tune(rows, first, config, seed)
    boosters = []
    totals, counts = np.zeros(len(rows.y)), np.zeros(len(rows.y))
    base_rates = [float(logit(np.mean(rows.y[split.train]))) for split in splits]
    for number, (split, base_rate) in enumerate(zip(splits, base_rates, strict=True)):
        booster = fit_booster(rows.rows(split.train), settings, config, seed + number)
        boosters.append(booster)
        totals[split.test] += margin_of(booster, rows.X[split.test]) - base_rate
        counts[split.test] += 1
    above = np.divide(totals, counts, out=np.full(len(rows.y), np.nan), where=counts > 0)
    margin = above + float(np.mean(base_rates))
    return Bag(tuple(boosters), margin, settings)


def _losses(
    rows: TrainingRows,
    split: Split,
    settings: BoosterSettings,
    config: BoostingConfig,
    seed: int,
) -> list[float]:
    """Return the held-out log loss of the first trees, for each count in ascending order."""
    booster = fit_booster(rows.rows(split.train), settings, config, seed)
    held_out = rows.rows(split.test)
    return [
        float(log_loss(held_out.y, expit(margin_of(booster, held_out.X, count)), labels=[0, 1]))
        for count in sorted(config.tree_counts)
    ]


def margin_of(booster: lightgbm.Booster, X: FloatArray, n_trees: int | None = None) -> FloatArray:
    """Return one booster's margins in log-odds, shape (n,), by its first trees or all of them."""
    margin = booster.predict(X, raw_score=True, num_iteration=n_trees or -1, num_threads=1)
    return np.asarray(margin, dtype=np.float64)
