"""The clinician's page asks for what a model uses: each field once, with the schema's range."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_models import EXTRA, SITES

from data_schemas.instruments import INSTRUMENTS
from data_schemas.patient import Patient
from features.table import feature_table
from serving.model_document import ModelDocument
from serving.pages.form_fields import Question, form_of
from serving.predictor import ResponsePredictor

PROPERTIES: dict[str, Any] = Patient.model_json_schema()["properties"]
FEATURES = {
    each.name: each
    for each in feature_table(depression_instrument="PHQ-9", anxiety_instrument="GAD-7")
}


def questions_of(document: ModelDocument) -> list[Question]:
    return [question for group in form_of(document) for question in group.questions]


def with_features(document: ModelDocument, known: set[str]) -> ModelDocument:
    """Return a model in whose training only these features were known."""
    features = tuple(
        each.model_copy(update={"missing_share": 0.2 if each.name in known else 1.0})
        for each in document.features
    )
    return document.model_copy(update={"features": features, "sites": (), "required_fields": ()})


@settings(max_examples=60)
@given(known=st.sets(st.sampled_from(sorted(FEATURES))))
def test_every_field_that_the_known_features_need_is_asked_for_once_and_no_other(
    network_predictor: ResponsePredictor, known: set[str]
) -> None:
    asked: list[str] = []
    for question in questions_of(with_features(network_predictor.document, known)):
        if question.part == "patient":
            asked += [question.field, *([question.fixed[0]] if question.fixed else [])]
    needed = {field for name in known for field in FEATURES[name].fields}
    assert sorted(asked) == sorted(needed - {"connectome_summary"})


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
    groups = form_of(with_features(predictor.document, {"age_years", *drugs}))
    assert [group.is_checklist for group in groups] == [False, True]
