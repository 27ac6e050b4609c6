"""The browser of the tests sees what it should."""

import pytest
from browsers import (
    PHONE,
    html_mistakes,
    needs_chromium,
    opened_page,
    scrolls_sideways,
    serious_violations,
)

GOOD = (
    "<!DOCTYPE html><html lang='en'><head><title>A</title></head>"
    "<body><main><h1>A</h1></main></body></html>"
)


def test_html_mistakes() -> None:
    assert html_mistakes(GOOD) == []
    assert html_mistakes("<p>no doctype") != []


@needs_chromium
@pytest.mark.system
def test_good_and_bad_pages() -> None:
    with opened_page(PHONE) as page:
        page.set_content(GOOD)
        assert not scrolls_sideways(page)
        assert serious_violations(page) == []
        page.set_content(
            GOOD.replace("<h1>", "<img src='data:,'><div style='width:900px'>b</div><h1>")
        )
        assert scrolls_sideways(page)
        assert any("image-alt" in violation for violation in serious_violations(page))


@needs_chromium
@pytest.mark.system
@pytest.mark.parametrize(
    "script", ["console.error('wrong')", "fetch('http://192.0.2.1/').catch(() => 0)"]
)
def test_complaints_fail(script: str) -> None:
    with pytest.raises(AssertionError, match=r"wrong|192\.0\.2\.1"):
        _run(script)


def _run(script: str) -> None:
    with opened_page() as page:
        page.set_content(GOOD)
        page.evaluate(script)
        page.wait_for_timeout(200)
