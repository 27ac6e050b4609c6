"""LightGBM at the size that TMS cohorts allow: small trees, tuned, bagged and cross-fitted.

Each booster of the bag is trained on all folds but one, over several repeats of the folds. The
booster's left-out fold gives every patient margins from boosters that never saw him, on which the
bag's mean is recalibrated; the bag itself is what is served.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
from scipy.special import logit

from training.config import BoostingConfig
from training.learning.booster import BoosterSettings, fit_booster, margin_of
from training.learning.harmonising import harmonised
from training.learning.rows import FloatArray, TrainingRows
from training.learning.splits import Split
from training.learning.tuning import search_space, tune


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


def fit_bag(rows: TrainingRows, splits: Sequence[Split], config: BoostingConfig, seed: int) -> Bag:
    """Tune on the first repeat of the splits, then fit one booster for every split.

    Parameters
    ----------
    splits : sequence of Split
        From `training.learning.splits.inner_splits`; at least one.
    """
    first = [split for split in splits if split.repeat == splits[0].repeat]
    settings = tune(rows, first, search_space(config), config, seed)
    boosters = []
    totals, counts = np.zeros(len(rows.y)), np.zeros(len(rows.y))
    base_rates = [float(logit(np.mean(rows.y[split.train]))) for split in splits]
    for number, (split, base_rate) in enumerate(zip(splits, base_rates, strict=True)):
        fold = harmonised(rows, split.train)
        booster = fit_booster(fold.rows(split.train), settings, config.max_bin, seed + number)
        boosters.append(booster)
        totals[split.test] += margin_of(booster, fold.X[split.test]) - base_rate
        counts[split.test] += 1
    above = np.divide(totals, counts, out=np.full(len(rows.y), np.nan), where=counts > 0)
    margin = above + float(np.mean(base_rates))
    return Bag(tuple(boosters), margin, settings)
