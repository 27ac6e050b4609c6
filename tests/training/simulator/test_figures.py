import dataclasses

import numpy as np
import pytest

from training.simulator.figures import (
    SPECIFIED,
    CoreFigures,
    clinical_matrix,
    core_figures,
    draw_core,
    logistic_coefficients,
    percent_improvement,
)

N = 60_000

# Four standard errors at 60,000 patients: 0.008 of a rate, 0.009 of an AUC, 0.016 of r; and the
# specified figures are themselves of one draw of eight sites.
TOLERANCE = CoreFigures(0.010, 0.010, 0.018, (0.011,) * 3, (0.011,) * 3)


@pytest.mark.parametrize("scenario", SPECIFIED)
def test_the_specified_figures_come_out(scenario: str) -> None:
    own = dataclasses.astuple(core_figures(draw_core(scenario, N)))
    specified = dataclasses.astuple(SPECIFIED[scenario])

    for mine, theirs, tolerance in zip(own, specified, dataclasses.astuple(TOLERANCE), strict=True):
        assert np.all(np.abs(np.subtract(mine, theirs)) < tolerance)


def test_the_conservative_scenario_agrees_with_published_magnitudes() -> None:
    draw = draw_core("conservative", N)
    coefficients = logistic_coefficients(clinical_matrix(draw), draw.outcomes.remission)
    ratios = dict(zip(draw.parameters.effects.model_dump(), np.exp(coefficients[1:]), strict=True))

    assert percent_improvement(draw).mean() == pytest.approx(42.8, abs=0.8)
    assert percent_improvement(draw).std() == pytest.approx(31.3, abs=0.5)
    assert draw.outcomes.final_total.mean() == pytest.approx(13.6, abs=0.2)
    assert draw.outcomes.final_total.std() == pytest.approx(8.0, abs=0.1)
    assert ratios["severity"] == pytest.approx(0.64, abs=0.03)
    assert ratios["anxiety"] == pytest.approx(0.87, abs=0.03)
    assert ratios["failed_trials"] == pytest.approx(0.86, abs=0.03)
    assert ratios["employed"] == pytest.approx(1.26, abs=0.08)


def test_coefficients_solve_the_score_equations() -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((500, 3))
    outcome = rng.random(500) < 0.4
    coefficients = logistic_coefficients(X, outcome)
    design = np.column_stack([np.ones(500), X])
    residual = outcome - 1 / (1 + np.exp(-design @ coefficients))

    np.testing.assert_allclose(design.T @ residual, 0, atol=1e-9)
