"""The card in a browser: offline, accessible, on a phone, in the dark."""

from pathlib import Path

import pytest
from browsers import (
    DESKTOP,
    PHONE,
    html_mistakes,
    needs_chromium,
    opened_page,
    scrolls_sideways,
    serious_violations,
)
from carded_runs import real_run


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return real_run(tmp_path_factory.mktemp("real")).folder / "card.html"


def test_a_parser_has_nothing_to_mend(page_file: Path) -> None:
    assert html_mistakes(page_file.read_text("utf-8")) == []


@needs_chromium
@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (PHONE, "light"), (PHONE, "dark")]
)
def test_everybody_can_read_it(page_file: Path, size: tuple[int, int], scheme: str) -> None:
    with opened_page(size, scheme="dark" if scheme == "dark" else "light") as page:
        page.goto(page_file.as_uri())
        assert serious_violations(page) == []
        assert not scrolls_sideways(page)


@needs_chromium
def test_the_first_screen_answers_the_five_questions(page_file: Path) -> None:
    with opened_page((1280, 1100), scripts=False) as page:
        page.goto(page_file.as_uri())
        for question in (
            "What is it for?",
            "For whom?",
            "How good is it?",
            "What are the cautions?",
        ):
            box = page.get_by_text(question, exact=True).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < 1100
