"""Inputs are shown as they were asked for, and what is unknown is named."""

from math import nan

import numpy as np
import pytest

from data_schemas.patient import Patient
from features.patient_rows import patient_row
from serving.patient_report.inputs import UNKNOWN, shown_inputs, value_words
from serving.patient_report.likeness import likeness
from serving.predictor import ResponsePredictor


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("age_years", 45.0, "45 years"),
        ("employed", 1.0, "yes"),
        ("benzodiazepine", 0.0, "no"),
        ("log_episode_duration", np.log1p(14.0), "14 months"),
        ("depression_severity", 18 / 27, "18 of 27 points"),
        ("anxiety_severity", 11 / 21, "11 of 21 points"),
        ("maudsley_stage", 9.0, "9 points (3 to 15)"),
        ("grip_kg", 31.25, "31.25 kg"),
        ("grip_kg", nan, UNKNOWN),
    ],
)
def test_values_have_their_units(
    predictor: ResponsePredictor, name: str, value: float, words: str
) -> None:
    feature = predictor.document.features[predictor.feature_names.index(name)]
    assert value_words(feature, value, predictor.document) == words


def test_a_scale_that_may_be_any_stays_a_share(predictor: ResponsePredictor) -> None:
    document = predictor.document.model_copy(update={"depression_instrument": None})
    feature = document.features[predictor.feature_names.index("depression_severity")]
    feature = feature.model_copy(update={"unit": "share of the scale"})
    assert value_words(feature, 0.5, document) == "0.5 share of the scale"


def test_every_input_with_a_weight_is_known_or_unknown(
    network_predictor: ResponsePredictor, patients: list[Patient]
) -> None:
    document = network_predictor.document
    weighty = {each.label for each in document.features if each.importance > 0}
    for patient in patients[:40]:
        row = patient_row(patient, network_predictor.features)
        shown = shown_inputs(row, document)
        assert {each.label for each in shown.known} | set(shown.unknown) == weighty
        assert len(shown.known) + len(shown.unknown) + shown.unused == len(row)
        assert shown.more_known == 0


def test_a_long_list_keeps_the_weightiest(predictor: ResponsePredictor) -> None:
    features = tuple(
        each.model_copy(update={"name": f"{each.name}_{copy}", "importance": copy / 1000 + 0.001})
        for copy in (0, 1)
        for each in predictor.document.features
    )
    document = predictor.document.model_copy(update={"features": features})
    shown = shown_inputs(np.ones(len(features)), document)
    assert len(shown.known) + shown.more_known == len(features)
    half = len(features) // 2
    assert {each.label for each in shown.known} <= {each.label for each in features[half:]}


def test_what_is_unusual_is_marked(predictor: ResponsePredictor, complete_patient: Patient) -> None:
    old = complete_patient.model_copy(update={"age_years": 103.0})
    plain, marked = (
        shown_inputs(patient_row(each, predictor.features), predictor.document)
        for each in (complete_patient, old)
    )
    assert not plain.any_unusual
    assert [each.label for each in marked.known if each.is_unusual] == ["Age"]


def test_likeness_says_what_the_scale_shows(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    row = patient_row(complete_patient, predictor.features)
    document = predictor.document
    inside = likeness(row, document)
    assert inside.words.startswith("All inputs together, like the training patients")
    assert 0 < inside.place(inside.distance) < inside.place(inside.limit) < 100
    far = np.array([1e6 if each.reference else 0.0 for each in document.features])
    outside = likeness(far, document)
    assert "unlike the training patients" in outside.words
    assert outside.place(outside.distance) == 100
    between = likeness(np.full(len(row), nan), document)
    assert between.distance == pytest.approx(1.0)
    assert between.missing_percent == pytest.approx(100)
