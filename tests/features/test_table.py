import math

import pytest

from data_schemas.errors import ConfigurationError, DataError
from data_schemas.patient import Patient
from features.connectivity import CONNECTIVITY_NAMES
from features.table import FEATURES, Feature, extra_feature, feature_table

ALFF = extra_feature("stimulated_site_alff", "ALFF at the stimulated site", "a.u.")


def value_of(feature: Feature, patient: Patient) -> float:
    assert feature.compute is not None
    return feature.compute(patient)


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
