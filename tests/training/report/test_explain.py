import warnings
from pathlib import Path

import numpy as np
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import spearmanr

from data_schemas.errors import DataError, ModelError
from serving.predictor import ResponsePredictor
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH
from training.learning.rows import BoolArray, FloatArray
from training.report.explain import (
    Explanations,
    beeswarm_points,
    example_rows,
    explain,
    importances,
    load_explanations,
    rank_correlation,
    save_explanations,
    value_bands,
    waterfall_steps,
)

CONFIG = quick_config()


@pytest.fixture(scope="module")
def fitted() -> tuple[ResponsePredictor, FloatArray, BoolArray]:
    table = simulated_table(n=160)
    predictor = fit_predictor(
        table, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64
    )
    names = [feature.name for feature in table.features]
    used = [names.index(feature.name) for feature in predictor.features]
    return predictor, table.X[:, used], table.y


@pytest.fixture(scope="module")
def explanations(fitted: tuple[ResponsePredictor, FloatArray, BoolArray]) -> Explanations:
    return explain(*fitted)


def made_up(contributions: FloatArray, X: FloatArray, baseline: float = -0.4) -> Explanations:
    """Return consistent explanations of patients with these contributions."""
    return Explanations(
        features=tuple(f"feature_{number}" for number in range(X.shape[1])),
        X=X,
        contributions=contributions,
        baseline=baseline,
        probability=expit(baseline + contributions.sum(axis=1)),
        y=np.arange(len(X)) % 2 == 0,
        shap_difference=0.0,
    )


def test_contributions_add_up_to_the_served_probability(explanations: Explanations) -> None:
    total = explanations.baseline + explanations.contributions.sum(axis=1)
    assert np.allclose(total, logit(explanations.probability), atol=1e-6)
    assert explanations.any_signal


def test_contributions_are_those_of_the_shap_package(explanations: Explanations) -> None:
    assert explanations.shap_difference < 1e-6


def test_the_comparison_with_shap_is_of_the_calibrated_model(
    fitted: tuple[ResponsePredictor, FloatArray, BoolArray], explanations: Explanations
) -> None:
    import lightgbm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    predictor, X, _ = fitted
    slope = predictor.document.calibration.slope
    assert slope != 1
    text = predictor._booster_text
    margin = shap.TreeExplainer(lightgbm.Booster(model_str=text)).shap_values(X)
    assert np.allclose(slope * margin, explanations.contributions, atol=1e-6)


