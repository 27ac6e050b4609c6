import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import patients

from data_schemas.errors import ConfigurationError, DataError
from data_schemas.patient import Patient
from features.connectivity import CONNECTIVITY_NAMES, connectivity_summary
from features.summary import summarised_connectivity
from features.table import FEATURES, Feature, extra_feature, feature_table, patient_row

ALFF = extra_feature("stimulated_site_alff", "ALFF at the stimulated site", "a.u.")
ROOT = Path(__file__).parents[2]


def value_of(feature: Feature, patient: Patient) -> float:
    return float(patient_row(patient, [feature])[0])


def only(patient: Patient, fields: tuple[str, ...]) -> Patient:
    """Return the patient with nothing known but these fields."""
    kept: dict[str, Any] = {field: getattr(patient, field) for field in fields}
    return Patient.model_construct(**kept)


def test_names_and_labels_are_unique() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert len({feature.label for feature in FEATURES}) == len(FEATURES)


def test_every_feature_reads_fields_that_exist() -> None:
    for feature in FEATURES:
        assert set(feature.fields) <= set(Patient.model_fields), feature.name


def test_neither_the_site_nor_anything_but_the_baseline_is_a_feature() -> None:
    read = {field for feature in FEATURES for field in feature.fields}
    # Items enter as their total.
    assert set(Patient.model_fields) - read == {"site", "extra", "depression_items"}


def test_every_sign_has_a_source_and_every_source_a_sign() -> None:
    for feature in FEATURES:
        assert bool(feature.monotone) == bool(feature.monotone_source), feature.name
    signed = {feature.name: feature.monotone for feature in FEATURES if feature.monotone}
    assert signed == {
        "employed": 1, "log_episode_duration": -1, "failed_trials": -1, "maudsley_stage": -1,
        "benzodiazepine": -1,
    }  # fmt: skip


def test_connectivity_comes_as_one_block() -> None:
    networks = [feature for feature in FEATURES if feature.group == "connectivity"]
    assert tuple(feature.name for feature in networks) == CONNECTIVITY_NAMES
    for feature in FEATURES:
        assert (feature.compute is None) == (feature.group == "connectivity")


@settings(max_examples=40)
@given(patients())
def test_a_feature_depends_on_its_fields_alone(patient: Patient) -> None:
    for feature in FEATURES:
        np.testing.assert_array_equal(
            value_of(feature, only(patient, feature.fields)), value_of(feature, patient)
        )


def test_a_patient_of_whom_nothing_is_known_is_all_nan() -> None:
    row = patient_row(Patient(), feature_table(extra=[ALFF]))
    assert np.isnan(row).all()


@settings(max_examples=40)
@given(patients(extra_names=("stimulated_site_alff",)))
def test_a_row_is_its_features_one_by_one(patient: Patient) -> None:
    features = feature_table(extra=[ALFF])
    row = patient_row(patient, features)
    assert row.shape == (len(features),)
    assert row.dtype == np.float64
    for number, feature in zip(row, features, strict=True):
        np.testing.assert_array_equal(number, value_of(feature, patient))
    given = patient.connectome_summary
    scan = patient.connectome
    summary = (
        summarised_connectivity(given)
        if given
        else connectivity_summary(scan, patient.coil_site_mni_mm)
    )
    np.testing.assert_array_equal(row[-len(summary) :], list(summary.values()))
    assert not np.isinf(row).any()


def test_groups_select_and_keep_the_order_of_the_table() -> None:
    clinical, networks = feature_table(("clinical",)), feature_table(("connectivity",))
    assert (*clinical, *networks) == feature_table(("connectivity", "clinical")) == FEATURES


def test_the_instrument_of_the_model_is_the_only_one_it_knows() -> None:
    features = feature_table(("clinical",), depression_instrument="HDRS-17")
    severity = next(f for f in features if f.name == "depression_severity")
    assert "HDRS-17" in severity.label
    assert value_of(severity, Patient(depression_instrument="HDRS-17", depression_total=26)) == 0.5
    other = Patient(depression_instrument="PHQ-9", depression_total=20)
    assert math.isnan(value_of(severity, other))
    anxiety = next(f for f in features if f.name == "anxiety_severity")
    assert value_of(anxiety, Patient(anxiety_instrument="HAM-A", anxiety_total=14)) == 0.25


def test_extra_measurements_stand_between_the_groups() -> None:
    features = feature_table(extra=[ALFF])
    assert features.index(ALFF) == len(feature_table(("clinical",)))
    assert ALFF in feature_table(("clinical",), extra=[ALFF])
    assert ALFF not in feature_table(("connectivity",), extra=[ALFF])
    assert ALFF.domain == "extra"


def test_an_extra_measurement_needs_a_name_of_its_own() -> None:
    taken = extra_feature("age_years", "Age again", "years")
    with pytest.raises(ConfigurationError, match="'age_years' has the name of another feature"):
        feature_table(extra=[taken])
    with pytest.raises(ConfigurationError, match="rename it"):
        feature_table(extra=[ALFF, ALFF])


def test_an_unknown_group_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'connectivity'"):
        feature_table(("connectivty",))


def test_an_unknown_instrument_is_refused() -> None:
    with pytest.raises(DataError, match="HDRS-17"):
        feature_table(depression_instrument="HDRS17")


def test_serving_needs_neither_scikit_learn_nor_pandas_for_a_row() -> None:
    program = (
        "import sys, features.table, features.readers;"
        "sys.exit(' '.join({'sklearn', 'pandas', 'scipy'} & set(sys.modules)) or 0)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr.strip()) == (0, "")
