"""How unlike the training cohort a patient is, and when the model declines to answer."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_schemas.prediction import Notice
from serving.asked_units import asked_words
from serving.booster_text import FloatArray
from serving.model_document import FeatureDocument, ModelDocument, ReferenceDistribution
from serving.questions import BoolArray, Questions, just_below

# Standard deviations between two percentiles of a normal distribution.
_SDS_P25_P75 = 1.3490
_SDS_P5_P95 = 3.2897
_SDS_P1_P99 = 4.6527


class Compared(NamedTuple):
    """One patient beside the training cohort.

    Attributes
    ----------
    row : ndarray of float64, shape (p,)
        Features, NaN where unknown.
    unknown : ndarray of bool, shape (p,)
    unusual : list of int
        The columns whose values lie outside the usual range in training.
    """

    row: FloatArray
    unknown: BoolArray
    unusual: list[int]


class TrainingReference:
    """The training percentiles of a model's features, as arrays of shape (p,).

    Parameters
    ----------
    features : sequence of FeatureDocument, length p
        In the order of the columns of X.

    Attributes
    ----------
    importance : ndarray of float, shape (p,)
        Share of each feature in the mean absolute contributions.
    is_important : ndarray of bool, shape (p,)
        Where that is more than an equal share.
    questions : Questions
        Of each feature, whether it lies below its usual range in training, and whether above.
    """

    def __init__(self, features: Sequence[FeatureDocument]) -> None:
        known = [feature.reference for feature in features]
        self.importance = np.array([feature.importance for feature in features])
        self.is_important = self.importance > 1.0 / max(1, len(features))
        lowest, highest = _column(known, "lowest_usual"), _column(known, "highest_usual")
        self.questions = Questions.of(
            np.repeat(np.arange(len(features)), 2),
            np.stack([just_below(lowest), highest], axis=1).ravel(),
            above=np.tile([False, True], len(features)),
        )
        self._lowest_accepted = _column(known, "lowest_accepted")
        self._highest_accepted = _column(known, "highest_accepted")
        scale = np.array([0.0 if each is None else _robust_sd(each) for each in known])
        varied = scale > 0
        self._precision = np.divide(1.0, scale, out=np.zeros_like(scale), where=varied)
        self._middle = np.where(varied, _column(known, "p50"), 0.0) * self._precision
        self._weight = varied / max(1, int(np.count_nonzero(varied)))

    def compared(self, row: FloatArray, answers: BoolArray | None = None) -> Compared:
        """Compare one patient with the training cohort.

        Parameters
        ----------
        row : ndarray of float64, shape (p,)
            Features, NaN where unknown.
        answers : ndarray of bool, shape (2 p,), optional
            To `questions`, where they are known.
        """
        answers = self.questions.answers(row) if answers is None else answers
        unusual = [place // 2 for place in answers.nonzero()[0].tolist()]
        return Compared(row, np.isnan(row), unusual)

    def distance(self, X: FloatArray, unknown: BoolArray) -> FloatArray:
        """Return how far each patient lies from the middle of the training cohort.

        The root mean square, over the features that varied in training, of
        `(value - training median) / robust SD`. The robust SD is the distance between two training
        percentiles over the same distance in a standard normal: the quartiles, or, where they
        coincide (as in a rare yes or no), the 5th and 95th, or the outer percentiles. An unknown
        feature counts 1, as it would in a typical patient, so that a single unusual value does
        not make a patient distant of whom little else is known. Typical training patients lie at
        about 1.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p) or (p,)
            Features, NaN where unknown.
        unknown : ndarray of bool, of the shape of X
            Where that is.

        Returns
        -------
        ndarray of float64, shape (n,) or ()
        """
        deviations = X * self._precision
        deviations -= self._middle
        deviations[unknown] = 1.0
        deviations *= deviations
        distance: FloatArray = np.sqrt(deviations.dot(self._weight))
        return distance

    def missing_importance(self, unknown: BoolArray) -> FloatArray:
        """Return the share of the model's importance that each patient lacks, shape (n,) or ()."""
        missing: FloatArray = unknown.dot(self.importance)
        return missing

    def unaccepted(self, patient: Compared) -> int | None:
        """Return the first column whose value lies outside its accepted range, or None.

        Features that the model does not lean on count as well: with any of them a patient is
        unlike those in whom the model was tested.
        """
        # The usual range lies within the accepted one.
        for column in patient.unusual:
            value = patient.row[column]
            if value < self._lowest_accepted[column] or value > self._highest_accepted[column]:
                return column
        return None


def _column(known: Sequence[ReferenceDistribution | None], name: str) -> FloatArray:
    """Return one number of each distribution, shape (p,); NaN, which nothing exceeds, for null."""
    numbers = [None if each is None else getattr(each, name) for each in known]
    return np.array(numbers, dtype=np.float64)


def _robust_sd(reference: ReferenceDistribution) -> float:
    spreads = (
        (reference.p75 - reference.p25) / _SDS_P25_P75,
        (reference.p95 - reference.p5) / _SDS_P5_P95,
        (reference.p99 - reference.p1) / _SDS_P1_P99,
    )
    return next((spread for spread in spreads if spread > 0), 0.0)


def reason_to_abstain(
    patient: Compared, document: ModelDocument, reference: TrainingReference
) -> Notice | None:
    """Return the notice that says why the model declines to answer, or None when it answers.

    A model that serves the base rate uses no input, so that none can be missing; it still declines
    to answer for a patient unlike those whose base rate it is.

    Parameters
    ----------
    patient : Compared
        By the reference.
    document, reference : ModelDocument, TrainingReference
        Of the model.
    """
    rule = document.abstention
    if rule.always is not None:
        return Notice(code="model_always_abstains", message=rule.always)
    missing = reference.missing_importance(patient.unknown)
    if missing > rule.maximum_missing_importance and not document.serves_base_rate:
        return Notice(
            code="too_much_missing",
            message="The model does not answer: inputs that make up more than "
            f"{rule.maximum_missing_importance:.0%} of its predictions are unknown.",
        )
    column = reference.unaccepted(patient)
    if column is not None:
        return _unlike_by_one(document.features[column], patient.row[column], document)
    if reference.distance(patient.row, patient.unknown) > rule.maximum_distance:
        return Notice(
            code="unlike_training",
            message="The model does not answer: taken together, the inputs of this patient lie "
            f"further than {rule.maximum_distance:g} robust standard deviations from the "
            "training cohort.",
        )
    return None


def _unlike_by_one(feature: FeatureDocument, value: float, document: ModelDocument) -> Notice:
    """Return the notice of one value far outside the training range, without the value."""
    reference = feature.reference
    assert reference is not None  # noqa: S101  # everything is accepted otherwise
    above = reference.highest_accepted is not None and value > reference.highest_accepted
    side, limit = (
        ("above", reference.highest_accepted) if above else ("below", reference.lowest_accepted)
    )
    assert limit is not None  # noqa: S101  # the value lies beyond it
    return Notice(
        code="unlike_training",
        field=feature.name,
        message=f"The model does not answer: {feature.label} is {side} "
        f"{asked_words(feature, limit, document)}, far from all that the model was trained on.",
    )
