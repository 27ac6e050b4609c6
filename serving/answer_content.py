"""The JSON content of an answer.

Not a `Prediction` itself: to check it and write it as JSON would cost as much again as to make it.
"""

import uuid
from collections.abc import Sequence
from math import isnan
from typing import Any

import numpy as np

from data_schemas.prediction import ModelIdentity, Notice, PredictionOutcome
from serving.booster_text import FloatArray
from serving.calibrated_trees import IntervalContent
from serving.model_document import ModelDocument

Content = dict[str, Any]


class AnswerContents:
    """What all answers of a model have in common, and what is added for one patient.

    Parameters
    ----------
    document : ModelDocument
    baseline_log_odds : float
        Calibrated log-odds before any feature is known.

    Attributes
    ----------
    identity : ModelIdentity
        As it stands in every answer.
    """

    def __init__(self, document: ModelDocument, baseline_log_odds: float) -> None:
        self.identity = ModelIdentity(
            name=document.name,
            version=f"{document.version}+{document.digest}",
            trained_on=document.trained_on.sentence(),
            week=document.landmark and document.landmark.week,
        )
        self._base_rate, self._baseline_log_odds = document.base_rate, baseline_log_odds
        # In the order of the fields of a Contribution.
        self._described: list[Content] = [
            {
                "feature": each.name, "label": each.label, "value": None, "unit": each.unit,
                "log_odds": 0.0,
            }
            for each in document.features
        ]  # fmt: skip
        self._outcome = PredictionOutcome(
            instrument=document.outcome.instrument,
            definition=document.outcome.describe(),
            horizon=document.outcome.horizon,
        ).model_dump()
        self._model = self.identity.model_dump()

    def named(self, row: FloatArray, contributions: FloatArray) -> list[Content]:
        """Return the contributions with their names, the largest first."""
        order = np.argsort(-np.abs(contributions), kind="stable")
        found = []
        # Copies whose keys are there already cost half as much as new ones.
        for column, value, log_odds in zip(
            order.tolist(), row[order].tolist(), contributions[order].tolist(), strict=True
        ):
            named = self._described[column].copy()
            if not isnan(value):
                named["value"] = value
            named["log_odds"] = log_odds
            found.append(named)
        return found

    def answer(
        self,
        notices: Sequence[Notice],
        probability: float | None = None,
        interval: IntervalContent | None = None,
        contributions: Sequence[Content] = (),
    ) -> Content:
        """Return the content of a `Prediction`; without a probability the model abstains."""
        return {
            "response_probability": probability,
            "interval": interval,
            "base_rate": self._base_rate,
            "baseline_log_odds": self._baseline_log_odds,
            "contributions": contributions,
            "notices": [vars(each).copy() for each in notices],
            "abstained": probability is None,
            "outcome": self._outcome,
            "model": self._model,
            "prediction_id": str(uuid.uuid4()),
        }
