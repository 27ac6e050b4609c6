"""Which pairs of features the model uses together, by SHAP interaction values."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import lightgbm
import numpy as np
import pandas as pd

from serving.booster_text import read_trees
from serving.predictor import BOOSTER_FILE, ResponsePredictor
from training.learning.rows import FloatArray

# Cost grows with patients times pairs; a mean over 300 patients is known to a few hundredths.
_MOST_PATIENTS: Final = 300
_COLUMNS: Final = ("feature", "other", "mean_absolute_log_odds")


def interaction_table(predictor: ResponsePredictor, X: FloatArray) -> pd.DataFrame:
    """Return the pairs of features that any tree uses together, the largest first.

    The value of a pair is what it moves the prediction by beyond what each of the two does alone
    (Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9): the mean over at most 300 patients of
    |interaction value|, both halves together, in calibrated log-odds. A tree of two leaves asks one
    question and so holds no pair; a model of such trees has no row here.

    Parameters
    ----------
    predictor : ResponsePredictor
    X : ndarray of float, shape (n, p)
        Patients' features in the model's order; NaN where unknown.

    Returns
    -------
    DataFrame
        `feature`, `other`, `mean_absolute_log_odds`.
    """
    names = predictor.feature_names
    with TemporaryDirectory() as folder:
        predictor.save(folder)
        path = Path(folder) / BOOSTER_FILE
        if not path.is_file() or not _any_pair(path.read_text("utf-8"), len(names)):
            return pd.DataFrame(columns=list(_COLUMNS))
        values = _interaction_values(lightgbm.Booster(model_file=path), X)
    slope = predictor.document.calibration.slope
    size = slope * np.abs(2 * values).mean(axis=0)
    pairs = [
        (names[i], names[j], float(size[i, j]))
        for i, j in zip(*np.triu_indices(len(names), k=1), strict=True)
        if size[i, j] > 0
    ]
    frame = pd.DataFrame(pairs, columns=list(_COLUMNS))
    return frame.sort_values(
        ["mean_absolute_log_odds", "feature", "other"],
        ascending=[False, True, True],
        ignore_index=True,
    )


def _any_pair(text: str, n_features: int) -> bool:
    trees = read_trees(text, n_features)
    return any(len(set(tree.split_feature.tolist())) > 1 for tree in trees)


def _interaction_values(booster: lightgbm.Booster, X: FloatArray) -> FloatArray:
    """Return interaction values of the margin, shape (m, p, p)."""
    rows = np.unique(np.linspace(0, len(X) - 1, min(len(X), _MOST_PATIENTS)).round().astype(int))
    with warnings.catch_warnings():
        # shap's own use of matplotlib and of LightGBM warns; there is nothing to mend here.
        warnings.simplefilter("ignore")
        import shap  # noqa: PLC0415  - takes seconds, and is needed here only

        found = shap.TreeExplainer(booster).shap_interaction_values(X[rows])
    return np.asarray(found, dtype=np.float64)
