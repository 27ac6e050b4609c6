"""The figures of treat all and of a strategy in every bootstrap draw."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from training.burden.strategies import Figure, Strategy
from training.learning.rows import FloatArray
from training.performance.measures import Measured, MeasureSet
from training.performance.metrics import ratio

SHARE_CHANGED: Final = "share_changed"
SHARE_OF_RESPONDERS: Final = "share_of_responders_changed"
MINUS_TREAT_ALL: Final = "_minus_treat_all"
MINUS_LOT: Final = "_minus_lot"


def treat_all_measures(figures: Sequence[Figure]) -> MeasureSet:
    """Return the figures under treat all as a function of weights, shape (draws, n)."""

    def measure(weights: FloatArray) -> list[Measured]:
        return [Measured(each.name, None, _under_treat_all(each, weights)) for each in figures]

    return measure


def strategy_measures(strategy: Strategy) -> MeasureSet:
    """Return what a strategy does at each threshold as a function of weights, shape (draws, n).

    Beside each figure: its difference to treat all, and to the same number of changed patients
    drawn by lot among those who are asked. Also the share of all patients, and of all responders,
    who are changed.
    """

    def measure(weights: FloatArray) -> list[Measured]:
        return list(_measured(strategy, weights))

    return measure


def _measured(strategy: Strategy, weights: FloatArray) -> Iterator[Measured]:
    at, changed = strategy.thresholds, strategy.changed
    n_changed = weights @ changed
    yield Measured(SHARE_CHANGED, at, ratio(n_changed, weights.sum(axis=1, keepdims=True)))
    responders = strategy.y[:, None].astype(np.float64)
    yield Measured(
        SHARE_OF_RESPONDERS, at, ratio(weights @ (changed * responders), weights @ responders)
    )
    asked = strategy.asked[:, None].astype(np.float64)
    by_lot = ratio(n_changed, weights @ asked)
    for figure in strategy.figures:
        chosen = _at_thresholds(figure, weights, changed, np.ones(1))
        yield Measured(figure.name, at, chosen)
        yield Measured(
            figure.name + MINUS_TREAT_ALL, at, chosen - _under_treat_all(figure, weights)
        )
        drawn = _at_thresholds(figure, weights, asked, by_lot)
        yield Measured(figure.name + MINUS_LOT, at, chosen - drawn)


def _under_treat_all(figure: Figure, weights: FloatArray) -> FloatArray:
    return ratio(weights @ figure.total, weights @ figure.responders)[:, None]


def _at_thresholds(
    figure: Figure, weights: FloatArray, changed: FloatArray, share: FloatArray
) -> FloatArray:
    """Return a figure where a share of the changed, all or those of a lot, count as changed."""

    def summed(usual: FloatArray, otherwise: FloatArray) -> FloatArray:
        moved: FloatArray = weights @ (changed * (otherwise - usual)[:, None])
        total: FloatArray = (weights @ usual)[:, None] + share * moved
        return total

    total = summed(figure.total, figure.total_changed)
    # What is left of a sum of which all was taken away is rounding, not a responder.
    responders = summed(figure.responders, figure.responders_changed)
    return ratio(total, np.where(responders > 1e-9, responders, 0.0))
