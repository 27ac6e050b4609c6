import pickle
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted
from strategies import patients

from data_schemas.errors import ConfigurationError, DataError
from data_schemas.patient import Patient
from features.patient_rows import patient_row
from features.table import extra_feature, feature_table
from features.transformer import PatientFeatures

ALFF = extra_feature("stimulated_site_alff", "ALFF at the stimulated site", "a.u.")
PEOPLE = [Patient(age_years=20 + years, employed=years % 2 == 0) for years in range(40)]


@settings(max_examples=50)
@given(st.lists(patients(extra_names=(ALFF.name,)), max_size=3))
def test_training_and_serving_see_the_same_bits(people: list[Patient]) -> None:
    transformer = PatientFeatures(extra=(ALFF,), depression_instrument="MADRS")
    rows = transformer.fit_transform(people)
    assert rows.shape == (len(people), len(transformer.features))
    served = [patient_row(patient, transformer.features) for patient in people]
    assert b"".join(row.tobytes() for row in served) == rows.tobytes()


@given(patients())
def test_a_patient_sent_as_json_gives_the_same_row(patient: Patient) -> None:
    returned = Patient.model_validate_json(patient.model_dump_json())
    features = feature_table()
    np.testing.assert_array_equal(patient_row(returned, features), patient_row(patient, features))


# The checks of scikit-learn that do not fit on matrices of numbers.
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
    ],
)
def test_scikit_learns_own_checks_pass(check: Callable[[str, PatientFeatures], None]) -> None:
    check("PatientFeatures", PatientFeatures(extra=(ALFF,)))


def test_names_and_frame_agree() -> None:
    transformer = PatientFeatures(groups=("clinical",)).set_output(transform="pandas")
    frame = transformer.fit_transform(PEOPLE)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(transformer.get_feature_names_out())
    plain = PatientFeatures(groups=("clinical",)).transform(PEOPLE)
    np.testing.assert_array_equal(frame.to_numpy(), plain)


def test_clones_and_copies_compute_the_same() -> None:
    original = PatientFeatures(extra=(ALFF,), anxiety_instrument="GAD-7")
    expected = original.transform(PEOPLE)
    for copy in (clone(original), pickle.loads(pickle.dumps(original))):  # noqa: S301
        assert copy.get_params().keys() == original.get_params().keys()
        assert copy.features == original.features
        np.testing.assert_array_equal(copy.transform(PEOPLE), expected)


def test_it_needs_no_fitting() -> None:
    check_is_fitted(PatientFeatures())


def test_fitting_does_not_look_at_patients() -> None:
    transformer = PatientFeatures()
    before = dict(vars(transformer))
    waiting = iter(PEOPLE)
    transformer.fit(waiting, y=[1, 0])
    assert vars(transformer) == before
    assert list(waiting) == PEOPLE


def test_patients_stream_through() -> None:
    rows = PatientFeatures().transform(patient for patient in PEOPLE)
    np.testing.assert_array_equal(rows, PatientFeatures().transform(PEOPLE))
    assert PatientFeatures().transform(iter(())).shape == (0, len(feature_table()))


def test_it_works_inside_a_cross_validated_pipeline() -> None:
    pipeline = make_pipeline(
        PatientFeatures(groups=("clinical",)),
        SimpleImputer(keep_empty_features=True),
        LogisticRegression(),
    )
    employed = [bool(patient.employed) for patient in PEOPLE]
    assert (cross_val_predict(pipeline, PEOPLE, employed, cv=4) == employed).all()


@pytest.mark.parametrize("given_", [Patient(), None, 3])
def test_a_single_patient_is_not_a_list_of_patients(given_: object) -> None:
    with pytest.raises(DataError, match="put a single one into a list"):
        PatientFeatures().transform(given_)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("odd", "kind"), [({"age_years": 51.5}, "dict"), (None, "NoneType"), ("51.5", "str")]
)
def test_what_is_no_patient_is_named_by_position_without_its_value(odd: object, kind: str) -> None:
    with pytest.raises(DataError, match=f"Number 2 is not a Patient but {kind}") as caught:
        PatientFeatures().transform([Patient(), odd])  # type: ignore[list-item]
    assert "51.5" not in str(caught.value)


def test_bad_parameters_are_refused_on_fitting_not_before() -> None:
    transformer = PatientFeatures(groups=("genes",))
    with pytest.raises(ConfigurationError, match="'genes' is not a group"):
        transformer.fit()
