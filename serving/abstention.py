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
# More than the order in which shares of 1 are added up can change their sum.
_ROUNDING = 1e-9


class Compared(NamedTuple):
    """One patient beside the training cohort.

    Attributes
    ----------
    row : ndarray of float64, shape (p,)
        Features, NaN where unknown.
    unknown : ndarray of bool, shape (p,)
    unusual : list of int
        The columns whose values lie outside the usual range in training.
    lacking : list of int
        The important columns whose values are unknown.
    """

    row: FloatArray
    unknown: BoolArray
    unusual: list[int]
    lacking: list[int]


class TrainingReference:
    """The training percentiles of a model's features, and how much the model leans on each.

    A feature is important when it carries more than an equal share of the contributions.

    Parameters
    ----------
    features : sequence of FeatureDocument, length p
        In the order of the columns of X.

    Attributes
    ----------
    questions : Questions
        Of each feature, whether it lies below its usual range in training, and whether above; then,
        of the important ones, whether they are known.
    """

    def __init__(self, features: Sequence[FeatureDocument]) -> None:
        known = [feature.reference for feature in features]
        self._importance = np.array([feature.importance for feature in features])
        self._shares: list[float] = self._importance.tolist()
        important = self._importance > 1.0 / max(1, len(features))
        self._important: list[int] = important.nonzero()[0].tolist()
        self._unimportance = float(self._importance[~important].sum())
        lowest, highest = _column(known, "lowest_usual"), _column(known, "highest_usual")
        sides = Questions.of(
            np.repeat(np.arange(len(features)), 2),
            np.stack([just_below(lowest), highest], axis=1).ravel(),
            above=np.tile([False, True], len(features)),
        )
        is_known = np.full(len(self._important), -np.inf)
        self.questions = Questions.joined(
            [sides, Questions.of(self._important, is_known, above=True)]
        )
        self._n_sides = len(sides)
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
        answers : ndarray of bool, shape (q,), optional
            To `questions`, where they are known.
        """
        answers = self.questions.answers(row) if answers is None else answers
        # Bytes are searched faster than arrays; of most patients nothing is unusual.
        asked = answers.tobytes()
        sides, known = asked[: self._n_sides], asked[self._n_sides :]
        unusual = [place // 2 for place, beyond in enumerate(sides) if beyond] if 1 in sides else []
        lacking = [self._important[place] for place, given in enumerate(known) if not given]
        return Compared(row, np.isnan(row), unusual, lacking)

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
        np.putmask(deviations, unknown, 1.0)
        deviations *= deviations
        distance: FloatArray = np.sqrt(deviations.dot(self._weight))
        return distance

    def missing_importance(self, unknown: BoolArray) -> FloatArray:
        """Return the share of the model's importance that each patient lacks, shape (n,) or ()."""
        missing: FloatArray = unknown.dot(self._importance)
        return missing

    def lacks_more(self, patient: Compared, share: float) -> bool:
        """Return whether a patient lacks more than a share of the model's importance."""
        # Seldom so, and never where it is not so even if nothing unimportant were known.
        at_most = self._unimportance + sum([self._shares[column] for column in patient.lacking])
        if at_most < share - _ROUNDING:
            return False
        return bool(self.missing_importance(patient.unknown) > share)

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
    if not document.serves_base_rate and reference.lacks_more(
        patient, rule.maximum_missing_importance
    ):
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
