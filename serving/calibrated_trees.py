"""Calibrated log-odds, their parts and their spread, from a row of features."""

import hashlib
from collections.abc import Sequence
from math import exp, log
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from data_schemas.errors import ModelError
from serving.boosted_trees import LightGBMTrees, boosted_trees
from serving.booster_text import FloatArray
from serving.model_document import BoosterDocument, ModelDocument
from serving.questions import NO_QUESTIONS, BoolArray, Questions
from serving.stability_interval import THOUSANDTHS, ReplicateSpread, SpreadTable
from serving.tree_tables import TreeTables


class IntervalContent(TypedDict):
    """The JSON content of an `Interval`, which needs no check of its own."""

    lower: float
    upper: float
    level: float
    method: str


class Explained(NamedTuple):
    """One patient, explained.

    Attributes
    ----------
    log_odds : float
    contributions : ndarray of float64, shape (p,)
        `baseline_log_odds + contributions.sum()` is `log_odds`.
    interval : IntervalContent or None
        Central part of the probabilities of the pipeline's replicates or, where the model has
        none, of the bags; None where there are no bags either. It holds the probability.
    """

    log_odds: float
    contributions: FloatArray
    interval: IntervalContent | None


class CalibratedTrees:
    """The bagged boosters of a model with its recalibration, or its base rate where it has none.

    Log-odds are an affine function of the mean margin of the bags, `slope * margin + intercept`,
    so that SHAP values of the margin become exact contributions by the same slope.

    Parameters
    ----------
    document : ModelDocument
        Calibration, bags and interval.
    booster_text : str or None
        The merged boosters; None where the base rate is the model.
    spread_text : str or None
        The replicates of the pipeline in compact form; None where the interval is the spread of
        the bags, or there is none.

    Attributes
    ----------
    baseline_log_odds : float
        Calibrated log-odds before any feature is known.
    questions : Questions
        Of the trees, and then of the replicates.

    Raises
    ------
    ModelError
        When a text is not the one that the document describes.
    """

    def __init__(
        self, document: ModelDocument, booster_text: str | None, spread_text: str | None = None
    ) -> None:
        self._trees = _checked_trees(document, booster_text)
        self._replicates = _checked_spread(document, spread_text)
        self._n_bags = document.booster.n_bags if document.booster else 1
        self._level, self._method = document.interval.level, document.interval.method
        n_spread = self._replicates.n_replicates if self._replicates else self._n_bags
        self._places, self._beyond = _central_part(self._level, n_spread)
        asking = [each.questions for each in (self._trees, self._replicates) if each]
        self.questions = Questions.joined([NO_QUESTIONS, *asking])
        n_of_trees = len(self._trees.questions) if self._trees else 0
        self._of_replicates = slice(n_of_trees, len(self.questions))
        if self._trees is None:
            self._slope, self._intercept = 0.0, logit(document.base_rate)
            self.baseline_log_odds = self._intercept
        else:
            self._slope = document.calibration.slope
            self._intercept = document.calibration.intercept
            self.baseline_log_odds = self._slope * self._trees.baseline + self._intercept

    def explained(self, row: FloatArray, answers: BoolArray | None = None) -> Explained:
        """Return the log-odds of one patient, what they are made of, and how far they move.

        Parameters
        ----------
        row : ndarray of float64, shape (p,)
            Features, NaN where unknown.
        answers : ndarray of bool, shape (q,), optional
            To `questions`, where they are known; others may follow.
        """
        if self._trees is None:
            return Explained(self._intercept, np.zeros(len(row)), None)
        answers = self.questions.answers(row) if answers is None else answers
        by_tree, by_feature = self._trees.outputs(row, answers)
        log_odds = self._slope * float(np.add.reduce(by_tree)) + self._intercept
        spread = self._spread(by_tree, row, answers[self._of_replicates])
        spread.sort()
        interval = self._interval(spread.take(self._places).tolist(), log_odds)
        return Explained(log_odds, self._contributions(by_feature), interval)

    def explained_many(self, X: FloatArray, answers: BoolArray | None = None) -> list[Explained]:
        """Return what `explained` does, to the last bit, for each of n patients: (n, p)."""
        if self._trees is None:
            return [self.explained(row) for row in X]
        answers = self.questions.answers(X) if answers is None else answers
        by_tree, by_feature = self._trees.outputs(X, answers)
        log_odds = (self._slope * by_tree.sum(axis=1) + self._intercept).tolist()
        spread = self._spread(by_tree, X, answers[:, self._of_replicates])
        spread.sort(axis=1)
        intervals = map(self._interval, spread.take(self._places, axis=1).tolist(), log_odds)
        return list(map(Explained, log_odds, self._contributions(by_feature), intervals))

    def _contributions(self, by_feature: FloatArray) -> FloatArray:
        contributions = self._slope * by_feature
        if self._slope < 1:
            # A slope of zero, or nearly so, makes -0.0 of what is negative.
            contributions += 0.0
        return contributions

    def _spread(
        self, by_tree: FloatArray, X: FloatArray, answers: BoolArray
    ) -> npt.NDArray[np.floating[Any]]:
        """Return how the log-odds move: whole thousandths, or where there are bags, theirs."""
        if self._replicates is not None:
            return self._replicates.thousandths(X, answers)
        # Leaf values are already divided by the number of bags.
        bags = by_tree.reshape(*X.shape[:-1], self._n_bags, -1).sum(axis=-1) * self._n_bags
        spread: FloatArray = self._slope * bags + self._intercept
        return spread

    def _interval(self, ends: Sequence[float], log_odds: float) -> IntervalContent:
        if self._replicates is not None:
            ends = [log_odds + each / THOUSANDTHS for each in ends]
        low, next_to_low, high, next_to_high = ends
        lower = low + self._beyond[0] * (next_to_low - low)
        upper = high + self._beyond[1] * (next_to_high - high)
        # What is served may lie outside the quantiles; the interval holds it.
        return {
            "lower": expit(min(lower, log_odds)),
            "upper": expit(max(upper, log_odds)),
            "level": self._level,
            "method": self._method,
        }


