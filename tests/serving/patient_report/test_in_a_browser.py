"""The page in a browser: legible to all, on a phone and on one sheet of paper."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pytest
from browsers import (
    DESKTOP,
    PHONE,
    needs_chromium,
    opened_page,
    scrolls_sideways,
    serious_violations,
)

from data_schemas.patient import Patient
from data_schemas.prediction import Interval, Notice, Prediction
from features.table import YES_NO
from serving.calibrated_trees import expit
from serving.patient_report.made import MadePrediction
from serving.patient_report.page import report_page
from serving.predictor import ResponsePredictor

pytestmark = [needs_chromium, pytest.mark.system]

VIEWS: Final[tuple[tuple[tuple[int, int], Literal["light", "dark"]], ...]] = (
    (DESKTOP, "light"),
    (PHONE, "dark"),
)
NOW = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
RESERVATIONS = (
    "No training patient came from this site; calibration may differ there.",
    "The connectome was not used: its mean framewise displacement is above the accepted 0.5 mm.",
    "Trained on patients who received internet-delivered cognitive therapy, not TMS.",
    "The scanner of this site was unknown in training, so that connectivity is not harmonised.",
)


@pytest.fixture(scope="module")
def fullest(network_predictor: ResponsePredictor) -> Callable[[bool], str]:
    """The page with the most on it: every input weighs, all known ones are unusual."""
    features = tuple(
        each.model_copy(update={"importance": 1 / len(network_predictor.features)})
        for each in network_predictor.document.features
    )
    document = network_predictor.document.model_copy(update={"features": features})
    predictor = ResponsePredictor(document, network_predictor._booster_text)
    row = np.array([1.0 if each.unit == YES_NO else 97.53 for each in features])
    row[::5] = np.nan
    interval = Interval(
        lower=0.05, upper=0.95, level=0.9,
        method="stability interval over 200 bootstraps of the whole pipeline",
    )  # fmt: skip
    reason = "The model does not answer: Age is above 105 years, far from all that it knows."
    notices = tuple(Notice(code="made_up", message=each) for each in (reason, *RESERVATIONS))

    def page(abstained: bool) -> str:
        probability = None if abstained else expit(float(predictor.log_odds(row[None])[0]))
        made = MadePrediction("7f2c1e0a-5d0b-4a52-9f7e-0d5c1b1f4a11", NOW, row, probability,
                              None if abstained else interval, notices)  # fmt: skip
        return report_page(made, predictor)

    return page


@pytest.mark.parametrize("abstained", [False, True])
def test_the_fullest_page_is_one_sheet_and_legible_to_everybody(
    fullest: Callable[[bool], str], tmp_path: Path, abstained: bool
) -> None:
    path = tmp_path / "patient.html"
    path.write_text(fullest(abstained), "utf-8")
    with opened_page() as page:
        page.goto(path.as_uri())
        printed = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
        # Without its style, which a wrong policy would keep out, the margin is 8 pixels.
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"
        for (width, height), scheme in VIEWS:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            assert not scrolls_sideways(page)
            assert serious_violations(page) == []


def test_a_plain_patient_reads_as_the_answer(
    predictor: ResponsePredictor, complete_patient: Patient, tmp_path: Path
) -> None:
    content, row = predictor.answer(complete_patient)
    answer = Prediction.model_validate(content)
    path = tmp_path / "patient.html"
    path.write_text(report_page(MadePrediction.of(answer, row, NOW), predictor), "utf-8")
    assert answer.response_probability is not None
    with opened_page() as page:
        page.goto(path.as_uri())
        heading = page.get_by_role("heading", level=2).first.inner_text()
        assert heading == f"{100 * answer.response_probability:.0f} of 100 patients like this"
        filled = page.locator(".people use.filled").count()
        assert f"{filled} of 100" in heading
        assert page.get_by_role("img", name=f"{filled} of 100 people").is_visible()
