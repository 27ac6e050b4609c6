import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import expit

from training.simulator.gaussian import (
    interval_probability,
    mean_logistic,
    truncated_moments,
    truncated_nodes,
)
from training.simulator.scales import RoundedScale

INTERVALS = [(-np.inf, np.inf), (-np.inf, -1.0), (0.2, 0.4), (2.5, np.inf), (-4.0, -3.5), (3.5, 4)]


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_moments_equal_those_of_scipy(low: float, high: float) -> None:
    mean, sd = 0.3, 1.4
    theirs = stats.truncnorm((low - mean) / sd, (high - mean) / sd, loc=mean, scale=sd)

    mine = truncated_moments(mean, sd, np.array([low]), np.array([high]))
    probability = interval_probability(mean, sd, np.array([low]), np.array([high]))

    assert mine[0][0] == pytest.approx(theirs.mean(), abs=1e-9)
    assert mine[1][0] == pytest.approx(theirs.var(), abs=1e-8)
    whole = stats.norm(mean, sd)
    assert probability[0] == pytest.approx(whole.cdf(high) - whole.cdf(low), rel=1e-9)


def test_probabilities_keep_their_digits_far_above_the_mean() -> None:
    above = interval_probability(0.0, 1.0, np.array([9.0]), np.array([10.0]))
    below = interval_probability(0.0, 1.0, np.array([-10.0]), np.array([-9.0]))

    assert above[0] == below[0] > 0


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_nodes_average_a_function_over_the_interval(low: float, high: float) -> None:
    mean, sd = -0.2, 0.9
    density = stats.truncnorm((low - mean) / sd, (high - mean) / sd, loc=mean, scale=sd)

    nodes, weights = truncated_nodes(
        np.array([mean]), np.array([sd]), np.array([low]), np.array([high]), 12
    )

    assert weights.sum() == pytest.approx(1)
    assert np.all((nodes >= low) & (nodes <= high))
    assert expit(nodes[0]) @ weights == pytest.approx(density.expect(expit), abs=5e-4)


@settings(max_examples=30)
@given(mean=st.floats(-4, 4), variance=st.floats(0, 3))
def test_the_logistic_mean_equals_an_integral(mean: float, variance: float) -> None:
    mine = mean_logistic(np.array([mean]), np.array([variance]))[0]

    sd = np.sqrt(variance)
    theirs = integrate.quad(lambda z: expit(mean + sd * z) * stats.norm.pdf(z), -9, 9)[0]
    assert mine == pytest.approx(theirs, abs=1e-5)


@settings(max_examples=100)
@given(z=st.floats(-6, 6), logarithmic=st.booleans())
def test_what_is_recorded_leads_back_to_an_interval_around_it(
    z: float, *, logarithmic: bool
) -> None:
    scale = RoundedScale(0.9, 0.5, 1, 12, logarithmic=True)
    if not logarithmic:
        scale = RoundedScale(11.5, 5.0, 0, 21)

    recorded = scale.record(np.array([z]))
    low, high = scale.interval(recorded)

    assert scale.lowest <= recorded[0] <= scale.highest
    assert low[0] - 1e-9 <= z <= high[0] + 1e-9


def test_the_intervals_of_all_totals_share_the_line() -> None:
    scale = RoundedScale(11.5, 5.0, 0, 21)
    low, high = scale.interval(np.arange(0.0, 22.0))

    assert low[0] == -np.inf
    assert high[-1] == np.inf
    np.testing.assert_allclose(low[1:], high[:-1])
