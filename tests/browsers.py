"""A real browser for the tests of pages: Debian's Chromium, driven by Playwright.

The browser may speak to loopback and to files only. Whatever the page complains about in its
console fails the test that opened it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import html5lib
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, sync_playwright

CHROMIUM: Final = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed; on Debian: apt-get install chromium"
)

DESKTOP: Final = (1280, 800)
PHONE: Final = (360, 740)
_SERIOUS: Final = ("serious", "critical")
_OWN_SCHEMES: Final = ("file", "data", "blob", "about")


@contextmanager
def opened_page(
    size: tuple[int, int] = DESKTOP,
    *,
    scheme: Literal["light", "dark"] = "light",
    scripts: bool = True,
    complaints_allowed: bool = False,
) -> Iterator[Page]:
    """Yield an empty page of a fresh browser that reaches nothing but this machine.

    Parameters
    ----------
    size : tuple of int
        Width and height in CSS pixels.
    scheme : {"light", "dark"}
        What the reader prefers.
    scripts : bool
        Whether scripts run.
    complaints_allowed : bool
        Whether the console may hold errors and warnings, as after a refused request.
    """
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            java_script_enabled=scripts,
        )
        context.route("**/*", lambda route: _stay_here(route, complaints))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text) if said.type in {"error", "warning"} else None
            ),
        )
        try:
            yield page
        finally:
            browser.close()
    assert complaints_allowed or not complaints, complaints


def _stay_here(route: Route, complaints: list[str]) -> None:
    address = urlsplit(route.request.url)
    if address.scheme in _OWN_SCHEMES or address.hostname == "127.0.0.1":
        route.continue_()
    else:
        complaints.append(f"the page asked for {address.hostname}")
        route.abort()


def serious_violations(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical, as one line each."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}: {violation['nodes'][0]['html'][:200]}"
        for violation in found
        if violation["impact"] in _SERIOUS
    ]


def scrolls_sideways(page: Page) -> bool:
    """Tell whether the page is wider than its window."""
    wider: bool = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wider


def html_mistakes(text: str) -> list[str]:
    """Return what an HTML parser had to mend in a page."""
    parser = html5lib.HTMLParser()
    parser.parse(text)
    return [f"line {position[0]}: {code}" for position, code, _ in parser.errors]
