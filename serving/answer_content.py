"""The JSON content of an answer.

Not a `Prediction` itself: to check it and write it as JSON would cost as much again as to make it.
"""

import uuid
from collections.abc import Iterator, Sequence
from functools import cached_property
from math import isnan
from typing import Any, overload

import orjson

from data_schemas.prediction import ModelIdentity, Notice, PredictionOutcome
from serving.booster_text import FloatArray
from serving.calibrated_trees import IntervalContent
from serving.model_document import FeatureDocument, ModelDocument

Content = dict[str, Any]


class _NamedFeatures:
    """What contributions say whatever the patient, as dictionaries and as JSON around the numbers.

    Attributes
    ----------
    contents : list of dict, length p
        In the order of the fields of a Contribution, without its numbers.
    before_values, before_log_odds : list of bytes, length p
        The JSON before either number; first of all it ends the contribution before.
    """

    def __init__(self, features: Sequence[FeatureDocument]) -> None:
        self.contents: list[Content] = []
        self.before_values: list[bytes] = []
        self.before_log_odds: list[bytes] = []
        for each in features:
            named = {"feature": each.name, "label": each.label}
            self.contents.append({**named, "value": None, "unit": each.unit, "log_odds": 0.0})
            self.before_values.append(b"}," + orjson.dumps(named)[:-1] + b',"value":')
            self.before_log_odds.append(b',"unit":' + orjson.dumps(each.unit) + b',"log_odds":')


class Contributions(Sequence[Content]):
    """The content of the contributions, the largest first.

    Most answers are only written as JSON; for these no dictionaries are made.

    Parameters
    ----------
    features : _NamedFeatures
        What is said of p features whatever the patient.
    row : ndarray of float64, shape (p,)
        The patient's features, NaN where unknown; as `log_odds`, not changed afterwards.
    log_odds : ndarray of float64, shape (p,)
        What each contributed.
    """

    def __init__(self, features: _NamedFeatures, row: FloatArray, log_odds: FloatArray) -> None:
        self._features, self._row, self._log_odds = features, row, log_odds

    def to_json(self) -> bytes:
        """Return them as JSON."""
        # What is unknown, NaN, becomes null.
        values = orjson.dumps(self._row.tolist())[1:-1].split(b",")
        log_odds = orjson.dumps(self._log_odds.tolist())[1:-1].split(b",")
        named = self._features
        by_column = [
            *zip(named.before_values, values, named.before_log_odds, log_odds, strict=True)
        ]
        parts: list[bytes] = []
        for column in self._order():
            parts += by_column[column]
        return b"[" + b"".join(parts)[2:] + b"}]"

    def _order(self) -> list[int]:
        order: list[int] = (-abs(self._log_odds)).argsort(kind="stable").tolist()
        return order

    @cached_property
    def _contents(self) -> list[Content]:
        values, log_odds = self._row.tolist(), self._log_odds.tolist()
        found = []
        for column in self._order():
            # Copies whose keys are there already cost half as much as new ones.
            named = self._features.contents[column].copy()
            if not isnan(values[column]):
                named["value"] = values[column]
            named["log_odds"] = log_odds[column]
            found.append(named)
        return found

    def __len__(self) -> int:
        return len(self._features.contents)

    def __iter__(self) -> Iterator[Content]:
        return iter(self._contents)

    @overload
    def __getitem__(self, index: int) -> Content: ...

    @overload
    def __getitem__(self, index: slice) -> list[Content]: ...

    def __getitem__(self, index: int | slice) -> Content | list[Content]:
        return self._contents[index]


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
        self._features = _NamedFeatures(document.features)
        self._outcome = PredictionOutcome(
            instrument=document.outcome.instrument,
            definition=document.outcome.describe(),
            horizon=document.outcome.horizon,
        ).model_dump()
        self._model = self.identity.model_dump()

    def named(self, row: FloatArray, contributions: FloatArray) -> Contributions:
        """Return the contributions with their names, the largest first."""
        return Contributions(self._features, row, contributions)

    def answer(
        self,
        notices: Sequence[Notice],
        probability: float | None = None,
        interval: IntervalContent | None = None,
        contributions: Sequence[Content] = (),
    ) -> Content:
        """Return the content of a `Prediction`; without a probability the model abstains.

        `to_json` writes it.
        """
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


def to_json(content: Content) -> bytes:
    """Return the JSON of an answer's content."""
    return orjson.dumps(content, default=_written)


def _written(contributions: Contributions) -> orjson.Fragment:
    return orjson.Fragment(contributions.to_json())
