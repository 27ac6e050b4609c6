from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table
from scipy.special import logit

from data_schemas.patient import Patient
from serving.abstention import TrainingReference, reason_to_abstain
from serving.predictor import ResponsePredictor
from training.dataset import TrainingTable
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, fit_boosted

CONFIG = quick_config()


def predictor(table: TrainingTable, served: str = LIGHTGBM_BOTH, **more: Any) -> ResponsePredictor:
    return fit_predictor(table, minimal_spec(), CONFIG, served=served, fingerprint="f" * 64, **more)


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    return simulated_table()


@pytest.fixture(scope="module")
def fitted(table: TrainingTable) -> ResponsePredictor:
    return predictor(table)


def columns(table: TrainingTable, fitted: ResponsePredictor) -> list[int]:
    names = [feature.name for feature in table.features]
    return [names.index(feature.name) for feature in fitted.features]


def test_artefact_answers_as_the_fitted_bag_does(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    used = columns(table, fitted)
    bag = fit_boosted(table.training_rows().columns(np.array(used)), CONFIG)
    X = table.X[:, used]
    np.testing.assert_allclose(fitted.log_odds(X), bag.log_odds(X), rtol=0, atol=1e-10)


def test_contributions_add_up(table: TrainingTable, fitted: ResponsePredictor) -> None:
    X = table.X[:, columns(table, fitted)]
    total = fitted.baseline_log_odds + fitted.contributions(X).sum(axis=1)
    np.testing.assert_allclose(total, fitted.log_odds(X), rtol=0, atol=1e-9)


def test_same_data_and_seed_give_the_same_bytes(table: TrainingTable, tmp_path: Path) -> None:
    for name in ("one", "other"):
        predictor(table).save(tmp_path / name)
    for file in ("model.json", "booster.txt"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_columns_that_do_not_vary_are_left_out(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    for column, feature in enumerate(table.features):
        seen = np.unique(table.X[~np.isnan(table.X[:, column]), column])
        named = feature.name in {each.name for each in fitted.document.features}
        assert named == (len(seen) > 1)


def test_reference_percentiles_are_those_of_the_known_values(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    age = next(f for f in fitted.document.features if f.name == "age_years")
    values = table.X[:, 0]
    assert age.reference is not None
    assert age.reference.p25 == pytest.approx(np.nanquantile(values, 0.25), abs=0.8)
    assert np.nanmin(values) < age.reference.p1 < age.reference.p99 < np.nanmax(values)


def test_nearly_all_training_patients_are_answered_and_an_absurd_one_is_not(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    X = table.X[:, columns(table, fitted)]
    reference = TrainingReference(fitted.document.features)
    reasons = [reason_to_abstain(reference.compared(row), fitted.document, reference) for row in X]
    assert sum(reason is not None for reason in reasons) <= 0.02 * len(X)
    absurd = Patient(age_years=12, failed_trials=30, depression_instrument="HDRS-17",
                     depression_total=28, benzodiazepine=False)  # fmt: skip
    answer = fitted.predict(absurd)
    assert answer.abstained
    assert (answer.notices[0].code, answer.notices[0].field) == ("unlike_training", "failed_trials")


def test_a_connectome_of_the_wrong_sign_is_unlike_training(
    table: TrainingTable, fitted: ResponsePredictor
) -> None:
    used = columns(table, fitted)
    networks = np.array([feature.group == "connectivity" for feature in fitted.features])
    reference = TrainingReference(fitted.document.features)
    for row in table.X[table.has_connectome][:40, used]:
        reason = reason_to_abstain(
            reference.compared(np.where(networks, -row, row)), fitted.document, reference
        )
        assert reason is not None
        assert reason.code == "unlike_training"


@pytest.mark.parametrize("given", [{}, {"age_years": 40, "failed_trials": 2}])
def test_a_base_rate_model_answers_whoever_is_not_unlike_its_patients(
    table: TrainingTable, given: dict[str, float]
) -> None:
    model = predictor(table, BASE_RATE)
    answer = model.predict(Patient.model_validate(given))
    assert answer.response_probability == pytest.approx(table.y.mean())
    codes = {notice.code for notice in answer.notices}
    assert codes == {"base_rate_only", "simulated_training_data", "research_use"}
    absurd = model.predict(Patient(failed_trials=30))
    assert absurd.notices[0].field == "failed_trials"
    assert absurd.abstained


def test_importances_are_shares(fitted: ResponsePredictor) -> None:
    shares = [feature.importance for feature in fitted.document.features]
    assert sum(shares) == pytest.approx(1)
    top = max(fitted.document.features, key=lambda feature: feature.importance)
    assert top.name == "failed_trials"


def test_null_data_serve_the_base_rate_and_say_so() -> None:
    reversed_signal = simulated_table(signal=-1.0)
    kept = [n for n, f in enumerate(reversed_signal.features) if f.name == "failed_trials"]
    lone = replace(
        reversed_signal,
        X=reversed_signal.X[:, kept],
        features=tuple(reversed_signal.features[n] for n in kept),
    )
    # Held to fall with failed trials, on data that rise: nothing is left to learn.
    served = predictor(lone, LIGHTGBM_CLINICAL)
    assert served.document.calibration.slope == 0
    np.testing.assert_allclose(served.log_odds(lone.X), logit(lone.y.mean()), atol=1e-6)


def test_too_small_a_cohort_gives_an_artefact_that_never_answers(table: TrainingTable) -> None:
    never = predictor(table, BASE_RATE, always_abstains="Only 6 patients responded.")
    answer = never.predict(Patient(failed_trials=2, age_years=40))
    assert answer.abstained
    assert answer.response_probability is None
    assert any("Only 6 patients" in notice.message for notice in answer.notices)
