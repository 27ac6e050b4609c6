from math import nan

import pytest

from features.table import YES_NO
from training.report.tables import Estimate
from training.report.words import (
    against_chance,
    calibration_verdict,
    chance_verdict,
    direction_words,
    lower_first,
    pairs_sentence,
    sentence,
    value_words,
)


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (Estimate(0.61, 0.55, 0.67, 300), "better than chance"),
        (Estimate(0.55, 0.502, 0.6, 300), "only just"),
        (Estimate(0.55, 0.5, 0.6, 300), "not shown to be better than chance"),
        (Estimate(0.4, 0.35, 0.45, 300), "not shown to be better than chance"),
        (Estimate(0.8, nan, nan, 8), "too few patients for an interval"),
    ],
)
def test_only_an_interval_above_one_half_is_better_than_chance(
    estimate: Estimate, said: str
) -> None:
    assert said in chance_verdict(estimate)
    assert chance_verdict(estimate).startswith("This is better") == (estimate.lower > 0.5)


@pytest.mark.parametrize(
    ("lower", "said"),
    [
        (0.51, " Better than"),
        (0.502, " Only just better than"),
        (0.5, " Not shown to be"),
        (nan, ""),
    ],
)
def test_the_first_screen_does_not_contradict_its_rounded_interval(lower: float, said: str) -> None:
    assert against_chance(Estimate(0.6, lower, lower + 0.2, 300)).startswith(said)


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (0.8, 1.2, "not shown to be too extreme or too timid"),
        (0.3, 0.9, "too extreme"),
        (1.1, 1.9, "too timid"),
        (-2.0, -0.1, "Higher chances went with fewer outcomes"),
    ],
)
def test_calibration_in_words(lower: float, upper: float, said: str) -> None:
    verdict = calibration_verdict(Estimate((lower + upper) / 2, lower, upper, 100))
    assert said in verdict
    assert f"{lower:.2f} to {upper:.2f}" in verdict


def test_an_auroc_is_told_as_pairs() -> None:
    assert "in 63 of 100 such pairs" in pairs_sentence(Estimate(0.634, 0.6, 0.7, 356))
    within = pairs_sentence(Estimate(0.634, 0.6, 0.7, 356), within_sites=True)
    assert within.startswith("Shown two patients of the same site, one who reached")


@pytest.mark.parametrize(
    ("direction", "yes_no", "said"),
    [
        (0.9, False, "a higher value raises the chance"),
        (-0.9, False, "a higher value lowers the chance"),
        (-1.0, True, "“yes” lowers the chance"),
        (0.2, False, "no single direction"),
        (nan, True, "no direction"),
    ],
)
def test_directions_in_words(direction: float, yes_no: bool, said: str) -> None:
    assert direction_words(direction, yes_no=yes_no) == said
    held = direction_words(direction, yes_no=yes_no, held=True)
    assert held == (f"{said} (set in advance)" if "the chance" in said else said)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (nan, "years", "unknown"),
        (1.0, YES_NO, "yes"),
        (0.0, YES_NO, "no"),
        (47.26, "years", "47.3 years"),
        (1.0, "trials", "1 trial"),
        (0.0, "trials", "0 trials"),
        (0.725, "share of the GAD-7 range", "72 % of the GAD-7 range"),
        (3.2581, "log(1 + months)", "25 months"),
        (8.24, "points, 3 to 15", "8.24 points"),
        (-0.00001, "mean Fisher z", "-1e-05 mean Fisher z"),
        (12.0, "", "12"),
    ],
)
def test_values_as_a_person_would_write_them(value: float, unit: str, said: str) -> None:
    assert value_words(value, unit) == said


def test_numbers_are_rounded_without_a_negative_zero() -> None:
    assert Estimate(-0.001, -0.002, 0.001, 9).text() == "0.00 (0.00 to 0.00)"
    assert Estimate(0.004, -0.02, 0.03, 9).text(3, "+") == "+0.004 (-0.020 to +0.030)"
    assert Estimate(0.5, nan, nan, 9).text() == "0.50"
    assert Estimate(nan, nan, nan, 9).text() == "not defined"


@pytest.mark.parametrize(("text", "said"), [("a b.", "A b."), (" a", "A."), ("", "")])
def test_sentences_end_with_one_stop(text: str, said: str) -> None:
    assert sentence(text) == said


def test_the_first_letter_can_be_made_small() -> None:
    assert lower_first("Each site") == "each site"
