import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from training.learning.recalibration import fit_recalibration
from training.learning.rows import BoolArray, FloatArray, SiteArray


def one_site(n: int) -> SiteArray:
    return np.full(n, "only")


def _draw(seed: int, n: int, slope: float) -> tuple[FloatArray, BoolArray]:
    rng = np.random.default_rng(seed)
    margin = rng.normal(0.3, 0.4, n)
    y = rng.random(n) < expit(slope * margin - 0.2)
    y[0], y[1] = True, False
    return margin, y


@given(st.integers(0, 10_000), st.integers(10, 300), st.floats(-2, 3))
@settings(max_examples=60)
def test_slope_never_turns_and_mean_prediction_is_the_base_rate(
    seed: int, n: int, slope: float
) -> None:
    margin, y = _draw(seed, n, slope)
    fitted = fit_recalibration(margin, y, one_site(len(y)))
    assert fitted.slope >= 0
    assert abs(expit(fitted.log_odds(margin)).mean() - y.mean()) < 1e-4


def test_equals_unpenalised_logistic_regression_where_the_slope_is_positive() -> None:
    margin, y = _draw(3, 500, 1.5)
    fitted = fit_recalibration(margin, y, one_site(len(y)))
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(margin[:, None], y)
    assert np.isclose(fitted.slope, reference.coef_[0, 0], rtol=1e-4)
    assert np.isclose(fitted.intercept, reference.intercept_[0], atol=1e-4)


def test_reversed_margins_serve_the_base_rate() -> None:
    margin, y = _draw(5, 400, -2.0)
    fitted = fit_recalibration(margin, y, one_site(len(y)))
    assert not fitted.has_signal
    np.testing.assert_allclose(fitted.log_odds(margin), logit(y.mean()), atol=1e-12)


def test_margins_that_were_never_held_out_are_ignored() -> None:
    margin, y = _draw(6, 200, 1.0)
    gaps = margin.copy()
    gaps[:50] = np.nan
    all_rows = fit_recalibration(gaps, y, one_site(200))
    assert all_rows == fit_recalibration(margin[50:], y[50:], one_site(150))


def test_degenerate_margins_serve_the_base_rate() -> None:
    y = np.array([True, False, False, False])
    for margin in (np.zeros(4), np.full(4, np.nan)):
        fitted = fit_recalibration(margin, y, one_site(len(y)))
        np.testing.assert_allclose(expit(fitted.intercept), 0.25)
        assert fitted.slope == 0


def test_separated_margins_give_a_finite_slope() -> None:
    fitted = fit_recalibration(
        np.array([-1.0, -0.5, 0.5, 1.0]), np.array([0, 0, 1, 1], dtype=bool), one_site(4)
    )
    assert 0 < fitted.slope < 100


def test_sites_that_differ_in_base_rate_do_not_turn_the_slope() -> None:
    rng = np.random.default_rng(8)
    site = np.repeat(np.arange(8), 200)
    base = np.linspace(-1.5, 1.5, 8)[site]
    signal = rng.normal(0, 0.5, 1600)
    y = rng.random(1600) < expit(base + signal)
    # As where a site is held out: the more frequent its outcome, the lower its margins.
    margin = signal - 0.6 * base
    fitted = fit_recalibration(margin, y, site.astype(np.str_))
    pooled = LogisticRegression(C=np.inf).fit(margin[:, None], y).coef_[0, 0]
    assert pooled < 0
    assert 0.6 < fitted.slope < 1.4
    assert np.isclose(expit(fitted.log_odds(margin)).mean(), y.mean())


def test_slope_within_sites_equals_logistic_regression_with_site_indicators() -> None:
    margin, y = _draw(9, 600, 1.2)
    site = np.arange(600) % 3
    indicators = np.column_stack([margin, *(site == s for s in range(3))])
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(indicators, y)
    fitted = fit_recalibration(margin, y, site.astype(np.str_))
    assert np.isclose(fitted.slope, reference.coef_[0, 0], rtol=1e-3)
