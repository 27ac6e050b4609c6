"""Scores during treatment on the clinician's page, in a real browser, before the application."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from browsers import (
    PHONE,
    html_mistakes,
    needs_chromium,
    opened_page,
    scrolls_sideways,
    serious_violations,
)
from clinician_pages import fill, send
from course_cohorts import course_family
from playwright.sync_api import Page, Route, expect
from served_models import ask
from starlette.types import ASGIApp

from data_schemas.course import Course
from data_schemas.patient import Patient
from serving.app import create_app
from serving.pages.clinician import render_page
from serving.predictor import ResponsePredictor
from serving.settings import ACCESS_VARIABLE

pytestmark = [pytest.mark.system, needs_chromium]

ADDRESS = "http://127.0.0.1:1/"
RECORD: dict[str, Any] = {
    "age_years": 45, "sex": "female", "failed_trials": 3, "employed": True, "recurrent": True,
    "episode_duration_months": 14, "benzodiazepine": False, "sessions_planned": 30,
    "depression_total": 24, "anxiety_total": 11,
}  # fmt: skip
INSTRUMENTS = {"depression_instrument": "HDRS-17", "anxiety_instrument": "GAD-7"}


@pytest.fixture(scope="module")
def family() -> ResponsePredictor:
    return course_family()


@pytest.fixture(scope="module")
def app(family: ResponsePredictor) -> ASGIApp:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ACCESS_VARIABLE, "none")
        return create_app(family)


@contextmanager
def clinician_page(app: ASGIApp, size: tuple[int, int], *, refused: bool = False) -> Iterator[Page]:
    """Open the page of an application in this process, which needs no server."""

    def answer(route: Route) -> None:
        sent = route.request
        # Playwright keeps the loop of this thread to itself.
        with ThreadPoolExecutor(1) as one:
            response = one.submit(
                ask, app, sent.method, urlsplit(sent.url).path,
                content=sent.post_data_buffer, headers={"content-type": "application/json"},
            ).result()  # fmt: skip
        headers = dict(response.headers)
        route.fulfill(status=response.status_code, headers=headers, body=response.content)

    with opened_page(size, complaints_allowed=refused) as page:
        page.route(f"{ADDRESS}**", answer)
        page.goto(ADDRESS)
        asked = {name for name in RECORD if page.locator(f'[data-field="{name}"]').count()}
        fill(page, {name: RECORD[name] for name in asked})
        yield page


def type_scores(page: Page, *rows: tuple[str, str]) -> None:
    page.locator(".course summary").click()
    for number, (session, score) in enumerate(rows, start=1):
        page.locator(f"#course-session-{number}").fill(session)
        page.locator(f"#course-score-{number}").fill(score)


@pytest.mark.parametrize("size", [(1280, 800), PHONE])
def test_scores_are_asked_with_and_the_answer_names_its_week(
    app: ASGIApp, family: ResponsePredictor, size: tuple[int, int]
) -> None:
    with clinician_page(app, size) as page:
        before = send(page)
        assert "week" not in page.locator("#answer-body .big + p").inner_text()
        type_scores(page, ("5", "20"), ("11", "14"), ("16", "9"))
        assert serious_violations(page) == []
        expect(page.locator("#status")).to_contain_text("have changed since this answer")
        with page.expect_request("**/predict") as caught:
            answer = send(page)
        sent = json.loads(caught.value.post_data or "")
        visits = [{"session": s, "score": p} for s, p in ((5, 20), (11, 14), (16, 9))]
        assert sent.pop("course") == visits
        ours = family.predict(
            Patient.model_validate(sent), course=Course.model_validate({"visits": visits})
        )
        assert answer["response_probability"] == ours.response_probability is not None
        assert (before["model"].get("week"), answer["model"]["week"]) == (None, 3)
        assert {**sent, **INSTRUMENTS} == sent
        shown = page.locator("#answer-body").inner_text()
        assert "At the end of week 3 of treatment, from the scores until then." in shown
        expect(page.locator("#status")).to_contain_text("The model of week 3 answers ")
        # Beside the first answer, the scores are what has changed.
        change = "Scores during treatment: none \u2192 session 5: 20; session 11: 14; session 16: 9"
        assert change in page.locator(".what-if").inner_text()
        assert not scrolls_sideways(page)
        assert serious_violations(page) == []
        page.get_by_role("button", name="Back to the first inputs").click()
        assert page.locator("#course-session-1").input_value() == ""


def test_what_is_refused_is_said_beside_its_row(app: ASGIApp) -> None:
    with clinician_page(app, (1280, 800), refused=True) as page:
        # The second row is left out, and so is not sent: course.1 is the third.
        type_scores(page, ("10", "14"), ("", ""), ("5", "20"))
        page.locator(".course summary").click()
        content = send(page)
        assert content["error"]["fields"][0]["field"] == "course.1.session"
        expect(page.locator("#error-course-3")).to_contain_text("Does not come after")
        assert not page.locator("#error-course-1").is_visible()
        page.locator("#problems a").click()
        assert page.evaluate("document.activeElement.id") == "course-session-3"
        assert serious_violations(page) == []
        page.locator("#course-session-3").fill("15")
        page.locator("#course-score-3").fill("a few")
        assert send(page)["error"]["fields"][0]["field"] == "course.1.score"
        expect(page.locator("#error-course-3")).to_contain_text("Should be a number")


def test_the_page_asks_for_scores_only_where_a_model_uses_them(family: ResponsePredictor) -> None:
    page = render_page(family, access=True)
    assert html_mistakes(page) == []
    assert page.count('class="visit"') == 8
    assert "or at the end of week 1 or 3 of treatment" in page
    assert "Totals on the HDRS-17, 0 to 52 points" in page
    alone = render_page(family.with_landmarks(()), access=True)
    assert "course" not in alone
    assert "asked before treatment begins. HDRS-17" in alone