def expit(log_odds: float) -> float:
    """Return the probability of log-odds, without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + exp(-log_odds))
    odds = exp(log_odds)
    return odds / (1.0 + odds)


def logit(probability: float) -> float:
    """Return the log-odds of a probability strictly between 0 and 1."""
    return log(probability / (1.0 - probability))


def _central_part(level: float, n: int) -> tuple[npt.NDArray[np.intp], tuple[float, float]]:
    """Return where the ends of the central part of n sorted values lie.

    Returns
    -------
    places : ndarray of int, shape (4,)
        The values before and after its low end, and those of its high end.
    beyond : tuple of float
        How far each end lies from the first of its values to the second: quantiles by linear
        interpolation, as those of `np.quantile`.
    """
    low, high = ((1 - level) / 2 * (n - 1), (1 + level) / 2 * (n - 1))
    first = (int(low), int(high))
    places = [min(place, n - 1) for start in first for place in (start, start + 1)]
    return np.array(places, dtype=np.intp), (low - first[0], high - first[1])


def _checked_trees(document: ModelDocument, text: str | None) -> TreeTables | LightGBMTrees | None:
    """Return the trees, after checking that they are the document's own."""
    described = document.booster
    if (described is None) != (text is None):
        raise ModelError("The model's document and its booster must be given together.")
    if described is None or text is None:
        return None
    if hashlib.sha256(text.encode()).hexdigest() != described.sha256:
        raise ModelError(
            "booster.txt is not the file that model.json describes: its SHA-256 differs. "
            "Copy or train the model again."
        )
    if BoosterDocument.of(text, described.n_bags) != described:
        raise ModelError(
            f"booster.txt does not hold {described.trees_per_bag} trees for each of "
            f"{described.n_bags} bags; train the model again."
        )
    return boosted_trees(text, len(document.features))


def _checked_spread(document: ModelDocument, text: str | None) -> ReplicateSpread | None:
    """Return the replicates, after checking that they are the document's own."""
    described = document.interval.spread
    if (described is None) != (text is None) or (described and document.booster is None):
        raise ModelError(
            "The model's document and its spread must be given together, beside a booster."
        )
    if described is None or text is None:
        return None
    if hashlib.sha256(text.encode()).hexdigest() != described.sha256:
        raise ModelError(
            "spread.json is not the file that model.json describes: its SHA-256 differs. "
            "Copy or train the model again."
        )
    table = SpreadTable.from_text(text, len(document.features))
    if table.n_replicates != described.n_replicates:
        raise ModelError(
            f"spread.json does not hold {described.n_replicates} replicates; train the model again."
        )
    return ReplicateSpread(table)
