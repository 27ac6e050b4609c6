"""The clinician's page as the service sends it."""

import re
from collections.abc import Callable
from html import escape

import pytest
from browsers import html_mistakes
from served_models import ask
from starlette.types import ASGIApp

from serving.app import create_app
from serving.pages.clinician import render_page
from serving.predictor import ResponsePredictor
from serving.settings import ACCESS_VARIABLE
from serving.stored_card import StoredCard

# Written as a reviewer of security would want it, and not taken from the code.
POLICY = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
}  # fmt: skip


@pytest.fixture(scope="module")
def app(predictor: ResponsePredictor) -> ASGIApp:
    return create_app(predictor)


@pytest.mark.parametrize("access", [True, False])
def test_the_page_is_html_without_a_mistake(
    network_predictor: ResponsePredictor, access: bool
) -> None:
    page = render_page(network_predictor, access=access)
    assert html_mistakes(page) == []
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    for named in re.findall(r'(?:for|aria-labelledby|aria-describedby)="([^"]+)"', page):
        assert set(named.split()) <= set(ids)


def test_the_link_leads_to_the_card_that_there_is(
    predictor: ResponsePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'id="card" href="model"' in render_page(predictor, access=True)
    monkeypatch.setattr(predictor, "card", StoredCard(html="", markdown="", json="{}"))
    assert 'id="card" href="model/card"' in render_page(predictor, access=True)


def test_only_its_own_files_may_run_and_nothing_is_inline(app: ASGIApp) -> None:
    answer = ask(app, "GET", "/")
    assert answer.status_code == 200
    assert set(answer.headers["content-security-policy"].split("; ")) == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.text)
    assert not re.search(r"(?:https?:)?//", answer.text)


def test_every_file_that_the_page_needs_is_served(app: ASGIApp) -> None:
    page = ask(app, "GET", "/").text
    needed = set(re.findall(r'(?:src|href)="(page/[^"]+)"', page))
    kinds = set()
    while needed:
        path = needed.pop()
        answer = ask(app, "GET", f"/{path}")
        assert (path, answer.status_code) == (path, 200)
        kinds.add(answer.headers["content-type"].partition(";")[0])
        needed |= {f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)}
        assert not re.search(r"localStorage|sessionStorage|cookie|indexedDB|innerHTML|\beval\b",
                             answer.text)  # fmt: skip
    assert kinds == {"text/css", "text/javascript"}


@pytest.mark.parametrize("name", ["other.js", "clinician.html.j2", "clinician.py", "..%2Fapp.py"])
def test_no_other_file_is_served(app: ASGIApp, name: str) -> None:
    assert ask(app, "GET", f"/page/{name}").status_code == 404


@pytest.mark.parametrize(("access", "asks"), [("required", True), ("none", False)])
def test_a_key_is_asked_for_where_the_service_wants_one(
    predictor: ResponsePredictor, monkeypatch: pytest.MonkeyPatch, access: str, asks: bool
) -> None:
    monkeypatch.setenv(ACCESS_VARIABLE, access)
    page = ask(create_app(predictor), "GET", "/").text
    assert ('type="password"' in page) is asks


def test_what_the_document_says_is_text_whatever_it_looks_like(
    altered: Callable[..., ResponsePredictor], predictor: ResponsePredictor
) -> None:
    planted = '<img src=x onerror="alert(1)">'
    population = predictor.document.trained_on.model_copy(update={"cohort": planted})
    page = render_page(altered(sites=(planted,), trained_on=population), access=True)
    assert planted not in page
    assert page.count(escape(planted)) or page.count("&lt;img")
    assert html_mistakes(page) == []


def test_a_model_that_never_answers_says_so_before_anything_is_typed(
    altered: Callable[..., ResponsePredictor], predictor: ResponsePredictor
) -> None:
    reason = "Too few patients."
    rule = predictor.document.abstention.model_copy(update={"always": reason})
    page = render_page(altered(abstention=rule), access=True)
    assert "This model never answers for a single patient." in page
    assert reason in page
    assert "never answers" not in render_page(predictor, access=True).partition("<details")[0]


def test_the_banner_says_what_every_answer_says(predictor: ResponsePredictor) -> None:
    page = render_page(predictor, access=True)
    banner = page[page.index('class="banner"') : page.index("<header>")]
    assert "Research use only; not a medical device." in banner
    assert "simulated patients" in banner
