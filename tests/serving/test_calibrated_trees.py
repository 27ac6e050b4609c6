"""Calibration keeps contributions additive, and the interval is the spread of the bags."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from serving.booster_text import FloatArray
from serving.calibrated_trees import CalibratedTrees, expit, logit
from serving.model_document import BoosterDocument, Calibration
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="module")
def rows(predictor: ResponsePredictor, patients: list[Patient]) -> list[FloatArray]:
    return [patient_row(patient, predictor.features) for patient in patients[:40]]


def test_log_odds_are_affine_in_the_mean_margin(
    predictor: ResponsePredictor, rows: list[FloatArray]
) -> None:
    text, calibration = predictor._booster_text, predictor.document.calibration
    trees = CalibratedTrees(predictor.document, text)
    margins = np.asarray(lightgbm.Booster(model_str=text).predict(np.array(rows), raw_score=True))
    expected = calibration.slope * margins + calibration.intercept
    assert np.allclose(
        [each.log_odds for each in trees.explained_many(np.array(rows))], expected, atol=1e-12
    )


def test_baseline_and_contributions_add_up(
    predictor: ResponsePredictor, rows: list[FloatArray]
) -> None:
    trees = CalibratedTrees(predictor.document, predictor._booster_text)
    for row in rows:
        log_odds, contributions, _ = trees.explained(row)
        assert trees.baseline_log_odds + contributions.sum() == pytest.approx(log_odds, abs=1e-9)


def test_interval_is_the_quantiles_of_the_bags_probabilities(
    predictor: ResponsePredictor, rows: list[FloatArray]
) -> None:
    document = predictor.document
    assert document.booster is not None
    booster = lightgbm.Booster(model_str=predictor._booster_text)
    trees = CalibratedTrees(document, predictor._booster_text)
    per_bag, n_bags = document.booster.trees_per_bag, document.booster.n_bags
    bags = np.array(
        [
            booster.predict(
                np.array(rows), raw_score=True, start_iteration=bag * per_bag, num_iteration=per_bag
            )
            for bag in range(n_bags)
        ]
    )
    log_odds = document.calibration.slope * bags * n_bags + document.calibration.intercept
    lower, upper = np.quantile(log_odds, [0.05, 0.95], axis=0)
    for number, row in enumerate(rows):
        own, _, interval = trees.explained(row)
        assert interval is not None
        assert interval["level"] == 0.9
        assert logit(interval["lower"]) == pytest.approx(min(lower[number], own), abs=1e-9)
        assert logit(interval["upper"]) == pytest.approx(max(upper[number], own), abs=1e-9)
        assert interval["lower"] < interval["upper"]


def test_a_slope_of_zero_serves_one_probability(
    predictor: ResponsePredictor, rows: list[FloatArray]
) -> None:
    flat = Calibration(slope=0.0, intercept=-0.3)
    document = predictor.document.model_copy(update={"calibration": flat})
    trees = CalibratedTrees(document, predictor._booster_text)
    for row in rows[:5]:
        log_odds, contributions, _ = trees.explained(row)
        assert log_odds == trees.baseline_log_odds == -0.3
        assert [str(value) for value in contributions] == ["0.0"] * len(row)


def test_without_trees_the_base_rate_answers(
    predictor: ResponsePredictor, rows: list[FloatArray]
) -> None:
    document = predictor.document.model_copy(update={"booster": None, "base_rate": 0.25})
    trees = CalibratedTrees(document, None)
    log_odds, contributions, interval = trees.explained(rows[0])
    assert log_odds == trees.baseline_log_odds == pytest.approx(np.log(1 / 3))
    assert not contributions.any()
    assert interval is None


def test_document_and_booster_must_belong_together(predictor: ResponsePredictor) -> None:
    document, text = predictor.document, predictor._booster_text
    assert document.booster is not None
    assert text is not None
    with pytest.raises(ModelError, match="given together"):
        CalibratedTrees(document, None)
    with pytest.raises(ModelError, match="given together"):
        CalibratedTrees(document.model_copy(update={"booster": None}), text)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        CalibratedTrees(document, text + "\n")
    fewer = document.booster.model_copy(update={"trees_per_bag": 3})
    with pytest.raises(ModelError, match="does not hold 3 trees"):
        CalibratedTrees(document.model_copy(update={"booster": fewer}), text)
    narrower = document.model_copy(update={"features": document.features[:-1]})
    with pytest.raises(ModelError, match=f"over {len(document.features) - 1} features"):
        CalibratedTrees(narrower, text)
    damaged = text.replace("left_child=", "left_child=99 ", 1)
    described = BoosterDocument.of(damaged, document.booster.n_bags)
    with pytest.raises(ModelError, match="does not hold numeric trees"):
        CalibratedTrees(document.model_copy(update={"booster": described}), damaged)


@given(st.floats(-15, 15))
def test_expit_and_logit_are_inverse(log_odds: float) -> None:
    assert logit(expit(log_odds)) == pytest.approx(log_odds, abs=1e-8)
    assert expit(log_odds) + expit(-log_odds) == pytest.approx(1.0)


def test_expit_does_not_overflow() -> None:
    assert (expit(-1e6), expit(1e6), expit(0.0)) == (0.0, 1.0, 0.5)
