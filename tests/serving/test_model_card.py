"""The card follows the document."""

from collections.abc import Callable

from serving.model_card import model_card
from serving.model_document import Abstention
from serving.predictor import ResponsePredictor


def words(predictor: ResponsePredictor) -> str:
    return " ".join(model_card(predictor).statements)


def test_a_real_tms_cohort_is_not_called_simulated(
    altered: Callable[..., ResponsePredictor],
) -> None:
    population = altered().document.trained_on.model_copy(update={"simulated": False})
    assert "simulated" not in words(altered(trained_on=population))


def test_a_model_without_trees_promises_no_interval(
    altered: Callable[..., ResponsePredictor],
) -> None:
    never = Abstention(
        always="Only 6 patients responded.",
        smaller_class_count=6,
        maximum_missing_importance=0.5,
        maximum_distance=3,
    )
    card = words(altered(booster=None, abstention=never))
    assert "no intervals" in card
    assert "never answers for a single patient: Only 6 patients responded." in card


def test_limits_and_level_are_those_of_the_document(
    altered: Callable[..., ResponsePredictor],
) -> None:
    card = words(altered())
    assert "spread of 5 bagged boosters (90%)" in card
    assert "more than 60%" in card
    assert "further than 4 robust standard deviations" in card
    flat = words(altered(booster=None))
    assert "one input lies far outside" in flat
    assert "more than 60%" not in flat


def test_a_model_of_any_instrument_names_none(altered: Callable[..., ResponsePredictor]) -> None:
    card = words(altered(depression_instrument=None, anxiety_instrument=None, required_fields=()))
    assert "accepted on" not in card
    assert "Required fields" not in card
