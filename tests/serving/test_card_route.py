"""The card is sent as it is stored, in the form that is asked for, and runs nothing."""

import shutil
from pathlib import Path

import pytest
from browsers import needs_chromium, opened_page
from carded_runs import card_of, simulated_run
from served_models import ask
from starlette.types import ASGIApp

from serving.access.callers import route_of
from serving.app import create_app
from serving.card_route import content_security_policy, preferred
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_run(tmp_path_factory.mktemp("run")).folder / "model"


@pytest.fixture(scope="module")
def app(model: Path) -> ASGIApp:
    return create_app(ResponsePredictor.load(model))


@pytest.mark.parametrize(
    ("accept", "kind", "name"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html", "card.html"),
        ("*/*", "text/html", "card.html"),
        ("image/png", "text/html", "card.html"),
        ("text/markdown", "text/markdown", "card.md"),
        ("application/json", "application/json", "card.json"),
        ("application/*;q=0.4, text/html;q=0.3", "application/json", "card.json"),
        ("text/html;q=0, */*;q=0.1", "text/markdown", "card.md"),
        ("text/html;q=much, application/json;q=0.001", "application/json", "card.json"),
    ],
)
def test_the_stored_file_is_sent_byte_for_byte(
    app: ASGIApp, model: Path, accept: str, kind: str, name: str
) -> None:
    for path in ("/model/card", "/v1/model/card"):
        answer = ask(app, "GET", path, headers={"accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["vary"] == "Accept"
        assert answer.content == (model / name).read_bytes()


def test_no_accept_gets_html() -> None:
    assert preferred("") == "text/html"


def test_the_policy_lets_the_cards_own_style_in_and_nothing_else(app: ASGIApp) -> None:
    policy = ask(app, "GET", "/model/card").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    other = content_security_policy("<style>body { color: red }</style>")
    assert other != policy


def test_a_card_is_open_to_whoever_may_open_the_page() -> None:
    assert route_of("/v1/model/card") == ("/model/card", "open")


def test_a_card_of_another_model_is_not_shown(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    path = folder / "card.json"
    path.write_text(path.read_text("utf-8").replace(card_of(folder).model_version, "0.0.1+0"))
    predictor = ResponsePredictor.load(folder)
    assert predictor.card is None
    answer = ask(create_app(predictor), "GET", "/model/card")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "no_card"


@pytest.mark.parametrize("name", ["card.html", "card.md", "card.json"])
def test_half_a_card_is_none_and_the_model_answers_all_the_same(
    model: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    (folder / name).unlink()
    assert ResponsePredictor.load(folder).card is None
    (folder / name).write_bytes(b"\xff")
    assert ResponsePredictor.load(folder).card is None


def test_a_card_goes_where_its_model_goes_and_not_to_another(model: Path, tmp_path: Path) -> None:
    predictor = ResponsePredictor.load(model)
    predictor.save(tmp_path)
    assert ResponsePredictor.load(tmp_path).card == predictor.card is not None
    changed = predictor.document.model_copy(update={"version": "9"})
    ResponsePredictor(changed, *texts(model)).save(tmp_path)
    assert not list(tmp_path.glob("card.*"))


def texts(model: Path) -> tuple[str, str]:
    """Return the other files of a model."""
    return (model / "booster.txt").read_text("utf-8"), (model / "spread.json").read_text("utf-8")


@needs_chromium
def test_a_browser_shows_the_card_under_its_policy_without_a_complaint(app: ASGIApp) -> None:
    answer = ask(app, "GET", "/model/card")
    with opened_page() as page:
        page.route(
            "http://127.0.0.1/model/card",
            lambda route: route.fulfill(body=answer.text, headers=dict(answer.headers)),
        )
        page.goto("http://127.0.0.1/model/card")
        colour = page.eval_on_selector(".banner", "each => getComputedStyle(each).backgroundColor")
    assert colour == "rgb(122, 46, 0)", "the style sheet was refused"
