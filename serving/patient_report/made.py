"""A prediction as it was made: what a report needs beside the model that made it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from data_schemas.prediction import Interval, Notice, Prediction
from serving.booster_text import FloatArray


@dataclass(frozen=True)
class MadePrediction:
    """A prediction, and the row of features that it was made from.

    Attributes
    ----------
    prediction_id : str
        Identifier of the answer.
    made_at : datetime
        When, with its zone.
    row : ndarray of float64, shape (p,)
        The patient's features as the model used them, NaN where unknown.
    probability : float or None
        None where the model abstained.
    interval : Interval or None
        Beside the probability, where the model gives one.
    notices : tuple of Notice
        As they were answered; of an abstention, the first says why.
    """

    prediction_id: str
    made_at: datetime
    row: FloatArray
    probability: float | None
    interval: Interval | None
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, prediction: Prediction, row: FloatArray, made_at: datetime) -> Self:
        """Return a prediction that was made just now."""
        return cls(
            prediction.prediction_id,
            made_at,
            row,
            prediction.response_probability,
            prediction.interval,
            prediction.notices,
        )
