"""Ranges and values are told in the units in which the form asks."""

from math import log1p

import pytest

from serving.asked_units import asked_range, asked_words
from serving.predictor import ResponsePredictor


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "words"),
    [
        ("age_years", 20.0, 85.0, "20 to 85 years"),
        ("log_episode_duration", log1p(3), log1p(190), "3 to 190 months"),
        ("log_episode_duration", -0.5, log1p(24), "0 to 24 months"),
        ("depression_severity", 9 / 27, 18 / 27, "9 to 18 of 27 points"),
        ("anxiety_severity", -0.02, 1.02, "0 to 21 of 21 points"),
        ("maudsley_stage", 5.0, 12.0, "5 to 12 points (3 to 15)"),
        ("benzodiazepine", 0.0, 0.0, "no"),
        ("benzodiazepine", 0.4, 1.0, "yes"),
        ("benzodiazepine", -0.01, 1.01, "no or yes"),
    ],
)
def test_a_range_has_its_unit(
    predictor: ResponsePredictor, name: str, lowest: float, highest: float, words: str
) -> None:
    feature = predictor.document.features[predictor.feature_names.index(name)]
    assert asked_range(feature, lowest, highest, predictor.document) == words


def test_a_limit_is_told_in_months(predictor: ResponsePredictor) -> None:
    names = predictor.feature_names
    feature = predictor.document.features[names.index("log_episode_duration")]
    assert asked_words(feature, log1p(632), predictor.document) == "632 months"
