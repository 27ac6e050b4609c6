"""Which patients and connectomes a model refuses."""

from typing import Any

import numpy as np
import pytest

from data_schemas.connectome import Connectome
from data_schemas.patient import Patient
from serving.admission import RefusedPatientError, connectome_refusal, refuse_unfit
from serving.model_document import ConnectomeRequirements
from serving.predictor import ResponsePredictor

LABELS = ("7Networks_LH_Vis_1", "7Networks_LH_Vis_2", "7Networks_RH_Default_1")


def connectome(labels: tuple[str, ...] = LABELS, **quality: Any) -> Connectome:
    n_edges = len(labels) * (len(labels) - 1) // 2
    return Connectome(labels=labels, upper_triangle=np.full(n_edges, 0.2), **quality)


def refused(patient: Patient, predictor: ResponsePredictor) -> RefusedPatientError:
    with pytest.raises(RefusedPatientError) as caught:
        refuse_unfit(patient, predictor.document)
    return caught.value


def test_a_fitting_patient_is_admitted(
    complete_patient: Patient, predictor: ResponsePredictor
) -> None:
    refuse_unfit(complete_patient, predictor.document)


@pytest.mark.parametrize(
    ("changes", "code", "field", "allowed"),
    [
        ({"depression_instrument": "MADRS"}, "wrong_instrument", "depression_instrument", "PHQ-9"),
        ({"anxiety_instrument": "HAM-A"}, "wrong_instrument", "anxiety_instrument", "GAD-7"),
        ({"depression_total": None}, "missing_required", "depression_total", ""),
        ({"extra": {"grip": 30.0}}, "invalid_extra", "extra.grip", "grip_kg"),
        ({"extra": {"grip_kg": 271.25}}, "invalid_extra", "extra.grip_kg", "0 to 100 kg"),
    ],
)
def test_each_misfit_is_refused_by_name(
    complete_patient: Patient,
    predictor: ResponsePredictor,
    changes: dict[str, Any],
    code: str,
    field: str,
    allowed: str,
) -> None:
    error = refused(complete_patient.model_copy(update=changes), predictor)
    [problem] = error.problems
    assert (error.code, problem.field, problem.allowed) == (code, field, allowed)
    assert "271.25" not in str(error)
    assert "MADRS" not in str(error)


def test_an_extra_close_to_a_declared_one_is_suggested(
    complete_patient: Patient, predictor: ResponsePredictor
) -> None:
    misspelt = complete_patient.model_copy(update={"extra": {"grip_k": 30.0}})
    assert "Did you mean 'grip_kg'?" in str(refused(misspelt, predictor))


def test_all_problems_are_named_and_the_instrument_decides_the_code(
    complete_patient: Patient, predictor: ResponsePredictor
) -> None:
    changes = {"depression_total": None, "anxiety_instrument": "HAM-A", "extra": {"other": 1.0}}
    error = refused(complete_patient.model_copy(update=changes), predictor)
    assert error.code == "wrong_instrument"
    assert [problem.field for problem in error.problems] == [
        "anxiety_instrument",
        "depression_total",
        "extra.other",
    ]


def test_another_instrument_without_a_total_does_no_harm(
    complete_patient: Patient, predictor: ResponsePredictor
) -> None:
    changes = {"anxiety_instrument": "HAM-A", "anxiety_total": None}
    refuse_unfit(complete_patient.model_copy(update=changes), predictor.document)


def test_a_model_of_any_instrument_takes_any(
    complete_patient: Patient, predictor: ResponsePredictor
) -> None:
    anything = predictor.document.model_copy(update={"anxiety_instrument": None})
    refuse_unfit(complete_patient.model_copy(update={"anxiety_instrument": "HAM-A"}), anything)


@pytest.mark.parametrize(
    ("trained", "given", "reason"),
    [
        (True, True, None),
        (True, None, None),
        (None, False, None),
        (True, False, "with global signal regression"),
        (False, True, "without global signal regression"),
    ],
)
def test_global_signal_regression_is_never_mixed(
    trained: bool | None, given: bool | None, reason: str | None
) -> None:
    requirements = ConnectomeRequirements(global_signal_regressed=trained)
    refusal = connectome_refusal(connectome(global_signal_regressed=given), requirements)
    assert refusal is None if reason is None else reason in str(refusal)


def test_moving_heads_and_foreign_atlases_are_refused() -> None:
    requirements = ConnectomeRequirements()
    moved = connectome(mean_framewise_displacement_mm=1.25)
    refusal = connectome_refusal(moved, requirements)
    assert refusal is not None
    assert "1.25" not in refusal
    foreign = connectome(labels=("AAL_1", "AAL_2", "AAL_3"))
    assert "Schaefer" in str(connectome_refusal(foreign, requirements))
