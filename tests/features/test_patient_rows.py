import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from strategies import patients

from data_schemas.patient import Patient
from features.connectivity import connectivity_summary
from features.patient_rows import patient_row
from features.summary import summarised_connectivity
from features.table import FEATURES, Feature, extra_feature, feature_table

ALFF = extra_feature("stimulated_site_alff", "ALFF at the stimulated site", "a.u.")
ROOT = Path(__file__).parents[2]


def value_of(feature: Feature, patient: Patient) -> float:
    return float(patient_row(patient, [feature])[0])


def only(patient: Patient, fields: tuple[str, ...]) -> Patient:
    """Return the patient with nothing known but these fields."""
    kept: dict[str, Any] = {field: getattr(patient, field) for field in fields}
    return Patient.model_construct(**kept)


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
        if feature.compute is not None:
            np.testing.assert_array_equal(number, feature.compute(patient))
    given = patient.connectome_summary
    scan = patient.connectome
    summary = (
        summarised_connectivity(given)
        if given
        else connectivity_summary(scan, patient.coil_site_mni_mm)
    )
    np.testing.assert_array_equal(row[-len(summary) :], list(summary.values()))
    assert not np.isinf(row).any()


def test_serving_needs_neither_scikit_learn_nor_pandas_for_a_row() -> None:
    program = (
        "import sys, features.patient_rows, features.readers;"
        "sys.exit(' '.join({'sklearn', 'pandas', 'scipy'} & set(sys.modules)) or 0)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr.strip()) == (0, "")
