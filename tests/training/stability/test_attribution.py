"""What is attributed to features adds up to predictions, and tells nothing of single patients."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_tables import quick_config, simulated_table
from stability_study import StabilityStudy

from training.learning.models import BaseRateModel, fit_boosted
from training.stability.attribution import (
    MOST_EXPLAINED,
    N_BANDS,
    attribute,
    bands_of,
    contributions_of,
    domain_names,
    explained_rows,
)
from training.stability.cuts import FEWEST_BEYOND_A_CUT
from training.stability.replicates import BootstrapPlan, fit_replicate


def test_contributions_of_a_fitted_model_add_up_to_its_log_odds() -> None:
    rows = simulated_table(n=160).training_rows()
    fitted = fit_boosted(rows, quick_config())
    phi = contributions_of(fitted, rows.X)
    baseline = fitted.log_odds(rows.X) - phi.sum(axis=1)
    assert phi.shape == rows.X.shape
    assert np.abs(phi).max() > 0.01
    assert np.ptp(baseline) < 1e-9, "what no feature explains is the same for everyone"
    assert not contributions_of(BaseRateModel(0.4), rows.X).any()


def test_figures_recomputed_one_feature_at_a_time() -> None:
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.normal(5, 2, 300), rng.random(300) < 0.3, rng.normal(size=300)])
    X[:40, 2] = np.nan
    phi = np.column_stack([0.1 * (X[:, 0] - 5), 0.4 * X[:, 1] - 0.1, rng.normal(size=300)])
    found = attribute(phi, X, ["person", "plan", "person"])
    assert found.size == pytest.approx([np.mean(np.abs(column)) for column in phi.T])
    assert found.effect[0] == pytest.approx(0.1 * np.std(X[:, 0]))
    assert found.effect[1] == pytest.approx(0.4), "from no to yes, not a standard deviation"
    assert domain_names(["person", "plan", "person"]) == ("person", "plan")
    assert found.domain_size[0] == pytest.approx(np.mean(np.abs(phi[:, 0] + phi[:, 2])))
    assert found.band_mean[2, -1] == pytest.approx(phi[:40, 2].mean())
    count = [np.bincount(bands_of(column), minlength=N_BANDS) for column in X.T]
    assert np.nansum(found.band_mean * count, axis=1) == pytest.approx(phi.sum(axis=0))


def test_no_band_of_known_values_is_small() -> None:
    rng = np.random.default_rng(4)
    for values in (rng.normal(size=333), rng.poisson(2, 333).astype(float), np.arange(30.0)):
        counts = np.bincount(bands_of(values), minlength=N_BANDS)
        assert counts[-1] == 0
        assert counts[counts > 0].min() >= FEWEST_BEYOND_A_CUT


def test_a_feature_that_does_not_vary_has_no_effect() -> None:
    X = np.column_stack([np.ones(30), np.full(30, np.nan)])
    assert attribute(np.ones((30, 2)), X, ["plan"] * 2).effect.tolist() == [0, 0]


@pytest.mark.parametrize("n", [1, 7, MOST_EXPLAINED, 10 * MOST_EXPLAINED])
def test_models_are_compared_on_a_thousand_patients_at_most(n: int) -> None:
    rows = explained_rows(n)
    assert len(rows) == len(set(rows.tolist())) == min(n, MOST_EXPLAINED)
    assert (rows[0], rows[-1]) == (0, n - 1)


def test_every_replicate_says_what_it_attributes(study: StabilityStudy) -> None:
    found = study.replicates.attribution
    assert found is not None
    p = len(study.predictor.features)
    assert found.size.shape == found.effect.shape == (30, p)
    assert found.band_mean.shape == (30, p, N_BANDS)
    assert found.domain_size.shape == (30, len(set(study.plan.domains)))
    trials = study.predictor.feature_names.index("failed_trials")
    signal = study.replicates.recalibration_slope > 0
    assert np.mean(np.argmax(found.size[signal], axis=1) == trials) > 0.9
    assert np.array_equal(found.size.any(axis=1), signal)


def test_predictions_do_not_depend_on_what_is_asked_besides() -> None:
    rows = simulated_table(n=120, n_sites=3).training_rows()
    plain = BootstrapPlan(rows, quick_config(), rows.X[:3])
    asked = replace(plain, domains=("person",) * rows.X.shape[1])
    one, other = fit_replicate(plain, 1), fit_replicate(asked, 1)
    assert not {"size", "effect"} & set(one)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
