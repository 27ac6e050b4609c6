"""The fitted model's answers: additive, named, and declined where they should be."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import patients as any_patients

from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from features.patient_rows import patient_row
from serving.admission import RefusedPatientError
from serving.answer_content import to_json
from serving.calibrated_trees import logit
from serving.model_document import Abstention
from serving.predictor import ResponsePredictor

Altered = Callable[..., ResponsePredictor]
NEVER_ABSTAIN = Abstention(
    smaller_class_count=50, maximum_missing_importance=1.0, maximum_distance=1e9
)


def codes(prediction: Prediction) -> list[str]:
    return [notice.code for notice in prediction.notices]


def without_id(prediction: Prediction) -> Prediction:
    return prediction.model_copy(update={"prediction_id": ""})


def test_contributions_add_up_to_the_probability(altered: Altered, patients: list[Patient]) -> None:
    predictor = altered(abstention=NEVER_ABSTAIN)
    for patient in patients:
        answer = predictor.predict(patient)
        assert answer.response_probability is not None
        total = answer.baseline_log_odds + sum(c.log_odds for c in answer.contributions)
        assert total == pytest.approx(logit(answer.response_probability), abs=1e-9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(patient=any_patients(extra_names=("grip_kg", "other")))
def test_any_valid_patient_is_answered_or_refused(
    network_predictor: ResponsePredictor, patient: Patient
) -> None:
    try:
        content, _ = network_predictor.answer(patient)
    except RefusedPatientError:
        return
    answer = Prediction.model_validate(content)
    assert without_id(answer) == without_id(network_predictor.predict(patient))
    # What HTTP sends, and what the schema would.
    written = to_json(content)
    assert json.loads(written) == json.loads(answer.model_dump_json())
    assert Prediction.model_validate_json(written, strict=True) == answer
    assert answer.abstained == (answer.response_probability is None) == (answer.interval is None)
    if answer.interval is None or answer.response_probability is None:
        assert answer.contributions == ()
        return
    assert answer.interval.lower <= answer.response_probability <= answer.interval.upper
    total = answer.baseline_log_odds + sum(c.log_odds for c in answer.contributions)
    assert total == pytest.approx(logit(answer.response_probability), abs=1e-9)


def test_arrays_and_patients_get_the_same_answer(altered: Altered, patients: list[Patient]) -> None:
    predictor = altered(abstention=NEVER_ABSTAIN)
    X = np.array([patient_row(patient, predictor.features) for patient in patients[:30]])
    log_odds, contributions = predictor.log_odds(X), predictor.contributions(X)
    assert np.allclose(predictor.baseline_log_odds + contributions.sum(axis=1), log_odds)
    for number, answer in enumerate(predictor.predict_many(patients[:30])):
        assert answer.response_probability is not None
        assert logit(answer.response_probability) == pytest.approx(log_odds[number], abs=1e-9)
        by_name = {c.feature: c.log_odds for c in answer.contributions}
        own = [by_name[feature.name] for feature in predictor.features]
        assert own == pytest.approx(contributions[number])


def test_arrays_of_another_width_are_a_mistake_of_the_caller(predictor: ResponsePredictor) -> None:
    with pytest.raises(ValueError, match="must have shape"):
        predictor.log_odds(np.zeros((2, 3)))


def test_no_patients_get_no_answers(predictor: ResponsePredictor) -> None:
    empty = np.zeros((0, len(predictor.features)))
    assert predictor.predict_many([]) == []
    assert predictor.log_odds(empty).shape == (0,)
    assert predictor.contributions(empty).shape == empty.shape


def test_contributions_are_named_and_sorted(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    answer = predictor.predict(complete_patient)
    sizes = [abs(c.log_odds) for c in answer.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0
    assert {c.feature for c in answer.contributions} == {f.name for f in predictor.features}
    by_name = {c.feature: c for c in answer.contributions}
    assert (by_name["age_years"].value, by_name["age_years"].unit) == (45.0, "years")
    assert by_name["moca_total"].value is None
    assert by_name["grip_kg"].label == "Grip strength"


def test_explanations_may_be_left_out(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    explained = without_id(predictor.predict(complete_patient))
    bare = without_id(predictor.predict(complete_patient, explain=False))
    assert explained.contributions
    assert bare == explained.model_copy(update={"contributions": ()})


def test_an_answer_says_which_model_and_which_outcome(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    first, second = predictor.predict(complete_patient), predictor.predict(complete_patient)
    assert first.prediction_id != second.prediction_id
    assert without_id(first) == without_id(second)
    assert first.base_rate == predictor.document.base_rate
    assert first.outcome.definition == predictor.document.outcome.describe()
    assert first.model.version == f"0.1.0+{predictor.document.digest}"


def test_a_patient_who_does_not_fit_is_refused(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    other = complete_patient.model_copy(update={"depression_instrument": "MADRS"})
    with pytest.raises(RefusedPatientError):
        predictor.predict(other)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"always": "Only 6 patients responded."}, "model_always_abstains"),
        ({"maximum_distance": 0.01}, "unlike_training"),
    ],
)
def test_an_abstention_has_no_number_and_says_why(
    altered: Altered, complete_patient: Patient, changes: dict[str, Any], code: str
) -> None:
    rule = NEVER_ABSTAIN.model_copy(update=changes)
    answer = altered(abstention=rule).predict(complete_patient)
    assert answer.abstained
    assert (answer.response_probability, answer.interval) == (None, None)
    assert answer.contributions == ()
    assert codes(answer)[0] == code
    assert codes(answer)[-1] == "research_use"


def test_too_much_missing_makes_it_abstain(predictor: ResponsePredictor) -> None:
    bare = Patient(depression_instrument="PHQ-9", depression_total=18)
    answer = predictor.predict(bare)
    assert answer.abstained
    assert codes(answer)[0] == "too_much_missing"
    assert "missing_input" in codes(answer)


def test_a_base_rate_model_answers_with_the_base_rate(
    altered: Altered, complete_patient: Patient
) -> None:
    answer = altered(booster=None, base_rate=0.3).predict(complete_patient)
    assert answer.response_probability == pytest.approx(0.3, abs=1e-12)
    assert answer.interval is None
    assert {c.log_odds for c in answer.contributions} == {0.0}
    assert "base_rate_only" in codes(answer)
