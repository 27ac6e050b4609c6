"""The corrected resampled t, by hand and on models that are equally good."""

import numpy as np
import pytest
from held_out_predictions import BOTH, CLINICAL, predictions
from scipy.stats import t, ttest_1samp
from sklearn.metrics import brier_score_loss, roc_auc_score

from training.learning.rows import FloatArray
from training.performance.corrected_t import corrected_resampled_t
from training.performance.evaluation import compare_models
from training.performance.held_out import held_out_models


def test_without_correction_it_is_the_usual_t() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1, 12)
    usual = ttest_1samp(differences, 0).confidence_interval(0.9)
    found = corrected_resampled_t(differences, 0.0, 0.9)
    assert found[1:] == pytest.approx((usual.low, usual.high))


def test_a_calculation_by_hand() -> None:
    # Ten times ten folds: s^2 = 0.0001 / 99 * 100, n_test / n_train = 1 / 9.
    differences = np.tile([0.02, 0.04], 50)
    mean, lower, upper = corrected_resampled_t(differences, 1 / 9, 0.95)
    standard_error = np.sqrt((1 / 100 + 1 / 9) * 0.01**2 * 100 / 99)
    assert mean == pytest.approx(0.03)
    assert upper - mean == pytest.approx(1.9842169 * standard_error, rel=1e-6)
    assert mean - lower == pytest.approx(upper - mean)


def test_rows_are_those_of_the_folds() -> None:
    frame = predictions(100, repeats=3, by_site=False).drop(columns="has_connectome")
    table = compare_models(
        frame, "repeated_nested_cv", [(BOTH, CLINICAL)], bootstraps=100, confidence=0.95, seed=7
    ).set_index("metric")
    models = held_out_models(frame)
    aurocs, briers = [], []
    for repeat in range(3):
        for fold in range(5):
            member = models[BOTH].fold[repeat] == fold
            y = models[BOTH].y[member]
            first, second = (models[m].probability[repeat][member] for m in (BOTH, CLINICAL))
            aurocs.append(roc_auc_score(y, first) - roc_auc_score(y, second))
            briers.append(brier_score_loss(y, first) - brier_score_loss(y, second))
    for metric, differences in (("auroc", aurocs), ("brier", briers)):
        row = table.loc[f"{metric}_corrected_t"]
        error = np.std(differences, ddof=1) * np.sqrt(1 / 15 + 1 / 4)
        assert row["estimate"] == pytest.approx(np.mean(differences))
        assert row["upper"] - row["estimate"] == pytest.approx(t.ppf(0.975, 14) * error)


def brier_differences(seed: int, n: int = 60, repeats: int = 5, folds: int = 5) -> FloatArray:
    """Return differences, fold by fold, of two models that each see one useless column.

    Predictions are linear regressions on the column, fitted to the other folds.
    """
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n)), rng.normal(size=n)
    found = []
    for _ in range(repeats):
        fold = rng.permutation(n) % folds
        for code in range(folds):
            test = fold == code
            errors = []
            for column in x:
                slope = column[~test] @ y[~test] / (column[~test] @ column[~test])
                errors.append(np.mean((y[test] - slope * column[test]) ** 2))
            found.append(errors[0] - errors[1])
    return np.array(found)


def test_equally_good_models_seldom_differ_while_the_usual_t_says_so_often() -> None:
    differences = [brier_differences(seed) for seed in range(400)]
    rejected = {}
    for name, ratio in (("corrected", 1 / 4), ("usual", 0.0)):
        intervals = [corrected_resampled_t(d, ratio, 0.95)[1:] for d in differences]
        rejected[name] = np.mean([lower > 0 or upper < 0 for lower, upper in intervals])
    assert rejected["corrected"] <= 0.05
    assert rejected["usual"] >= 0.13
