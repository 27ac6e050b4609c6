from collections.abc import Callable

import numpy as np
import pytest
from cohort_tables import quick_config, simulated_table
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from training.learning.models import (
    FIXED_PENALTY,
    BaseRateModel,
    BoostedModel,
    FittedModel,
    LogisticModel,
    fit_base_rate,
    fit_boosted,
    fit_logistic,
    probability,
)
from training.learning.rows import TrainingRows

CONFIG = quick_config()


def clinical_rows(signal: float = 1.0) -> TrainingRows:
    table = simulated_table(signal=signal)
    return table.training_rows().columns(table.columns_of("clinical"))


def test_base_rate_is_finite_even_when_all_are_alike() -> None:
    assert 0.9 < fit_base_rate(np.ones(20, dtype=bool)).base_rate < 1
    rate = fit_base_rate(np.array([True] * 3 + [False] * 6)).base_rate
    assert rate == pytest.approx(3.5 / 10)


def test_fixed_logistic_equals_the_same_steps_by_hand() -> None:
    rows = clinical_rows()
    fitted = fit_logistic(rows, CONFIG, tuned=False)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(rows.X)
    scaler = StandardScaler().fit(imputer.transform(rows.X))
    scaled = scaler.transform(imputer.transform(rows.X))
    by_hand = LogisticRegression(C=FIXED_PENALTY, max_iter=1000).fit(scaled, rows.y)
    np.testing.assert_allclose(fitted.log_odds(rows.X), by_hand.decision_function(scaled))


def test_tuned_penalty_is_among_the_candidates() -> None:
    fitted = fit_logistic(clinical_rows(), CONFIG, tuned=True)
    assert isinstance(fitted, LogisticModel)
    assert fitted.settings() in {f"inverse penalty C = {c:g}" for c in CONFIG.boosting.penalties}


def test_boosted_model_is_calibrated_on_average_and_ranks_by_the_signal() -> None:
    rows = clinical_rows(signal=1.5)
    fitted = fit_boosted(rows, CONFIG)
    assert isinstance(fitted, BoostedModel)
    log_odds = fitted.log_odds(rows.X)
    assert probability(log_odds).mean() == pytest.approx(rows.y.mean(), abs=0.03)
    assert log_odds[rows.y].mean() > log_odds[~rows.y].mean()


def test_one_class_gives_the_base_rate_from_every_fit() -> None:
    rows = clinical_rows()
    alike = TrainingRows(rows.X, np.zeros(len(rows.y), dtype=bool), rows.site, rows.monotone)
    for fitted in (fit_logistic(alike, CONFIG, tuned=True), fit_boosted(alike, CONFIG)):
        assert isinstance(fitted, BaseRateModel)


def test_state_digest_tells_fits_apart_and_repeats_itself() -> None:
    rows = clinical_rows()
    fewer = rows.rows(np.arange(1, len(rows.y)))
    fits: list[Callable[[TrainingRows], FittedModel]] = [
        lambda r: fit_boosted(r, CONFIG),
        lambda r: fit_logistic(r, CONFIG, tuned=True),
    ]
    for fit in fits:
        assert fit(rows).state_digest() == fit(rows).state_digest()
        assert fit(rows).state_digest() != fit(fewer).state_digest()
