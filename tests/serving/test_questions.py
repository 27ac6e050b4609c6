"""All that a model asks of a patient, asked at once, is answered as each part would answer it."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicate_tables import random_table, with_spread

from serving.booster_text import FloatArray
from serving.predictor import ResponsePredictor
from serving.questions import Questions, just_below

LARGEST = float(np.finfo(np.float64).max)
LIMITS = [-np.inf, -LARGEST, -1.0, -5e-324, -0.0, 0.0, 5e-324, 0.1, 2.0, LARGEST, np.inf, np.nan]
values = st.floats(allow_infinity=False) | st.sampled_from(
    [each for each in LIMITS if abs(each) <= LARGEST]
)
limits = st.floats() | st.sampled_from(LIMITS)


@given(st.lists(st.tuples(values, limits, st.booleans()), min_size=1), st.booleans())
def test_each_question_is_a_comparison(asked: list[tuple[float, float, bool]], near: bool) -> None:
    row, bounds, above = (np.array(each) for each in zip(*asked, strict=True))
    if near:
        row = np.where(np.isfinite(bounds), bounds, row)
    found = Questions.of(np.arange(len(row)), bounds, above).answers(row)
    np.testing.assert_array_equal(found, np.where(above, row > bounds, row <= bounds))
    np.testing.assert_array_equal(row <= just_below(bounds), row < bounds)


@pytest.fixture(scope="module")
def stable(predictor: ResponsePredictor) -> ResponsePredictor:
    return with_spread(predictor, random_table(len(predictor.features)))


def edge_row(model: ResponsePredictor, picks: list[int]) -> FloatArray:
    """Return a row of values at the very limits that a model asks about, next to them, or unknown.

    Its length is that of the picks: one of each feature.
    """
    asked = model._questions
    row = np.empty(len(picks))
    for column, pick in enumerate(picks):
        limits = (asked.signs * asked.limits)[asked.columns == column]
        at = limits[np.abs(limits) < LARGEST]
        nearby = [at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf)]
        edges = np.concatenate([*nearby, [np.nan, -0.0, 0.0, 1.0, -1e300, 1e300]])
        row[column] = edges[pick % len(edges)]
    return row


@given(st.data())
def test_a_model_asks_at_once_what_its_parts_ask_alone(
    stable: ResponsePredictor, data: st.DataObject
) -> None:
    p, n = len(stable.features), stable._n_of_model
    row = edge_row(stable, data.draw(st.lists(st.integers(0, 2**16), min_size=p, max_size=p)))
    answers = stable._questions.answers(row)

    together, alone = (
        stable._model.explained(row, answers), stable._model.explained(row),
    )  # fmt: skip
    assert (together.log_odds, together.interval) == (alone.log_odds, alone.interval)
    np.testing.assert_array_equal(together.contributions, alone.contributions)
    booster = lightgbm.Booster(model_str=stable._booster_text)
    shap = np.asarray(booster.predict(row[None], pred_contrib=True))[0, :-1]
    slope = stable.document.calibration.slope
    assert np.abs(together.contributions - slope * shap).max() < 1e-9

    known = [each.reference for each in stable.document.features]
    ranges = [
        (np.nan, np.nan) if each is None else (each.lowest_usual, each.highest_usual)
        for each in known
    ]
    usual = [not (x < low or x > high) for x, (low, high) in zip(row, ranges, strict=True)]
    compared = stable._reference.compared(row, answers[n:])
    assert compared.unusual == np.flatnonzero(np.logical_not(usual)).tolist()
    np.testing.assert_array_equal(compared.unknown, np.isnan(row))
    accepted = [
        each is None
        or not (
            (each.lowest_accepted is not None and x < each.lowest_accepted)
            or (each.highest_accepted is not None and x > each.highest_accepted)
        )
        for x, each in zip(row, known, strict=True)
    ]
    first = None if all(accepted) else accepted.index(False)
    assert stable._reference.unaccepted(compared) == first

    shares = np.array([each.importance for each in stable.document.features])
    assert compared.lacking == np.flatnonzero(np.isnan(row) & (shares > 1 / p)).tolist()
    missing = float(np.isnan(row) @ shares)
    for limit in (missing, np.nextafter(missing, 0), np.nextafter(missing, 1), 0.5, 0.0, 1.0):
        assert stable._reference.lacks_more(compared, limit) == (missing > limit)
