"""`GET /model/card`: the whole model card as training wrote it, for people and for programs."""

import base64
import hashlib
import re
from typing import Final

from fastapi import FastAPI, Request, Response

from data_schemas.filled_card import FilledCard
from serving.openapi import refusals
from serving.predictor import ResponsePredictor
from serving.requests import RequestError
from serving.stored_card import StoredCard

HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
JSON: Final = "application/json"
_OFFERED: Final = (HTML, MARKDOWN, JSON)
_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_TEXT: Final = {"schema": {"type": "string"}}


def add_card(app: FastAPI, predictor: ResponsePredictor) -> None:
    """Add the route to the application of a model."""
    answers = {} if predictor.card is None else _answers(predictor.card)

    @app.get(
        "/model/card",
        response_model=None,
        responses={
            200: {"model": FilledCard, "content": {HTML: _TEXT, MARKDOWN: _TEXT}},
            **refusals(404, 429, 503),
        },
    )
    async def card(request: Request) -> Response:
        """Return the filled model card: HTML, or Markdown or JSON where `Accept` prefers it."""
        if not answers:
            raise RequestError(
                404,
                "no_card",
                "This model has no card of its own beside it; GET /model tells what the model says "
                "of itself. `tms-response report` writes the card of a run.",
            )
        return answers[preferred(request.headers.get("accept", ""))]


def preferred(accept: str) -> str:
    """Return which form of the card a caller prefers; HTML where none is, or all are alike.

    Examples
    --------
    >>> preferred("application/json;q=0.9, text/markdown")
    'text/markdown'
    >>> preferred("*/*")
    'text/html'
    """
    wanted = dict(map(_weighed, accept.split(",")))

    def weight(form: str) -> float:
        ranges = (form, form.partition("/")[0] + "/*", "*/*")
        return next((wanted[each] for each in ranges if each in wanted), 0.0)

    return max(_OFFERED, key=weight)


def _weighed(media_range: str) -> tuple[str, float]:
    """Return one part of `Accept` and its weight; one that cannot be read weighs nothing."""
    name, *parameters = (part.strip().lower() for part in media_range.split(";"))
    given = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    return name, float(given) if re.fullmatch(r"[01](\.\d{0,3})?", given) else 0.0


def _answers(card: StoredCard) -> dict[str, Response]:
    answers = {
        HTML: Response(card.html, media_type=HTML),
        MARKDOWN: Response(card.markdown, media_type=MARKDOWN),
        JSON: Response(card.json, media_type=JSON),
    }
    for answer in answers.values():
        answer.headers["vary"] = "Accept"
    answers[HTML].headers["content-security-policy"] = content_security_policy(card.html)
    return answers


def content_security_policy(html: str) -> str:
    """Return a policy under which a page may use its own style sheet and nothing else."""
    digests = (hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(html))
    styles = " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests)
    return (
        f"default-src 'none'; style-src {styles}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
