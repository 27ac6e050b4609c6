"""Distance from the training cohort, what is missing, and the rule that declines to answer."""

from statistics import NormalDist

import numpy as np
import pytest

from serving.abstention import TrainingReference, reason_to_abstain
from serving.model_document import Abstention, FeatureDocument, ReferenceDistribution

CUTS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
NAMES = ("p1", "p5", "p25", "p50", "p75", "p95", "p99")
RULE = Abstention(smaller_class_count=40, maximum_missing_importance=0.5, maximum_distance=3.0)


def feature(name: str, percentiles: tuple[float, ...] | None, importance: float) -> FeatureDocument:
    reference = None
    if percentiles is not None:
        reference = ReferenceDistribution(**dict(zip(NAMES, percentiles, strict=True)))
    return FeatureDocument(
        name=name,
        label=name,
        unit="",
        domain="person",
        group="clinical",
        monotone=0,
        missing_share=0.0,
        reference=reference,
        importance=importance,
    )


def normal(mean: float, sd: float) -> tuple[float, ...]:
    return tuple(NormalDist(mean, sd).inv_cdf(cut) for cut in CUTS)


REFERENCE = TrainingReference(
    [
        feature("age", normal(50.0, 10.0), 0.4),
        feature("score", normal(0.0, 2.0), 0.3),
        feature("rare", (0, 0, 0, 0, 0, 1, 1), 0.2),  # about one patient in ten
        feature("constant", (1, 1, 1, 1, 1, 1, 1), 0.1),
        feature("never_known", None, 0.0),
    ]
)


def test_distance_is_measured_in_standard_deviations() -> None:
    X = np.array([[50.0, 0.0, np.nan, 1.0, np.nan], [80.0, 6.0, np.nan, 1.0, np.nan]])
    assert REFERENCE.distance(X) == pytest.approx([0.0, 3.0], rel=1e-3)


def test_distance_is_a_root_mean_square_over_what_is_known() -> None:
    both, one = np.array([[70.0, 2.0, np.nan, np.nan, np.nan]]), np.array([[70.0] + [np.nan] * 4])
    assert REFERENCE.distance(both)[0] == pytest.approx(np.sqrt((4 + 1) / 2), rel=1e-3)
    assert REFERENCE.distance(one)[0] == pytest.approx(2.0, rel=1e-3)


def test_a_rare_yes_is_about_three_standard_deviations_away() -> None:
    X = np.array([[np.nan, np.nan, 1.0, np.nan, np.nan]])
    assert REFERENCE.distance(X)[0] == pytest.approx(2 * NormalDist().inv_cdf(0.95), rel=1e-3)


def test_constant_and_never_known_features_do_not_count() -> None:
    near = np.array([[60.0, np.nan, np.nan, np.nan, np.nan]])
    far = np.array([[60.0, np.nan, np.nan, 1e9, 1e9]])
    assert REFERENCE.distance(near) == REFERENCE.distance(far)


def test_a_patient_of_whom_nothing_is_known_has_no_distance_and_lacks_everything() -> None:
    X = np.full((1, 5), np.nan)
    assert REFERENCE.distance(X).tolist() == [0.0]
    assert REFERENCE.missing_importance(X) == pytest.approx([1.0])


def test_a_typical_training_patient_lies_at_one() -> None:
    rng = np.random.default_rng(1)
    X = np.full((4000, 5), np.nan)
    X[:, 0], X[:, 1] = rng.normal(50, 10, 4000), rng.normal(0, 2, 4000)
    assert np.sqrt(np.mean(REFERENCE.distance(X) ** 2)) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("missing", "distance", "code"),
    [
        (0.5, 3.0, None),
        (0.51, 0.0, "too_much_missing"),
        (0.0, 3.01, "unlike_training"),
        (0.51, 3.01, "too_much_missing"),
    ],
)
def test_the_rule_declines_beyond_its_limits_only(
    missing: float, distance: float, code: str | None
) -> None:
    notice = reason_to_abstain(RULE, missing, distance)
    assert (notice.code if notice else None) == code


def test_a_model_that_never_answers_says_its_own_reason() -> None:
    never = RULE.model_copy(update={"always": "Only 6 patients responded."})
    notice = reason_to_abstain(never, 0.0, 0.0)
    assert notice is not None
    assert (notice.code, notice.message) == ("model_always_abstains", "Only 6 patients responded.")
