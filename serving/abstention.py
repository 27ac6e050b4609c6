"""How unlike the training cohort a patient is, and when the model declines to answer."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_schemas.prediction import Notice
from serving.booster_text import FloatArray
from serving.model_document import Abstention, FeatureDocument, ReferenceDistribution

# Standard deviations between two percentiles of a normal distribution.
_SDS_P25_P75 = 1.3490
_SDS_P5_P95 = 3.2897
_SDS_P1_P99 = 4.6527


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
    lowest, highest : ndarray of float, shape (p,)
        1st and 99th training percentiles; infinite where the feature was never known.
    """

    def __init__(self, features: Sequence[FeatureDocument]) -> None:
        known = [feature.reference for feature in features]
        self.importance = np.array([feature.importance for feature in features])
        self.lowest = np.array([-np.inf if each is None else each.p1 for each in known])
        self.highest = np.array([np.inf if each is None else each.p99 for each in known])
        self._median = np.array([0.0 if each is None else each.p50 for each in known])
        scale = np.array([0.0 if each is None else _robust_sd(each) for each in known])
        self._varied = scale > 0
        self._precision = np.divide(1.0, scale, out=np.zeros_like(scale), where=self._varied)

    def distance(self, X: npt.ArrayLike) -> FloatArray:
        """Return how far each patient lies from the middle of the training cohort.

        The root mean square, over the features known in the patient, of
        `(value - training median) / robust SD`. The robust SD is the distance between two training
        percentiles over the same distance in a standard normal: the quartiles, or, where they
        coincide (as in a rare yes or no), the 5th and 95th, or the 1st and 99th percentiles. A
        feature that was constant in training has no scale and does not count; nor could the model
        learn from it. A typical training patient lies at about 1; without any known feature the
        distance is 0, and what is missing decides.

        Parameters
        ----------
        X : array-like of shape (n, p)
            Features, NaN where unknown.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        deviations = (np.asarray(X, dtype=np.float64) - self._median) * self._precision
        known = ~np.isnan(deviations) & self._varied
        squares = np.where(known, deviations, 0.0) ** 2
        distance: FloatArray = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
        return distance

    def missing_importance(self, X: npt.ArrayLike) -> FloatArray:
        """Return the share of the model's importance that each patient lacks, shape (n,)."""
        missing: FloatArray = np.isnan(np.asarray(X, dtype=np.float64)) @ self.importance
        return missing


def _robust_sd(reference: ReferenceDistribution) -> float:
    spreads = (
        (reference.p75 - reference.p25) / _SDS_P25_P75,
        (reference.p95 - reference.p5) / _SDS_P5_P95,
        (reference.p99 - reference.p1) / _SDS_P1_P99,
    )
    return next((spread for spread in spreads if spread > 0), 0.0)


def reason_to_abstain(
    rule: Abstention, missing_importance: float, distance: float
) -> Notice | None:
    """Return the notice that says why the model declines to answer, or None when it answers."""
    if rule.always is not None:
        return Notice(code="model_always_abstains", message=rule.always)
    if missing_importance > rule.maximum_missing_importance:
        return Notice(
            code="too_much_missing",
            message="The model does not answer: inputs that make up more than "
            f"{rule.maximum_missing_importance:.0%} of its predictions are unknown.",
        )
    if distance > rule.maximum_distance:
        return Notice(
            code="unlike_training",
            message="The model does not answer: this patient lies further than "
            f"{rule.maximum_distance:g} robust standard deviations from the training cohort.",
        )
    return None
