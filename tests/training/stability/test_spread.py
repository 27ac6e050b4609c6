"""The compact form says of new patients what the replicates would have said."""

import numpy as np
import pytest
from cohort_tables import minimal_spec
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from stability_study import StabilityStudy, served_ends

from serving.stability_interval import THOUSANDTHS, ReplicateSpread
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE
from training.stability.cuts import FEWEST_BEYOND_A_CUT, cuts_of
from training.stability.spread import fit_spread, with_stability_interval


def test_new_patients_get_the_interval_of_the_replicates(study: StabilityStudy) -> None:
    lower, upper = served_ends(study.with_interval, study.new_patients)
    p, served = expit(study.new_log_odds), expit(study.predictor.log_odds(study.new_patients))
    exact = np.quantile(p, [0.05, 0.95], axis=0)
    exact = np.array([np.minimum(exact[0], served), np.maximum(exact[1], served)])
    # Of 30 values the quantiles at 5 % and 95 % hold 26: 0.867.
    coverage = np.mean((p >= lower) & (p <= upper))
    assert abs(coverage - np.mean((p >= exact[0]) & (p <= exact[1]))) < 0.03
    assert np.corrcoef(upper - lower, exact[1] - exact[0])[0, 1] > 0.9
    assert np.median(np.abs([lower - exact[0], upper - exact[1]])) < 0.015


def test_it_is_better_than_one_distance_for_everyone(study: StabilityStudy) -> None:
    lower, upper = served_ends(study.with_interval, study.new_patients)
    served = study.predictor.log_odds(study.new_patients)
    exact = np.quantile(study.new_log_odds, [0.05, 0.95], axis=0)
    same = expit(served + np.median(exact - served, axis=1)[:, None])
    errors = [np.abs(found - expit(exact)).mean() for found in ([lower, upper], same)]
    assert errors[0] < 0.6 * errors[1]


def test_the_answer_lies_inside_and_nothing_else_changes(study: StabilityStudy) -> None:
    lower, upper = served_ends(study.with_interval, study.new_patients)
    served = study.predictor.log_odds(study.new_patients)
    np.testing.assert_array_equal(study.with_interval.log_odds(study.new_patients), served)
    assert (lower <= expit(served)).all()
    assert (expit(served) <= upper).all()
    document = study.with_interval.document
    assert document.interval.method == "stability interval over 30 bootstraps of the whole pipeline"
    assert document.interval.level == study.config.interval.level
    changed = document.model_copy(update={"interval": study.predictor.document.interval})
    assert changed == study.predictor.document


def test_the_same_replicates_give_the_same_bytes(study: StabilityStudy) -> None:
    again = with_stability_interval(study.predictor, study.plan, study.replicates)
    assert again._spread_text == study.with_interval._spread_text


def test_a_model_that_serves_the_base_rate_stays_as_it_is(study: StabilityStudy) -> None:
    flat = fit_predictor(
        study.table, minimal_spec(), study.config, served=BASE_RATE, fingerprint="f" * 64
    )
    assert with_stability_interval(flat, study.plan, study.replicates) is flat


def test_sums_of_steps_are_found_exactly() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    X[rng.random(X.shape) < 0.2] = np.nan
    cuts = [np.array([0.0]), np.array([-0.5, 0.5]), np.empty(0)]
    truth = 0.3 * (X[:, [0]] >= 0) - 0.2 * (X[:, [1]] >= 0.5) + 0.1 * np.isnan(X[:, [2]])
    distance = truth * rng.normal(size=5) + rng.normal(size=5)
    spread = ReplicateSpread(fit_spread(X, distance, cuts))
    found = np.array([spread.thousandths(row) for row in X[:200]]) / THOUSANDTHS
    # Ridge and rounding to thousandths.
    np.testing.assert_allclose(found, distance[:200], atol=0.01)


def test_what_sums_leave_out_is_given_back_as_spread() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(2000, 2))
    interaction = np.sign(X[:, [0]] * X[:, [1]])
    distance = (X[:, [0]] > 0) * rng.normal(size=60) + 0.5 * interaction * rng.normal(size=60)
    spread = ReplicateSpread(fit_spread(X, distance, [np.array([0.0])] * 2))
    found = spread.thousandths(X) / THOUSANDTHS
    assert np.var(found, axis=1).mean() == pytest.approx(np.var(distance, axis=1).mean(), rel=0.02)


@given(
    st.lists(st.one_of(st.integers(0, 5).map(float), st.floats(-1e6, 1e6)), max_size=400),
)
def test_no_cut_parts_off_a_few_patients_or_names_one(numbers: list[float]) -> None:
    values = np.array(numbers)
    cuts = cuts_of(values)
    assert (np.diff(cuts) > 0).all()
    parts = np.bincount(np.searchsorted(cuts, values, side="right"), minlength=len(cuts) + 1)
    assert len(cuts) == 0 or parts.min() >= FEWEST_BEYOND_A_CUT
    assert len(cuts) < 16


@pytest.mark.parametrize("rare", [20, 30])
def test_rare_answers_of_yes_or_no_have_a_step_of_their_own(rare: int) -> None:
    for yes in (rare, 600 - rare):
        assert cuts_of(np.repeat([1.0, 0.0], [yes, 600 - yes])).tolist() == [0.5]


def test_many_values_are_parted_evenly() -> None:
    values = np.random.default_rng(0).normal(size=1600)
    parts = np.bincount(np.searchsorted(cuts_of(values), values, side="right"))
    assert len(parts) == 16
    assert set(parts.tolist()) == {100}
    assert not np.isin(cuts_of(values), values).any()
