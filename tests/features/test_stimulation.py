import math
from typing import get_args

import pytest
from hypothesis import given
from strategies import patients

from data_schemas.patient import Patient, Protocol, Target
from features import stimulation

UNKNOWN = math.nan


@pytest.mark.parametrize("protocol", get_args(Protocol))
def test_theta_burst_is_intermittent_or_continuous(protocol: Protocol) -> None:
    assert stimulation.theta_burst(Patient(protocol=protocol)) == (protocol in {"itbs", "ctbs"})


@pytest.mark.parametrize(
    ("protocol", "target", "number"),
    [
        ("bilateral", None, 1.0),
        (None, "bilateral_dlpfc", 1.0),
        ("itbs", "bilateral_dlpfc", 1.0),
        ("itbs", "left_dlpfc", 0.0),
        ("itbs", None, UNKNOWN),
        (None, "left_dlpfc", UNKNOWN),
        (None, None, UNKNOWN),
    ],
)
def test_bilateral_by_protocol_or_target(
    protocol: Protocol | None, target: Target | None, number: float
) -> None:
    computed = stimulation.bilateral(Patient(protocol=protocol, target=target))
    assert computed == pytest.approx(number, nan_ok=True)


@pytest.mark.parametrize(
    ("protocol", "target", "number"),
    [
        ("low_frequency", "right_dlpfc", 1.0),
        ("low_frequency", "left_dlpfc", 0.0),
        ("itbs", None, 0.0),
        (None, "left_dlpfc", 0.0),
        ("low_frequency", None, UNKNOWN),
        (None, "right_dlpfc", UNKNOWN),
        (None, None, UNKNOWN),
    ],
)
def test_low_frequency_right_needs_both(
    protocol: Protocol | None, target: Target | None, number: float
) -> None:
    computed = stimulation.low_frequency_right(Patient(protocol=protocol, target=target))
    assert computed == pytest.approx(number, nan_ok=True)


@given(patients())
def test_learning_more_of_a_plan_never_contradicts_what_was_known(patient: Patient) -> None:
    for compute in (stimulation.bilateral, stimulation.low_frequency_right):
        complete = compute(patient)
        for field in ("protocol", "target"):
            partial = compute(patient.model_copy(update={field: None}))
            assert math.isnan(partial) or partial == complete
