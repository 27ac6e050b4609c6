"""The page says what the answer says, and holds nothing that runs."""

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from math import log1p

import numpy as np
import pytest
from browsers import html_mistakes
from hypothesis import HealthCheck, given, settings
from strategies import patients as any_patients

from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.admission import RefusedPatientError
from serving.calibrated_trees import expit
from serving.model_document import Abstention
from serving.patient_report.figure import count, count_words
from serving.patient_report.made import MadePrediction
from serving.patient_report.page import POLICY, report_page
from serving.predictor import ResponsePredictor

NOW = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)


def page_of(predictor: ResponsePredictor, patient: Patient) -> tuple[Prediction, str]:
    content, row = predictor.answer(patient)
    answer = Prediction.model_validate(content)
    return answer, report_page(MadePrediction.of(answer, row, NOW), predictor)


def steps(page: str) -> list[float]:
    return [float(step) for step in re.findall(r'data-step="([^"]+)"', page)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(patient=any_patients(extra_names=("grip_kg",)))
def test_any_patient_has_a_page_that_says_what_the_answer_says(
    network_predictor: ResponsePredictor, patient: Patient
) -> None:
    try:
        answer, page = page_of(network_predictor, patient)
    except RefusedPatientError:
        return
    assert html_mistakes(page) == []
    assert not re.search(r"\bnan\b|\bNone\b|<script", page)
    assert answer.model.version in page
    assert answer.prediction_id in page
    filled = page.count('class="filled"')
    if answer.response_probability is None or answer.interval is None:
        assert (filled, steps(page)) == (0, [])
        return
    assert filled == count(answer.response_probability) + 1  # and one in the key
    assert page.count('class="open"') == 100 - filled + 2
    interval = answer.interval
    words = f"{count_words(interval.lower)} to {count_words(interval.upper)} of 100"
    assert f"Stability interval: {words}" in page
    like_average = interval.lower <= answer.base_rate <= interval.upper
    assert ("does not tell this patient from the average one" in page) == like_average
    way = answer.response_probability - expit(answer.baseline_log_odds)
    assert sum(steps(page)) == pytest.approx(way, abs=1e-9)


def test_the_largest_pushes_are_those_of_the_answer(
    predictor: ResponsePredictor, patients: list[Patient]
) -> None:
    for patient in patients[:40]:
        answer, page = page_of(predictor, patient)
        if answer.response_probability is None:
            continue
        table = page[page.index('<table class="pushes">') :]
        named = re.findall(r'<th scope="row">([^<]+)</th>', table)
        largest = [each.label for each in answer.contributions[:5] if each.log_odds]
        assert named[1 : 1 + len(largest)] == largest
        signs = [np.sign(each.log_odds) for each in answer.contributions[: len(largest)]]
        assert [np.sign(step) for step in steps(page)[: len(largest)]] == signs


def test_inputs_and_their_moment_are_told(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    known = complete_patient.model_copy(update={"episode_duration_months": 14.0, "employed": None})
    _, page = page_of(predictor, known)
    assert "As sent on 1 March 2026, 12:05 UTC" in page
    assert "<dd>18 of 27 points</dd>" in page
    assert "<dd>14 months</dd>" in page
    assert f"{log1p(14.0):.4g}" not in page
    assert re.search(r"Unknown:</strong>[^.]*In paid work or study", page)


@pytest.mark.parametrize(
    "rule",
    [
        {"always": "Only 6 patients responded."},
        {"maximum_missing_importance": 0.01},
        {"maximum_distance": 0.01},
    ],
)
def test_an_abstention_has_no_number_and_says_why(
    altered: Callable[..., ResponsePredictor], complete_patient: Patient, rule: dict[str, object]
) -> None:
    bare = complete_patient.model_copy(update={"failed_trials": None, "benzodiazepine": None})
    abstention = Abstention(
        smaller_class_count=50, maximum_missing_importance=1.0, maximum_distance=1e9
    ).model_copy(update=rule)
    answer, page = page_of(altered(abstention=abstention), bare)
    assert answer.abstained
    assert answer.notices[0].message in page
    assert "no figure for this patient" in page
    body = page[page.index("<body>") :]
    assert not re.search(r"of 100|base rate|Starting point|[Ii]nterval", body)


def test_a_model_without_signal_says_so(
    altered: Callable[..., ResponsePredictor], complete_patient: Patient
) -> None:
    answer, page = page_of(altered(booster=None, base_rate=0.3), complete_patient)
    assert answer.response_probability == pytest.approx(0.3)
    assert page.count('class="filled"') == 31
    assert "There is no interval beside it." in page
    assert "The interval says" not in page
    assert "gives every patient the base rate" in page
    assert "What the model was told" in page


def test_every_page_says_what_it_is_not(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    _, page = page_of(predictor, complete_patient)
    for words in (
        "Research use only; not a medical device.", "trained on simulated patients",
        "No reason to withhold", "Associations, not effects", "Not how sure",
        predictor.document.outcome.describe(),
    ):  # fmt: skip
        assert words in page
    change: dict[str, object] = {"simulated": False, "is_tms": False}
    real = predictor.document.trained_on.model_copy(update=change)
    document = predictor.document.model_copy(update={"trained_on": real})
    _, page = page_of(ResponsePredictor(document, predictor._booster_text), complete_patient)
    assert "simulated" not in page
    assert "No reason to withhold or to choose the treatment." in page


def test_the_style_is_the_one_that_the_policy_lets_in(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    _, page = page_of(predictor, complete_patient)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in POLICY
    assert "style=" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_prediction_of_another_model_is_not_explained(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    content, row = predictor.answer(complete_patient)
    answer = Prediction.model_validate(content)
    assert answer.response_probability is not None
    other = answer.model_copy(update={"response_probability": answer.response_probability + 1e-6})
    with pytest.raises(ModelError, match="cannot explain"):
        report_page(MadePrediction.of(other, row, NOW), predictor)


def test_text_of_the_model_is_escaped(
    predictor: ResponsePredictor, complete_patient: Patient
) -> None:
    population = predictor.document.trained_on.model_copy(update={"treatment": "<b>TMS</b>"})
    document = predictor.document.model_copy(update={"trained_on": population})
    _, page = page_of(ResponsePredictor(document, predictor._booster_text), complete_patient)
    assert "<b>" not in page
    assert "&lt;b&gt;TMS" in page
