"""How unlike the training patients a patient is, in words and on a scale."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from serving.abstention import TrainingReference
from serving.booster_text import FloatArray
from serving.model_document import ModelDocument

_TYPICAL: Final = 1.0  # see `TrainingReference.distance`


@dataclass(frozen=True)
class Likeness:
    """How far a patient lies from the middle of the training patients.

    Attributes
    ----------
    distance : float
        1 for a typical training patient.
    limit : float
        Beyond it the model declines to answer.
    missing_percent : float
        Weight of the unknown inputs in the model's predictions.
    missing_limit_percent : float
        Beyond it the model declines to answer.
    """

    distance: float
    limit: float
    missing_percent: float
    missing_limit_percent: float

    @property
    def words(self) -> str:
        """The distance in a sentence."""
        if self.distance <= _TYPICAL:
            return (
                "All inputs together, like the training patients: no further from their middle "
                "than a typical one."
            )
        if self.distance <= self.limit:
            return (
                "All inputs together, further from the middle of the training patients than a "
                "typical one, but within the limit."
            )
        return (
            "All inputs together, unlike the training patients: further from their middle than the "
            "limit, beyond which the model does not answer."
        )

    def place(self, distance: float) -> float:
        """Return where a distance stands on a scale from 0 to 100; what is off it, at its end."""
        return round(min(100.0, 100 * distance / (1.25 * max(self.limit, _TYPICAL))), 2)


def likeness(row: FloatArray, document: ModelDocument) -> Likeness:
    """Return how unlike the training patients of a model a row of features is."""
    reference, rule = TrainingReference(document.features), document.abstention
    unknown = np.isnan(row)
    return Likeness(
        distance=float(reference.distance(row, unknown)),
        limit=rule.maximum_distance,
        missing_percent=100 * float(reference.missing_importance(unknown)),
        missing_limit_percent=100 * rule.maximum_missing_importance,
    )
