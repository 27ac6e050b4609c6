"""Identities of the strategies' figures, whatever the patients and the predictions."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.burden.measures import (
    MINUS_LOT,
    MINUS_TREAT_ALL,
    SHARE_CHANGED,
    SHARE_OF_RESPONDERS,
    strategy_measures,
    treat_all_measures,
)
from training.burden.strategies import COST, SESSIONS, Strategy, rescoring, sequencing
from training.config import BurdenCosts
from training.learning.rows import BoolArray, FloatArray
from training.performance.metrics import unit_weights

COSTS = BurdenCosts(session=180, next_step=1200, next_step_rate=0.2, currency="EUR")
SESSIONS_IN_A_COURSE, BY_THEN = 30, 10
Planner = Callable[[BoolArray, FloatArray, FloatArray], Strategy]


def sequenced(y: BoolArray, p: FloatArray, thresholds: FloatArray) -> Strategy:
    return sequencing(y, p, thresholds, sessions=SESSIONS_IN_A_COURSE, costs=COSTS)


def rescored(y: BoolArray, p: FloatArray, thresholds: FloatArray) -> Strategy:
    """Re-score all but every fifth patient."""
    asked = np.arange(len(y)) % 5 > 0
    return rescoring(
        y, p[:, asked], asked, thresholds,
        sessions=SESSIONS_IN_A_COURSE, sessions_by_then=BY_THEN, costs=COSTS,
    )  # fmt: skip


BOTH = pytest.mark.parametrize("planner", [sequenced, rescored])


def figures(strategy: Strategy, weights: FloatArray | None = None) -> dict[str, FloatArray]:
    """Return every figure by its name, shape (draws, thresholds)."""
    weights = unit_weights(len(strategy.y)) if weights is None else weights
    return {each.metric: each.values for each in strategy_measures(strategy)(weights)}


def treat_all(strategy: Strategy, weights: FloatArray) -> dict[str, FloatArray]:
    return {each.metric: each.values for each in treat_all_measures(strategy.figures)(weights)}


def patients(seed: int, n: int = 60) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return outcomes, two repeats of chances that tell something, and weights of five draws."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.45
    y[:2] = True, False
    p = np.clip(0.45 + 0.1 * y + rng.normal(0, 0.15, (2, n)), 0.01, 0.99)
    return y, p, rng.multinomial(n, np.full(n, 1 / n), size=5).astype(np.float64)


@BOTH
@given(seed=st.integers(0, 10_000))
def test_a_threshold_of_0_is_treat_all_in_every_draw(planner: Planner, seed: int) -> None:
    y, p, weights = patients(seed)
    strategy = planner(y, p, np.array([0.0, 0.5]))
    found, everyone = figures(strategy, weights), treat_all(strategy, weights)
    for name in (SESSIONS, COST):
        np.testing.assert_array_equal(found[name][:, :1], everyone[name])
        assert not found[name + MINUS_TREAT_ALL][:, 0].any()
    assert not found[SHARE_CHANGED][:, 0].any()
    assert not found[SHARE_OF_RESPONDERS][:, 0].any()


@BOTH
@given(seed=st.integers(0, 10_000))
def test_perfect_predictions_take_the_fewest_sessions_and_cost_nobody(
    planner: Planner, seed: int
) -> None:
    y, p, weights = patients(seed)
    thresholds = np.linspace(0.05, 0.95, 10)
    perfect = figures(planner(y, np.stack([y, y]).astype(np.float64), np.array([0.5])), weights)
    found = figures(planner(y, p, thresholds), weights)
    assert not perfect[SHARE_OF_RESPONDERS].any()
    defined = ~np.isnan(found[SESSIONS])
    slack = (found[SESSIONS] - perfect[SESSIONS])[defined]
    assert (slack > -1e-9).all()
    assert (perfect[COST + MINUS_LOT] < 1e-9).all()


def test_perfect_sequencing_takes_one_course_for_each_responder() -> None:
    y, _, _ = patients(1)
    found = figures(sequenced(y, y[None].astype(np.float64), np.array([0.5])))
    assert found[SESSIONS] == SESSIONS_IN_A_COURSE


@BOTH
def test_permuted_labels_give_no_advantage(planner: Planner) -> None:
    rng = np.random.default_rng(4)
    y, p, _ = patients(4, n=2000)
    thresholds = np.array([0.4, 0.5])
    names = (SESSIONS + MINUS_TREAT_ALL, SESSIONS + MINUS_LOT, COST + MINUS_LOT)
    drawn = [figures(planner(rng.permutation(y), p, thresholds)) for _ in range(150)]
    for name in names:
        values = np.concatenate([each[name] for each in drawn])
        mean, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))
        if name == SESSIONS + MINUS_TREAT_ALL and planner is rescored:
            # Whoever stops people at random pays for the sessions that they had.
            assert (mean > 5 * error).all()
        else:
            assert (np.abs(mean) < 3.5 * error).all()
    informed = figures(planner(y, p, thresholds))
    assert (informed[SESSIONS + MINUS_LOT] < -1).all()


@BOTH
def test_the_order_of_two_steps_changes_nobodys_chance_but_stopping_does(planner: Planner) -> None:
    y, p, _ = patients(7)
    cost = planner(y, p, np.array([0.5])).figures[1]
    fewer = cost.responders - cost.responders_changed
    lost = (1 - COSTS.next_step_rate) * y if planner is rescored else np.zeros(len(y))
    np.testing.assert_allclose(fewer, lost, atol=1e-12)


def test_a_row_is_what_walking_through_the_clinic_gives() -> None:
    y, p, weights = patients(11)
    asked = np.arange(len(y)) % 5 > 0
    threshold = 0.5
    for draw in weights:
        people = np.repeat(np.arange(len(y)), draw.astype(int))
        walked = np.zeros((2, 4))  # sessions, responders to the course; cost, responders at all
        for person in people:
            for repeat in range(2):
                stops = bool(asked[person] and p[repeat, person] < threshold)
                waits = bool(p[repeat, person] < threshold)
                walked[0] += np.array(_walk_sequenced(waits=waits, responds=bool(y[person]))) / 2
                walked[1] += np.array(_walk_rescored(stops=stops, responds=bool(y[person]))) / 2
        for planner, (sessions, responders, cost, ever) in zip(
            (sequenced, rescored), walked, strict=True
        ):
            found = figures(planner(y, p, np.array([threshold])), draw[None])
            assert found[SESSIONS] == pytest.approx(sessions / responders)
            assert found[COST] == pytest.approx(cost / ever)


def _walk_sequenced(*, waits: bool, responds: bool) -> tuple[float, float, float, float]:
    course, step, helps = SESSIONS_IN_A_COURSE * COSTS.session, COSTS.next_step, 0.2
    if not waits:
        cost, ever = (course, 1.0) if responds else (course + step, helps)
        return SESSIONS_IN_A_COURSE, float(responds), cost, ever
    cost = helps * step + (1 - helps) * (step + course)
    return 0.0, 0.0, cost, helps + (1 - helps) * responds


def _walk_rescored(*, stops: bool, responds: bool) -> tuple[float, float, float, float]:
    if stops:
        return BY_THEN, 0.0, BY_THEN * COSTS.session + COSTS.next_step, COSTS.next_step_rate
    return _walk_sequenced(waits=False, responds=responds)
