from math import nan

import pytest

from features.table import FEATURES, Sign
from training.report.literature import SIGNS, verdict

BY_NAME = {feature.name: feature for feature in FEATURES}


@pytest.mark.parametrize(
    ("sign", "lower", "upper", "said"),
    [
        (1, 0.1, 0.4, "agrees"),
        (-1, -0.4, -0.1, "agrees"),
        (1, -0.4, -0.1, "disagrees"),
        (-1, 0.1, 0.4, "disagrees"),
        (1, 0.0, 0.4, "undecided"),
        (-1, -0.1, 0.4, "undecided"),
        (0, 0.1, 0.4, "undecided"),
        (1, nan, nan, "undecided"),
    ],
)
def test_an_interval_on_one_side_decides(sign: Sign, lower: float, upper: float, said: str) -> None:
    assert verdict(sign, lower, upper) == said


def test_every_sign_is_of_a_feature_and_has_a_source() -> None:
    assert set(SIGNS) <= set(BY_NAME)
    for published in SIGNS.values():
        assert len(published.source) > 10


def test_no_sign_contradicts_the_one_to_which_trees_are_held() -> None:
    held = [feature for feature in FEATURES if feature.monotone]
    assert held
    for feature in held:
        assert SIGNS[feature.name].for_outcome("response") == feature.monotone
        assert SIGNS[feature.name].for_outcome("remission") == feature.monotone


def test_severity_is_known_for_remission_alone() -> None:
    severity = SIGNS["depression_severity"]
    assert (severity.for_outcome("response"), severity.for_outcome("remission")) == (0, -1)
