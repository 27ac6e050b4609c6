"""Distance from the training cohort, what is missing, and the rule that declines to answer."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest

from serving.abstention import Compared, TrainingReference, reason_to_abstain
from serving.booster_text import FloatArray
from serving.model_document import FeatureDocument, ModelDocument, ReferenceDistribution
from serving.predictor import ResponsePredictor

CUTS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
NAMES = ("p1", "p5", "p25", "p50", "p75", "p95", "p99")


def feature(
    name: str,
    percentiles: tuple[float, ...] | None,
    importance: float,
    accepted: tuple[float | None, float | None] = (None, None),
) -> FeatureDocument:
    reference = None
    if percentiles is not None:
        reference = ReferenceDistribution(
            **dict(zip(NAMES, percentiles, strict=True)),
            lowest_usual=percentiles[0],
            highest_usual=percentiles[-1],
            lowest_accepted=accepted[0],
            highest_accepted=accepted[1],
        )
    return FeatureDocument(
        name=name,
        label=name.title(),
        unit="points",
        domain="person",
        group="clinical",
        monotone=0,
        missing_share=0.0,
        reference=reference,
        importance=importance,
    )


def normal(mean: float, sd: float) -> tuple[float, ...]:
    return tuple(NormalDist(mean, sd).inv_cdf(cut) for cut in CUTS)


FEATURES = (
    feature("age", normal(50.0, 10.0), 0.4, (10, 95)),
    feature("score", normal(0.0, 2.0), 0.3, (None, 8)),
    feature("rare", (0, 0, 0, 0, 0, 1, 1), 0.2),  # about one patient in ten
    feature("constant", (1, 1, 1, 1, 1, 1, 1), 0.1),
    feature("never_known", None, 0.0),
)
REFERENCE = TrainingReference(FEATURES)
UNKNOWN = [np.nan] * 5


def compared(row: Sequence[float]) -> Compared:
    return REFERENCE.compared(np.array(row, dtype=np.float64))


def distance(X: FloatArray) -> FloatArray:
    return REFERENCE.distance(X, np.isnan(X))


def test_distance_is_a_root_mean_square_of_standard_deviations() -> None:
    X = np.array([[50.0, 0.0, 0.0, 1.0, np.nan], [80.0, 6.0, 0.0, 1.0, np.nan]])
    assert distance(X) == pytest.approx([0.0, np.sqrt((9 + 9 + 0) / 3)], rel=1e-3)


def test_an_unknown_feature_counts_as_in_a_typical_patient() -> None:
    X = np.array([[80.0, 6.0, np.nan, 1.0, np.nan], [80.0, *UNKNOWN[1:]], UNKNOWN])
    expected = np.sqrt(np.array([9 + 9 + 1, 9 + 1 + 1, 3]) / 3)
    assert distance(X) == pytest.approx(expected, rel=1e-3)
    assert distance(X[0]) == distance(X)[0]


def test_a_rare_yes_is_about_three_standard_deviations_away() -> None:
    X = np.array([[50.0, 0.0, 1.0, np.nan, np.nan]])
    expected = 2 * NormalDist().inv_cdf(0.95) / np.sqrt(3)
    assert distance(X)[0] == pytest.approx(expected, rel=1e-3)


def test_constant_and_never_known_features_do_not_count() -> None:
    near = np.array([[60.0, np.nan, np.nan, np.nan, np.nan]])
    far = np.array([[60.0, np.nan, np.nan, 1e9, 1e9]])
    assert distance(near) == distance(far)
    assert REFERENCE.unaccepted(REFERENCE.compared(far[0])) is None


def test_a_patient_of_whom_nothing_is_known_lacks_everything() -> None:
    assert REFERENCE.missing_importance(np.isnan([UNKNOWN])) == pytest.approx([1.0])


def test_a_typical_training_patient_lies_at_one() -> None:
    rng = np.random.default_rng(1)
    X = np.full((4000, 5), np.nan)
    X[:, 0], X[:, 1] = rng.normal(50, 10, 4000), rng.normal(0, 2, 4000)
    assert np.sqrt(np.mean(distance(X) ** 2)) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("age", "score", "column"),
    [(10, 8, None), (95, -1e6, None), (9.9, 0, 0), (95.1, 9, 0), (50, 8.1, 1)],
)
def test_one_value_outside_what_is_accepted_is_found(
    age: float, score: float, column: int | None
) -> None:
    assert REFERENCE.unaccepted(compared([age, score, *UNKNOWN[2:]])) == column


@pytest.fixture
def document(predictor: ResponsePredictor) -> ModelDocument:
    """A model of the features above that lets 30 % be missing, and goes as far as 1.5."""
    rule = predictor.document.abstention.model_copy(
        update={"maximum_missing_importance": 0.31, "maximum_distance": 1.5}
    )
    return predictor.document.model_copy(update={"features": FEATURES, "abstention": rule})


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ([50, 0, 0, 1, np.nan], None, None),
        ([50, np.nan, 0, 1, np.nan], None, None),
        ([np.nan, 0, 0, 1, np.nan], "too_much_missing", None),
        ([96, 0, 0, 1, np.nan], "unlike_training", "age"),
        ([np.nan, 9, 0, 1, np.nan], "too_much_missing", None),
        ([50, 7, 0, 1, np.nan], "unlike_training", None),
        ([50, -1e3, 0, 1, np.nan], "unlike_training", None),
    ],
)
def test_the_rules_decline_beyond_their_limits_only(
    document: ModelDocument, row: list[float], code: str | None, field: str | None
) -> None:
    notice = reason_to_abstain(compared(row), document, REFERENCE)
    assert (notice.code if notice else None) == code
    assert (notice.field if notice else None) == field


@pytest.mark.parametrize(("age", "words"), [(97.5, "above 95 points"), (7.25, "below 10 points")])
def test_the_reason_names_the_input_and_its_limit_and_not_the_value(
    document: ModelDocument, age: float, words: str
) -> None:
    notice = reason_to_abstain(compared([age, 0, 0, 1, np.nan]), document, REFERENCE)
    assert notice is not None
    assert f"Age is {words}" in notice.message
    assert str(age) not in notice.message


def test_a_model_of_the_base_rate_misses_nothing(document: ModelDocument) -> None:
    flat = document.model_copy(update={"booster": None})
    assert reason_to_abstain(compared(UNKNOWN), flat, REFERENCE) is None
    unlike = reason_to_abstain(compared([96, *UNKNOWN[1:]]), flat, REFERENCE)
    assert unlike is not None
    assert unlike.field == "age"


def test_a_model_that_never_answers_says_its_own_reason(document: ModelDocument) -> None:
    rule = document.abstention.model_copy(update={"always": "Only 6 patients responded."})
    never = document.model_copy(update={"abstention": rule})
    notice = reason_to_abstain(compared(UNKNOWN), never, REFERENCE)
    assert notice is not None
    assert (notice.code, notice.message) == ("model_always_abstains", "Only 6 patients responded.")
