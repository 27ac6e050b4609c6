"""Performance of answered patients, recomputed by other libraries."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from training.monitoring.performance import BLOCK, FEWEST_OF_EACH, performance, trend

RNG = np.random.default_rng(0)
LOG_ODDS = RNG.normal(0, 0.8, 400)
P = expit(LOG_ODDS)
Y = RNG.random(400) < expit(0.4 + LOG_ODDS)


def test_measures_agree_with_other_libraries() -> None:
    found = {each.name: each for each in performance(Y, P)}
    assert found["auroc"].value == pytest.approx(roc_auc_score(Y, P))
    assert found["brier"].value == pytest.approx(brier_score_loss(Y, P))
    assert found["o_to_e"].value == pytest.approx(Y.mean() / P.mean())
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(LOG_ODDS[:, None], Y)
    assert found["calibration_slope"].value == pytest.approx(fitted.coef_[0, 0], abs=1e-4)
    for each in found.values():
        assert each.lower < each.value < each.upper
        assert each.n == len(Y)


def test_nothing_is_estimated_from_few() -> None:
    y = np.arange(100) < FEWEST_OF_EACH - 1
    assert performance(y, np.full(100, 0.5)) == []
    assert performance(~y, np.full(100, 0.5)) == []
    assert performance(np.array([], dtype=bool), np.array([])) == []


def test_equal_predictions_have_no_slope() -> None:
    found = {each.name: each for each in performance(Y, np.full(len(Y), 0.5))}
    assert np.isnan(found["calibration_slope"].value)
    assert found["auroc"].value == pytest.approx(0.5)


def test_the_trend_goes_block_by_block() -> None:
    blocks = list(trend(Y, P))
    assert [block.name for block in blocks] == [f"{n}:o_to_e" for n in range(BLOCK, 401, BLOCK)]
    assert blocks[1].value == pytest.approx(Y[50:100].mean() / P[50:100].mean())
