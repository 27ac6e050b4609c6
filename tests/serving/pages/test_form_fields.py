"""The clinician's page asks for what a model uses: each field once, with the schema's range."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_models import EXTRA, SITES

from data_schemas.instruments import INSTRUMENTS
from data_schemas.patient import Patient
from features.table import YES_NO, feature_table
from serving.model_document import ModelDocument
from serving.pages.form_fields import Question, form_of
from serving.predictor import ResponsePredictor

PROPERTIES: dict[str, Any] = Patient.model_json_schema()["properties"]
FEATURES = {
    each.name: each
    for each in feature_table(depression_instrument="PHQ-9", anxiety_instrument="GAD-7")
}


def questions_of(document: ModelDocument) -> list[Question]:
    groups = form_of(document, {each.name for each in document.features})
    return [question for group in groups for question in group.questions]


def with_features(document: ModelDocument, known: set[str]) -> ModelDocument:
    """Return a model that has these features alone."""
    features = tuple(each for each in document.features if each.name in known)
    return document.model_copy(update={"features": features, "sites": (), "required_fields": ()})


@settings(max_examples=60)
@given(data=st.data())
def test_what_moves_stands_first_what_is_only_read_is_folded_and_nothing_else_is_asked(
    network_predictor: ResponsePredictor, data: st.DataObject
) -> None:
    names = st.sets(st.sampled_from(sorted(FEATURES)))
    in_trees, read = data.draw(names), data.draw(names)
    document = network_predictor.document
    known = next(each.reference for each in document.features if each.reference)
    features = tuple(
        each.model_copy(update={"reference": known if each.name in read else None})
        for each in document.features
    )
    without = {"features": features, "sites": (), "required_fields": ()}
    groups = form_of(document.model_copy(update=without), in_trees)
    assert all(group.questions for group in groups)
    assert [group.folded for group in groups] == sorted(group.folded for group in groups)
    asked: dict[bool, list[str]] = {False: [], True: []}
    for group in groups:
        for question in group.questions:
            assert question.moves != group.folded
            if question.part == "patient":
                fixed = [question.fixed[0]] if question.fixed else []
                asked[group.folded] += [question.field, *fixed]
    moving = _fields_of(in_trees)
    assert sorted(asked[False]) == sorted(moving)
    assert sorted(asked[True]) == sorted(_fields_of(read) - moving)


def _fields_of(names: set[str]) -> set[str]:
    return {field for name in names for field in FEATURES[name].fields} - {"connectome_summary"}


def test_what_moves_is_read_from_the_trees(
    predictor: ResponsePredictor, altered: Callable[..., ResponsePredictor]
) -> None:
    in_trees = predictor.features_in_trees
    assert in_trees
    # What no tree splits on contributes nothing, whatever its value.
    rng = np.random.default_rng(4)
    X = rng.normal(size=(50, len(predictor.feature_names)))
    moved = (predictor.contributions(X) != 0).any(axis=0)
    names = np.array(predictor.feature_names)
    assert set(names[moved]) <= in_trees
    silent = altered(calibration=predictor.document.calibration.model_copy(update={"slope": 0}))
    assert silent.features_in_trees == frozenset()
    assert all(
        group.folded or all(q.required or q.field == "site" for q in group.questions)
        for group in form_of(silent.document, silent.features_in_trees)
    )


def test_a_further_measurement_that_is_yes_or_no_is_answered_so(
    predictor: ResponsePredictor,
) -> None:
    document = predictor.document
    declared = EXTRA.model_copy(update={"unit": YES_NO, "minimum": 0, "maximum": 1})
    changed = document.model_copy(update={"extra_measurements": (declared,)})
    [asked] = [q for q in questions_of(changed) if q.field == "extra.grip_kg"]
    assert (asked.kind, asked.unit, asked.range) == ("yes_no", "", "")


def test_every_number_has_the_range_and_unit_of_the_schema(
    network_predictor: ResponsePredictor,
) -> None:
    everything = with_features(network_predictor.document, set(FEATURES))
    numbers = {
        question.field: question
        for question in questions_of(everything)
        if question.kind == "number" and question.field in PROPERTIES and not question.fixed
    }
    assert {"age_years", "failed_trials", "moca_total", "sessions_planned"} <= set(numbers)
    for field, question in numbers.items():
        declared = PROPERTIES[field]["anyOf"][0]
        assert (question.minimum, question.maximum) == (declared["minimum"], declared["maximum"])
        assert question.unit == PROPERTIES[field]["unit"]


def test_every_question_is_named_and_its_answers_are_those_of_the_schema(
    network_predictor: ResponsePredictor,
) -> None:
    questions = questions_of(with_features(network_predictor.document, set(FEATURES)))
    assert all("_" not in question.label and question.label for question in questions)
    for question in questions:
        if question.kind == "choice":
            offered = [choice.value for choice in question.choices]
            assert offered == PROPERTIES[question.field]["anyOf"][0]["enum"]
            assert not any("_" in choice.label for choice in question.choices)
    names = [question.name for question in questions]
    assert len(set(names)) == len(names)


def test_a_total_is_asked_for_on_the_scale_of_the_model(predictor: ResponsePredictor) -> None:
    [total] = [q for q in questions_of(predictor.document) if q.field == "depression_total"]
    assert total.fixed == ("depression_instrument", "PHQ-9")
    assert (total.minimum, total.maximum, total.range) == (0, 27, "0 to 27")
    assert total.required
    assert "PHQ-9" in total.label


def test_a_model_of_any_scale_asks_which_it_was(altered: Callable[..., ResponsePredictor]) -> None:
    document = altered(anxiety_instrument=None).document
    asked = {question.field: question for question in questions_of(document)}
    scales = {choice.value: choice for choice in asked["anxiety_instrument"].choices}
    assert set(scales) == {"GAD-7", "HAM-A", "HADS-A"}
    for name, choice in scales.items():
        scale = INSTRUMENTS[name]
        assert (choice.minimum, choice.maximum) == (scale.minimum, scale.maximum)
    assert asked["anxiety_total"].fixed is None
    assert "depression_instrument" not in asked


def test_further_measurements_are_asked_for_as_they_were_declared(
    predictor: ResponsePredictor,
) -> None:
    [grip] = [q for q in questions_of(predictor.document) if q.field == "extra.grip_kg"]
    assert (grip.label, grip.unit) == (EXTRA.label, EXTRA.unit)
    assert (grip.minimum, grip.maximum) == (EXTRA.minimum, EXTRA.maximum)
    without = with_features(predictor.document, {"age_years"})
    assert [question.field for question in questions_of(without)] == ["age_years"]


def test_the_clinic_is_one_of_those_of_the_training(
    predictor: ResponsePredictor, altered: Callable[..., ResponsePredictor]
) -> None:
    [clinic] = [q for q in questions_of(predictor.document) if q.field == "site"]
    *listed, another = [choice.value for choice in clinic.choices]
    assert tuple(listed) == SITES
    assert another not in SITES
    assert Patient(site=another).site == another
    assert "site" not in {q.field for q in questions_of(altered(sites=()).document)}


def test_a_required_field_is_asked_for_though_no_feature_needs_it(
    altered: Callable[..., ResponsePredictor],
) -> None:
    document = with_features(altered().document, {"age_years"})
    required = document.model_copy(update={"required_fields": ("moca_total",)})
    marked = {question.field: question.required for question in questions_of(required)}
    assert marked == {"age_years": False, "moca_total": True}


def test_what_the_model_leans_on_is_marked(predictor: ResponsePredictor) -> None:
    marked = {q.field for q in questions_of(predictor.document) if q.leaned_on}
    assert {"failed_trials", "benzodiazepine"} <= marked
    important = {
        each.name
        for each in predictor.document.features
        if each.importance > 1 / len(predictor.document.features)
    }
    assert marked <= {field for name in important for field in _fields(name)} | {"extra.grip_kg"}


def _fields(name: str) -> tuple[str, ...]:
    return FEATURES[name].fields if name in FEATURES else ()


@pytest.mark.parametrize("n_yes_no", [1, 9])
def test_only_a_list_of_yes_and_no_can_be_answered_at_once(
    predictor: ResponsePredictor, n_yes_no: int
) -> None:
    drugs = [name for name in FEATURES if FEATURES[name].domain == "medication"][:n_yes_no]
    known = {"age_years", *drugs}
    groups = form_of(with_features(predictor.document, known), known)
    assert [group.is_checklist for group in groups] == [False, True]
