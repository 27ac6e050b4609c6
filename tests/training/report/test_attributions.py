"""The tables of attributions agree with the model, its replicates and the shap package."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table

from serving.predictor import ResponsePredictor
from training.engine.engines import LocalEngine
from training.learning.fit import fit_predictor, served_rows
from training.learning.models import LIGHTGBM_BOTH
from training.learning.rows import FloatArray
from training.report.attributions import Attributions, attributions_of, ranks_of
from training.report.explain import Explanations, explain
from training.report.interactions import interaction_table
from training.stability.attribution import Attribution
from training.stability.cuts import FEWEST_BEYOND_A_CUT
from training.stability.served import measure_stability
from training.workshop import Workshop

BOOSTING = quick_config().boosting.model_copy(update={"num_leaves": (4,)})
CONFIG = quick_config(boosting=BOOSTING)
TABLE = simulated_table(n=200, signal=1.5)
Study = tuple[ResponsePredictor, FloatArray, Explanations, Attribution]


@pytest.fixture(scope="module")
def study() -> Study:
    predictor = fit_predictor(
        TABLE, minimal_spec(), CONFIG, served=LIGHTGBM_BOTH, fingerprint="f" * 64
    )
    workshop = Workshop(CONFIG, LocalEngine(), None, lambda _stage, _done, _total: None)
    stability = measure_stability(predictor, TABLE, LIGHTGBM_BOTH, workshop)
    assert stability is not None
    assert stability.attribution is not None
    X = served_rows(TABLE, predictor).X
    return predictor, X, explain(predictor, X, TABLE.y), stability.attribution


@pytest.fixture(scope="module")
def tables(study: Study) -> Attributions:
    predictor, X, explanations, replicates = study
    pairs = interaction_table(predictor, X)
    return attributions_of(explanations, predictor.features, pairs, replicates, 0.95)


def test_importance_is_that_of_the_served_model(tables: Attributions, study: Study) -> None:
    predictor, _, explanations, replicates = study
    rows = tables.importance.set_index("feature")
    for column, name in enumerate(predictor.feature_names):
        phi, drawn = explanations.contributions[:, column], replicates.size[:, column]
        assert rows.loc[name, "mean_absolute_log_odds"] == pytest.approx(np.abs(phi).mean())
        assert rows.loc[name, "lower"] == pytest.approx(np.quantile(drawn, 0.025))
        assert rows.loc[name, "upper"] == pytest.approx(np.quantile(drawn, 0.975))
    assert tables.importance["rank"].is_monotonic_increasing
    assert tables.importance["feature"][0] == "failed_trials"
    assert tables.importance["effect_log_odds"][0] < 0


def test_domains_hold_every_feature_once(tables: Attributions, study: Study) -> None:
    assert tables.domains["n_features"].sum() == len(study[0].features)
    assert tables.domains["domain"][0] == "history"
    assert not tables.domains["domain"].duplicated().any()


def test_dependence_adds_up_and_shows_no_small_band(tables: Attributions, study: Study) -> None:
    rows = tables.dependence[tables.dependence["feature"] == "failed_trials"]
    column = study[0].feature_names.index("failed_trials")
    assert rows["n"].sum() == len(TABLE.y)
    assert np.average(rows["log_odds"], weights=rows["n"]) == pytest.approx(
        study[2].contributions[:, column].mean()
    )
    assert np.diff(rows["log_odds"]).max() < 1e-9, "held to fall"
    assert tables.dependence["n"].min() >= FEWEST_BEYOND_A_CUT


def test_tables_come_back_from_a_folder(tables: Attributions, tmp_path: Path) -> None:
    assert Attributions.read(tmp_path) is None
    tables.write(tmp_path)
    found = Attributions.read(tmp_path)
    assert found is not None
    for name, frame in vars(tables).items():
        pd.testing.assert_frame_equal(vars(found)[name], frame, check_dtype=False)


def test_without_replicates_there_is_no_interval(study: Study) -> None:
    predictor, X, explanations, _ = study
    found = attributions_of(
        explanations, predictor.features, interaction_table(predictor, X), None, 0.95
    )
    for frame in (found.importance, found.domains, found.dependence):
        assert frame["lower"].isna().all()
    assert found.importance["share_among_first"].isna().all()


def test_pairs_are_those_of_the_shap_package(tables: Attributions, study: Study) -> None:
    import lightgbm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    predictor, X, explanations, _ = study
    booster = lightgbm.Booster(model_str=predictor._booster_text)
    values = predictor.document.calibration.slope * np.asarray(
        shap.TreeExplainer(booster).shap_interaction_values(X)
    )
    assert np.allclose(values.sum(axis=2), explanations.contributions, atol=1e-6)
    first = tables.interactions.iloc[0]
    i, j = (predictor.feature_names.index(first[side]) for side in ("feature", "other"))
    expected = np.abs(values[:, i, j] + values[:, j, i]).mean()
    assert first["mean_absolute_log_odds"] == pytest.approx(expected)
    assert tables.interactions["mean_absolute_log_odds"].is_monotonic_decreasing


def test_trees_of_two_leaves_hold_no_pair() -> None:
    config = quick_config(boosting=BOOSTING.model_copy(update={"num_leaves": (2,)}))
    predictor = fit_predictor(
        TABLE, minimal_spec(), config, served=LIGHTGBM_BOTH, fingerprint="f" * 64
    )
    assert interaction_table(predictor, served_rows(TABLE, predictor).X).empty


def test_ranks_begin_with_the_largest_and_equals_share_theirs() -> None:
    assert ranks_of(np.array([[0.2, 0.9, 0.0, 0.0]])).tolist() == [[2, 1, 3.5, 3.5]]
    assert ranks_of(np.empty((0, 4))).shape == (0, 4)


def test_a_replicate_without_signal_leads_nobody(study: Study) -> None:
    predictor, X, explanations, drawn = study
    silent = replace(drawn, size=np.zeros_like(drawn.size))
    pairs = interaction_table(predictor, X)
    found = attributions_of(explanations, predictor.features, pairs, silent, 0.95).importance
    assert (found["share_among_first"] == 0).all()
    assert found["rank_lower"].isna().all()
