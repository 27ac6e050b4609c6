import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import patients

from data_schemas.instruments import INSTRUMENTS
from data_schemas.patient import Patient
from features import clinical


@pytest.mark.parametrize(("value", "number"), [(True, 1.0), (False, 0.0), (None, math.nan)])
def test_no_and_unknown_are_told_apart(value: bool | None, number: float) -> None:
    computed = clinical.recorded(Patient(ptsd=value), field="ptsd")
    assert computed == pytest.approx(number, nan_ok=True)


@pytest.mark.parametrize(
    ("sex", "number"), [("female", 1.0), ("male", 0.0), ("other", 0.0), (None, math.nan)]
)
def test_a_coded_field_is_compared_with_one_value(sex: Any, number: float) -> None:
    computed = clinical.is_recorded_as(Patient(sex=sex), field="sex", value="female")
    assert computed == pytest.approx(number, nan_ok=True)


@given(st.floats(0, 960))
def test_the_logarithm_of_the_duration_can_be_undone(months: float) -> None:
    logarithm = clinical.log_episode_duration(Patient(episode_duration_months=months))
    assert math.expm1(logarithm) == pytest.approx(months, abs=1e-9)


def test_an_unknown_duration_is_unknown() -> None:
    assert math.isnan(clinical.log_episode_duration(Patient()))


@given(patients())
def test_severity_is_a_share_of_the_scale_it_was_measured_on(patient: Patient) -> None:
    for compute, name, total in (
        (clinical.depression_severity, patient.depression_instrument, patient.depression_total),
        (clinical.anxiety_severity, patient.anxiety_instrument, patient.anxiety_total),
    ):
        share = compute(patient)
        if total is None or name is None:
            assert math.isnan(share)
            continue
        scale = INSTRUMENTS[name]
        assert 0 <= share <= 1
        points = scale.minimum + share * (scale.maximum - scale.minimum)
        assert points == pytest.approx(total, abs=1e-9)


@given(patients(), st.sampled_from(sorted(INSTRUMENTS)))
def test_a_total_on_another_instrument_is_unknown(patient: Patient, instrument: str) -> None:
    for compute, name in (
        (clinical.depression_severity, patient.depression_instrument),
        (clinical.anxiety_severity, patient.anxiety_instrument),
    ):
        expected = compute(patient) if name == instrument else math.nan
        assert compute(patient, instrument=instrument) == pytest.approx(expected, nan_ok=True)


@given(patients())
def test_the_maudsley_stage_is_that_of_the_schema(patient: Patient) -> None:
    stage = patient.maudsley_stage()
    expected = math.nan if stage is None else stage
    assert clinical.maudsley_stage(patient) == pytest.approx(expected, nan_ok=True)


def test_the_ends_of_the_maudsley_scale() -> None:
    mildest = Patient(
        depression_instrument="HDRS-17", depression_total=5, episode_duration_months=3,
        failed_trials=1, augmentation_failed=False, ect_history=False,
    )  # fmt: skip
    gravest = Patient(
        depression_instrument="HDRS-17", depression_total=40, episode_duration_months=60,
        failed_trials=12, augmentation_failed=True, ect_history=True, psychotic_features=True,
    )  # fmt: skip
    assert (clinical.maudsley_stage(mildest), clinical.maudsley_stage(gravest)) == (3, 15)


def test_a_further_measurement_is_taken_as_given_or_unknown() -> None:
    patient = Patient(extra={"stimulated_site_alff": -0.25})
    assert clinical.further_measurement(patient, name="stimulated_site_alff") == -0.25
    assert math.isnan(clinical.further_measurement(patient, name="another"))
