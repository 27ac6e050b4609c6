"""Steps in percentage points: they add up, keep their sign, and know no order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from serving.booster_text import FloatArray
from serving.calibrated_trees import expit
from serving.patient_report.pushes import LARGEST, explained_pushes, probability_steps

BASELINES = st.floats(-4, 4)
CONTRIBUTIONS = hypothesis_numpy.arrays(
    np.float64, st.integers(1, 12), elements=st.floats(-3, 3, allow_subnormal=False)
)


def points(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


@given(baseline=BASELINES, contributions=CONTRIBUTIONS)
def test_steps_add_up_and_keep_their_sign(baseline: float, contributions: FloatArray) -> None:
    steps = probability_steps(baseline, contributions)
    way = expit(baseline + contributions.sum()) - expit(baseline)
    assert steps.sum() == pytest.approx(way, abs=1e-9)
    assert (np.sign(steps) * np.sign(contributions) >= 0).all()
    backwards = probability_steps(baseline, contributions[::-1])[::-1]
    assert backwards == pytest.approx(steps, abs=1e-9)


def test_a_step_is_the_integral_along_the_straight_way() -> None:
    baseline, contributions = -0.3, np.array([1.2, -0.5, 0.1])
    along = np.linspace(0, 1, 20_001)
    curve = np.array([expit(baseline + t * contributions.sum()) for t in along])
    slope = np.trapezoid(curve * (1 - curve), along)
    assert probability_steps(baseline, contributions) == pytest.approx(contributions * slope)


@pytest.mark.parametrize("tiny", [0.0, 1e-12, 9e-7, 2e-6])
def test_steps_that_cancel_are_not_lost(tiny: float) -> None:
    steps = probability_steps(0.0, np.array([1.0, -1.0 + tiny]))
    assert steps[0] == pytest.approx(0.25, rel=1e-5)
    assert steps.sum() == pytest.approx(expit(tiny) - 0.5, abs=1e-9)


@given(baseline=BASELINES, contributions=CONTRIBUTIONS)
def test_what_is_shown_adds_up_too(baseline: float, contributions: FloatArray) -> None:
    names = [str(number) for number in range(len(contributions))]
    shown = explained_pushes(baseline, contributions, names, names)
    total = sum(points(push.points) for push in shown.pushes)
    assert shown.start + total == pytest.approx(shown.end, abs=1e-9)
    steps = sum(push.step for push in shown.pushes)
    assert steps == pytest.approx(probability_steps(baseline, contributions).sum(), abs=1e-9)
    assert shown.end == pytest.approx(100 * expit(baseline + contributions.sum()), abs=0.05001)
    assert len(shown.pushes) <= LARGEST + 1
    sizes = [abs(push.step) for push in shown.pushes if "other inputs" not in push.label]
    assert sizes == sorted(sizes, reverse=True)
    places = [
        shown.place(percent) for push in shown.pushes for percent in (push.before, push.after)
    ]
    assert all(5 <= place <= 95 for place in places)


@pytest.mark.parametrize(("n", "rows", "others"), [(5, 5, ""), (6, 6, ""), (9, 6, "4 other")])
def test_one_input_is_never_told_as_others(n: int, rows: int, others: str) -> None:
    names = [f"input {number}" for number in range(n)]
    pushes = explained_pushes(0.0, np.linspace(0.1, 1, n), names, names).pushes
    assert len(pushes) == rows
    assert pushes[-1].label.startswith(others)
    assert pushes[0].label == f"input {n - 1}"