def test_explanations_that_are_wrong_are_refused(
    fitted: tuple[ResponsePredictor, FloatArray, BoolArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor, X, y = fitted
    right = predictor.contributions(X)
    swapped = right.copy()
    swapped[:, [0, 1]] = swapped[:, [1, 0]] + [1e-3, -1e-3]  # the sum stays what it was
    monkeypatch.setattr(predictor, "contributions", lambda _: swapped)
    with pytest.raises(ModelError, match="do not reproduce"):
        explain(predictor, X, y)
    monkeypatch.setattr(predictor, "contributions", lambda _: right + 1e-3)
    with pytest.raises(ModelError, match="do not reproduce"):
        explain(predictor, X, y)


def test_a_model_without_trees_has_nothing_to_compare() -> None:
    table = simulated_table(n=40)
    predictor = fit_predictor(
        table, minimal_spec(), CONFIG,
        served=BASE_RATE, fingerprint="f" * 64, always_abstains="Too few patients.",
    )  # fmt: skip
    names = [feature.name for feature in table.features]
    used = [names.index(feature.name) for feature in predictor.features]
    found = explain(predictor, table.X[:, used], table.y)
    assert np.isnan(found.shap_difference)
    assert not found.any_signal
    assert np.allclose(found.probability, table.y.mean())


def test_saved_explanations_come_back_and_are_the_same_bytes(
    explanations: Explanations, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    save_explanations(one, explanations)
    save_explanations(other, explanations)
    assert one.read_bytes() == other.read_bytes()
    loaded = load_explanations(one)
    assert loaded.features == explanations.features
    assert np.array_equal(loaded.X, explanations.X, equal_nan=True)
    for name in ("contributions", "probability", "y"):
        assert np.array_equal(getattr(loaded, name), getattr(explanations, name))
    assert (loaded.baseline, loaded.shap_difference) == (
        explanations.baseline, explanations.shap_difference,
    )  # fmt: skip


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 cut off"])
def test_files_that_are_not_explanations_are_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "explanations.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="does not hold the explanations"):
        load_explanations(path)


def test_pickled_explanations_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "explanations.npz"
    np.savez(path, features=np.array([{"executes": "code"}], dtype=object))
    with pytest.raises(DataError, match="does not hold the explanations"):
        load_explanations(path)


def test_importances_recomputed_one_patient_at_a_time() -> None:
    rng = np.random.default_rng(3)
    X, phi = rng.normal(size=(30, 3)), rng.normal(size=(30, 3)) * [0.1, 1.0, 0.4]
    X[:7, 2] = np.nan
    table = importances(made_up(phi, X)).set_index("feature")
    assert list(table.index) == ["feature_1", "feature_2", "feature_0"]
    assert table["share"].sum() == pytest.approx(1)
    for number in range(3):
        row = table.loc[f"feature_{number}"]
        moved = [abs(expit(-0.4 + sum(one)) - expit(-0.4 + sum(one) - one[number])) for one in phi]
        known = ~np.isnan(X[:, number])
        assert row["mean_percentage_points"] == pytest.approx(100 * np.mean(moved))
        assert row["mean_absolute_log_odds"] == pytest.approx(np.mean(np.abs(phi[:, number])))
        assert row["missing_share"] == pytest.approx(1 - known.mean())
        rho = spearmanr(X[known, number], phi[known, number]).statistic
        assert row["direction"] == pytest.approx(rho)


def test_direction_is_undefined_where_nothing_varies() -> None:
    varying = np.arange(4.0)
    assert np.isnan(rank_correlation(np.ones(4), varying))
    assert np.isnan(rank_correlation(varying, np.ones(4)))
    assert np.isnan(rank_correlation(np.full(4, np.nan), varying))
    assert rank_correlation(np.array([1, 2, np.nan, 4]), -varying) == pytest.approx(-1)


def test_beeswarm_shows_ranks_and_no_values() -> None:
    X = np.array([[47.25, 0.0], [np.nan, 1.0], [12.5, 1.0], [83.75, 0.0]])
    phi = np.array([[0.1, 0.2], [0.0, -0.2], [-0.1, -0.2], [0.3, 0.2]])
    points = beeswarm_points(made_up(phi, X), ["feature_1", "feature_0"])
    assert points["feature"].tolist() == ["feature_1"] * 4 + ["feature_0"] * 4
    assert points["value_rank"].tolist()[:4] == [0, 1, 1, 0]
    assert np.array_equal(points["value_rank"][4:], [0.5, np.nan, 0, 1], equal_nan=True)
    assert points["log_odds"].tolist() == [0.2, -0.2, -0.2, 0.2, 0.1, 0.0, -0.1, 0.3]


def test_examples_are_low_middle_and_high(explanations: Explanations) -> None:
    low, middle, high = explanations.probability[example_rows(explanations)]
    below = np.mean(explanations.probability <= low), np.mean(explanations.probability <= high)
    assert low < middle < high
    assert below[0] < 0.25
    assert below[1] > 0.75


contributions_of_one = st.lists(st.floats(-3, 3), min_size=1, max_size=8)


@given(contributions_of_one, st.integers(1, 8), st.data())
def test_a_waterfall_leads_from_the_baseline_to_the_prediction(
    phi: list[float], n_shown: int, data: st.DataObject
) -> None:
    explained = made_up(np.array([phi]), np.zeros((1, len(phi))))
    shown = np.array(data.draw(st.lists(st.booleans(), min_size=len(phi), max_size=len(phi))))
    steps = waterfall_steps(explained, 0, n_shown=n_shown, shown=shown)
    named = steps["feature"].tolist()[:-1]
    assert steps["start"].iloc[0] == pytest.approx(explained.baseline)
    assert steps["probability"].iloc[-1] == pytest.approx(explained.probability[0])
    assert np.allclose(steps["start"][1:], steps["end"][:-1])
    assert np.allclose(steps["start"] + steps["log_odds"], steps["end"])
    assert steps["feature"].iloc[-1] == ""
    assert len(named) <= n_shown
    assert all(shown[explained.features.index(name)] for name in named)
    assert list(steps["log_odds"][:-1].abs()) == sorted(steps["log_odds"][:-1].abs(), reverse=True)


known_or_not = st.one_of(st.just(np.nan), st.floats(-100, 100), st.integers(0, 3).map(float))


@given(st.lists(known_or_not, min_size=1, max_size=60))
def test_a_band_is_shown_only_when_five_share_it(values: list[float]) -> None:
    words = value_bands(np.array(values), yes_no=False)
    for word in set(words) - {None}:
        assert words.count(word) >= 5
    order = ["very low", "low", "typical", "high", "very high"]
    shown = [(v, order.index(w)) for v, w in zip(values, words, strict=True) if w in order]
    for value, place in shown:
        assert all(other >= place for larger, other in shown if larger > value)
    assert all(w in {"unknown", None} for v, w in zip(values, words, strict=True) if np.isnan(v))


def test_bands_of_a_yes_or_no_with_a_rare_answer() -> None:
    values = np.array([1.0] * 4 + [0.0] * 20 + [np.nan] * 5)
    assert value_bands(values, yes_no=True) == [None] * 4 + ["no"] * 20 + ["unknown"] * 5


def test_bands_are_fifths_of_the_cohort() -> None:
    words = value_bands(np.arange(100.0), yes_no=False)
    assert (
        words
        == ["very low"] * 20 + ["low"] * 20 + ["typical"] * 20 + ["high"] * 20 + ["very high"] * 20
    )
