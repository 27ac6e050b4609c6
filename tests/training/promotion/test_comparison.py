"""Two models on the same patients: the figures of the evaluation, in the same draws."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from held_out_predictions import BOTH, CLINICAL, CV, LOSO, WITHIN, estimate, judged, predictions

from data_schemas.errors import DataError
from training.performance.evaluation import compare_models
from training.performance.held_out import HeldOut, held_out_models
from training.performance.resampling import Drawing
from training.promotion.comparison import AUROC, BRIER, INTERCEPT, SLOPE, Compared, compare
from training.promotion.reasons import is_worse

DRAWING = Drawing(bootstraps=200, confidence=0.95, seed=7)


def held(frame: pd.DataFrame, model: str) -> HeldOut:
    return held_out_models(frame)[model]


def compared(one: HeldOut, other: HeldOut, *, by_site: bool = True) -> dict[str, Compared]:
    return {each.metric: each for each in compare(one, other, DRAWING, by_site=by_site)}


@pytest.mark.parametrize("split", [LOSO, CV])
def test_figures_are_those_of_the_evaluation(split: str) -> None:
    frame = predictions(repeats=2, by_site=split == LOSO).drop(columns="has_connectome")
    found = compared(held(frame, BOTH), held(frame, CLINICAL), by_site=split == LOSO)
    table = judged(frame, split)
    pair = compare_models(
        frame, split, [(BOTH, CLINICAL)], bootstraps=200, confidence=0.95, seed=7
    ).set_index("metric")
    for metric in (BRIER, AUROC):
        assert found[metric].difference == pytest.approx(pair.loc[metric, "estimate"])
        assert found[metric].lower == pytest.approx(pair.loc[metric, "lower"], abs=0.03)
    where = WITHIN if split == LOSO else split
    for model, name in ((BOTH, "challenger"), (CLINICAL, "champion")):
        of = vars(found[SLOPE]), vars(found[INTERCEPT])
        assert of[0][name] == pytest.approx(estimate(table, model, where, SLOPE))
        assert of[1][name] == pytest.approx(estimate(table, model, split, INTERCEPT))


def test_differences_turn_round_with_the_models() -> None:
    frame = predictions()
    one, other = held(frame, BOTH), held(frame, CLINICAL)
    forth, back = compared(one, other), compared(other, one)
    assert set(forth) == {BRIER, AUROC, SLOPE, INTERCEPT}
    for metric, each in forth.items():
        mirrored = back[metric]
        assert (each.challenger, each.champion) == (mirrored.champion, mirrored.challenger)
        assert each.difference == pytest.approx(-mirrored.difference)
        # The draws are the same, whoever comes first.
        assert (each.lower, each.upper) == pytest.approx((-mirrored.upper, -mirrored.lower))


def test_a_model_is_no_worse_than_itself() -> None:
    own = held(predictions(), BOTH)
    for each in compared(own, own).values():
        assert (each.difference, each.lower, each.upper) == (0, 0, 0)
        assert not is_worse(each)


def test_the_worse_model_is_found_out() -> None:
    frame = predictions(400)
    worse = compared(held(frame, CLINICAL), held(frame, BOTH))
    assert is_worse(worse[BRIER])
    assert is_worse(worse[AUROC])
    better = compared(held(frame, BOTH), held(frame, CLINICAL))
    assert not any(map(is_worse, better.values()))


@pytest.mark.parametrize(
    ("metric", "spoil"),
    [(SLOPE, lambda p: 1 / (1 + (1 / p - 1) ** 3)), (INTERCEPT, lambda p: p / (p + 3 * (1 - p)))],
)
def test_miscalibration_is_found_out_in_either_direction(
    metric: str, spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    frame = predictions(400)
    good = held(frame, BOTH)
    p = good.probability
    bad = HeldOut(good.row, good.y, good.site, spoil(p), good.fold, good.has_connectome)
    found = compared(bad, good)
    assert is_worse(found[metric])
    assert found[metric].difference > 0
    assert found[AUROC].difference == pytest.approx(0)


def test_repeats_may_differ_and_patients_may_not() -> None:
    once, twice = predictions(repeats=1), predictions(repeats=2)
    found = compared(held(twice, BOTH), held(once, CLINICAL))
    assert found[BRIER].challenger == pytest.approx(
        estimate(judged(twice, LOSO), BOTH, LOSO, BRIER)
    )
    with pytest.raises(DataError, match="same patients"):
        compared(held(once, BOTH), held(predictions(150), CLINICAL))


def test_too_few_have_no_interval_and_a_constant_no_slope() -> None:
    nine = predictions(9, by_site=False)
    few = compared(held(nine, BOTH), held(nine, CLINICAL), by_site=False)
    assert not few[BRIER].has_interval
    assert not is_worse(few[BRIER])
    frame = predictions()
    found = compared(held(frame, "base_rate"), held(frame, BOTH))
    assert SLOPE not in found
    assert is_worse(found[BRIER])
