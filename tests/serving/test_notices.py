"""The reservations beside an answer, none of which repeats a patient's value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from data_schemas.connectome import Connectome
from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.model_document import Calibration
from serving.predictor import ResponsePredictor


def codes(prediction: Prediction) -> list[str]:
    return [notice.code for notice in prediction.notices]


def test_a_fitting_patient_gets_the_standing_notices_only(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    assert codes(predictor.predict(complete_patient)) == ["simulated_training_data", "research_use"]


def test_out_of_range_names_the_training_range_and_not_the_value(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    old = complete_patient.model_copy(update={"age_years": 97.5})
    [notice] = [n for n in predictor.predict(old).notices if n.code == "out_of_range"]
    age = predictor.document.features[0].reference
    assert age is not None
    assert notice.field == "age_years"
    assert f"{age.lowest_usual:.4g} to {age.highest_usual:.4g} years" in notice.message
    assert "97.5" not in notice.message


def test_only_important_missing_inputs_are_named(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    changes = {"failed_trials": None, "moca_total": None}
    answer = predictor.predict(complete_patient.model_copy(update=changes))
    missing = {n.field for n in answer.notices if n.code == "missing_input"}
    assert "failed_trials" in missing
    assert "moca_total" not in missing


def test_an_unseen_site_is_noted_without_its_name(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    elsewhere = complete_patient.model_copy(update={"site": "xyzzy"})
    [notice] = [n for n in predictor.predict(elsewhere).notices if n.code == "unseen_site"]
    assert "xyzzy" not in notice.message
    unknown = complete_patient.model_copy(update={"site": None})
    assert "unseen_site" not in codes(predictor.predict(unknown))


def test_standing_notices_follow_the_document(
    altered: Callable[..., ResponsePredictor], complete_patient: Patient
) -> None:
    programme = altered().document.trained_on.model_copy(
        update={"is_tms": False, "simulated": False, "treatment": "a computer programme"}
    )
    flat = altered(calibration=Calibration(slope=0.0, intercept=0.0), trained_on=programme)
    answer = flat.predict(complete_patient)
    assert codes(answer) == ["base_rate_only", "not_trained_on_tms", "research_use"]
    assert "a computer programme, not TMS" in answer.notices[1].message


def scan(**quality: Any) -> Connectome:
    labels = ("7Networks_LH_Vis_1", "7Networks_LH_Vis_2", "7Networks_RH_Default_1")
    return Connectome(labels=labels, upper_triangle=np.array([0.5, -0.1, 0.2]), **quality)


@pytest.mark.parametrize(
    ("connectome", "code"),
    [
        (None, "connectome_missing"),
        (scan(n_volumes=10), "connectome_refused"),
        (scan(global_signal_regressed=True), "connectome_refused"),
        (scan(), "connectome_processing_unknown"),
        (scan(global_signal_regressed=False), None),
    ],
)
def test_what_becomes_of_a_connectome_is_said(
    network_predictor: ResponsePredictor,
    complete_patient: Patient,
    connectome: Connectome | None,
    code: str | None,
) -> None:
    scanned = complete_patient.model_copy(update={"connectome": connectome})
    answer = network_predictor.predict(scanned)
    about = [n.code for n in answer.notices if n.field == "connectome"]
    assert about == ([] if code is None else [code])
    within = next(c for c in answer.contributions if c.feature == "fc_within_vis")
    assert (within.value is None) == (code in {"connectome_missing", "connectome_refused"})


@pytest.mark.parametrize(
    "refused",
    [
        scan(n_volumes=10),
        scan(mean_framewise_displacement_mm=3.0),
        scan(coverage=dict.fromkeys(scan().labels, 0.1)),
        scan(global_signal_regressed=True),
    ],
)
def test_a_refused_connectome_leaves_the_clinical_prediction_and_says_why(
    network_predictor: ResponsePredictor, complete_patient: Patient, refused: Connectome
) -> None:
    scanned = complete_patient.model_copy(update={"connectome": refused})
    answer = network_predictor.predict(scanned)
    bare = network_predictor.predict(complete_patient)
    assert answer.response_probability == bare.response_probability is not None
    said = [n.message for n in answer.notices if n.code == "connectome_refused"]
    assert len(said) == 1
    assert said[0].startswith("The connectome was not used: ")


def test_a_model_that_uses_no_input_says_nothing_of_what_is_missing(
    network_predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    flat = network_predictor.document.model_copy(
        update={"calibration": Calibration(slope=0.0, intercept=0.0)}
    )
    bare = complete_patient.model_copy(update={"failed_trials": None})
    answer = ResponsePredictor(flat, network_predictor._booster_text).predict(bare)
    assert codes(answer) == ["base_rate_only", "simulated_training_data", "research_use"]


def test_a_model_that_never_answers_does_not_promise_the_base_rate(
    altered: Callable[..., ResponsePredictor], complete_patient: Patient
) -> None:
    rule = altered().document.abstention.model_copy(update={"always": "Too few responded."})
    answer = altered(booster=None, abstention=rule).predict(complete_patient)
    assert codes(answer)[0] == "model_always_abstains"
    assert "base_rate_only" not in codes(answer)


def test_a_clinical_model_says_nothing_of_connectomes(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    scanned = complete_patient.model_copy(update={"connectome": scan(n_volumes=10)})
    bare, given = predictor.predict(complete_patient), predictor.predict(scanned)
    assert bare.model_copy(update={"prediction_id": given.prediction_id}) == given
