"""The clinician's page, `GET /`: asks what the model uses, and shows what it answers.

The page is public, as `/docs.json` is: it holds the questions of the model and nothing of any
patient. What is asked goes to `/predict`, with the key that was typed where the service wants one.
"""

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from data_schemas.instruments import get_instrument
from serving.course import landmark_of
from serving.model_card import model_card
from serving.notices import standing_notices
from serving.pages import COLOURS
from serving.pages.form_fields import form_of
from serving.predictor import ResponsePredictor
from serving.settings import access_required

_FOLDER: Final = Path(__file__).parent
_SCRIPTS: Final = (
    "clinician.js", "form.js", "course.js", "asking.js", "answer.js", "drawing.js", "elements.js",
)  # fmt: skip
# Six weeks of weekly scores, the longest usual course, and two besides.
_COURSE_ROWS: Final = 8
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def add_clinician_page(app: FastAPI, predictor: ResponsePredictor) -> None:
    """Serve the page of a model at `/`, and its style and scripts at `/page/...`."""
    page = render_page(predictor, access=access_required()).encode()
    files = {"clinician.css": (f"{COLOURS}\n{_text('clinician.css')}".encode(), "text/css")}
    for name in _SCRIPTS:
        files[name] = (_text(name).encode(), "text/javascript")

    @app.get("/", include_in_schema=False)
    async def clinician_page() -> Response:
        """Return the page."""
        return Response(page, media_type="text/html", headers=_HEADERS)

    @app.get("/page/{name}", include_in_schema=False)
    async def file_of_the_page(name: str) -> Response:
        """Return the style or a script of the page."""
        if name not in files:
            raise HTTPException(404)
        content, media_type = files[name]
        return Response(content, media_type=media_type)


def render_page(predictor: ResponsePredictor, *, access: bool) -> str:
    """Return the HTML of a model's page.

    Parameters
    ----------
    predictor : ResponsePredictor
    access : bool
        Whether the service wants a key, for which the page then asks.
    """
    # A name in the model's document is text, whatever it looks like.
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    document = predictor.document
    groups = form_of(document, predictor.features_in_trees)
    return environment.get_template("clinician.html.j2").render(
        access=access,
        document=document,
        groups=groups,
        n_questions=sum(
            question.part == "patient"
            for group in groups
            if not group.folded
            for question in group.questions
        ),
        outcome_scale=get_instrument(document.outcome.instrument).full_name,
        notices=standing_notices(document),
        identity=predictor.identity,
        statements=model_card(predictor).statements,
        course=_course_of(predictor),
        # What training wrote for people; a model without it has the card of `GET /model` alone.
        card="model" if predictor.card is None else "model/card",
    )


def _course_of(predictor: ResponsePredictor) -> dict[str, object] | None:
    """Return what the page says and asks of the course; None where the model has no use for it."""
    if not predictor.landmarks:
        return None
    landmarks = [landmark_of(each) for each in predictor.landmarks]
    scale = get_instrument(landmarks[0].instrument)
    weeks = [f"{each.week:g}" for each in landmarks]
    return {
        "instrument": scale.name, "lowest": scale.minimum, "highest": scale.maximum,
        "weeks": f"week {' or '.join((', '.join(weeks[:-1]), weeks[-1]) if weeks[1:] else weeks)}",
        "rows": _COURSE_ROWS,
    }  # fmt: skip


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
