"""The reports of the real cohorts, opened as a newcomer does who has nothing else.

Both cohorts are small, and neither is what the software is for: one has another disorder, the
other another treatment and no scan. Their reports have to say so, and to be whole all the same.
"""

import re

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
from fresh_process import Spine
from playwright.sync_api import Page
from report_pages import Page as Read

pytestmark = [needs_chromium, pytest.mark.system]

INTERVAL = r"AUROC 0\.\d\d \(0\.\d\d to 0\.\d\d\), 95\s% interval"
NO_INTERVAL = r"AUROC 0\.50, no better than a coin: all held-out patients got the same figure"
NOTHING = r"Nothing: (the model never answers|everyone gets the base rate)\."
STRONGEST = r"([^;]+: [^;]+ the chance[^;]*(; |\.)){3}"
# What must be found on the first screen: what is predicted, in whom, how well, whether
# connectivity helped, what matters most and which way, and why not to use it.
ANSWERS = {
    "ocd_run": (
        r"Response: at least 50\s% fall of the MADRS total .* at the end of treatment\.",
        r"26 patients \(site not recorded\); 6 of them \(23\s%\).* obsessive-compulsive disorder",
        f"{INTERVAL}, of a model that is not served\\. Not shown to be better than chance",
        r"Not tested: there are too few patients",
        NOTHING,
        r"No\. Only 6 patients are in the rarer outcome",
    ),
    "pooled_run": (
        r"Response: at least 50\s% fall of the MADRS total",
        r"50 patients \(site not recorded\); 14 of them \(28\s%\).* \(not major depression\)",
        f"{INTERVAL}\\. Not shown to be better|{NO_INTERVAL}",
        r"Not shown: ",
        f"{NOTHING}|{STRONGEST}",
        r"never to decide about a patient\. Patients of the sham arm were trained on too",
    ),
    "blues_run": (
        r"Response: at least 50\s% fall of the BDI-II total from baseline at two months\.",
        r"52 patients \(site not recorded\); 16 of them \(31\s%\).* recruited in primary care",
        f"{INTERVAL}\\. Not shown to be better|{NO_INTERVAL}",
        r"Not tested: the cohort has no brain scans\.",
        f"{NOTHING}|{STRONGEST}",
        r"The treatment was not TMS: Beating the Blues, a computer programme",
    ),
}
# A single site is no site; a point is no interval; a plural is not for one.
ABSURD = re.compile(
    r"\bnan\b|at 1 site|repeated 1 times|0\.50 to 0\.50|\+0\.000 to \+0\.000|0 or 1"
)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_newcomer_finds_every_answer(name: str, request: pytest.FixtureRequest) -> None:
    spine: Spine = request.getfixturevalue(name)
    report = spine.run / "report.html"
    with opened_page(DESKTOP) as page:
        page.goto(report.resolve().as_uri())
        found = page.locator("dl.short dd").all_inner_texts()
        for answer, told in zip(ANSWERS[name], found, strict=True):
            assert re.search(answer, told), told
        assert serious_violations(page) == []
        _is_on_the_first_screen(page)
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        _is_on_the_first_screen(page)
        assert not scrolls_sideways(page)
    assert html_mistakes(report.read_text("utf-8")) == []
    read = Read(report)
    assert ABSURD.findall(read.text) == []
    assert not any(cell.strip() == "None" for row in read.rows for cell in row)
    assert read.tags["figure"] == read.tags["img"] >= 2
    assert all(re.search(r"\d", alt) and len(alt) > 40 for _, alt in read.pictures)


def _is_on_the_first_screen(page: Page) -> None:
    last = page.locator("dl.short > div").last.bounding_box()
    assert last is not None
    assert page.viewport_size is not None
    assert last["y"] + last["height"] <= page.viewport_size["height"], "below the fold"


def test_six_responders_are_told_as_what_they_are(ocd_run: Spine) -> None:
    read = Read(ocd_run.run / "report.html")
    assert read.row("Female sex")[1] == "withheld", "fewer than five of the six are or are not"
    assert read.row("sham")[1] == "24"
    assert "There is no calibration curve" in read.text
    assert "nothing here speaks of response to TMS for depression" in read.text, "says its owner"
    _says_nothing_of_what_is_not_there(read)


def test_what_is_yes_or_no_has_a_share_and_the_other_arm_a_row(blues_run: Spine) -> None:
    read = Read(blues_run.run / "report.html")
    assert read.row("control")[1] == "45"
    shares = read.row("Takes an antidepressant")[1:3]
    assert all(re.fullmatch(r"\d+\s%", share) for share in shares)
    _says_nothing_of_what_is_not_there(read)


def _says_nothing_of_what_is_not_there(read: Read) -> None:
    assert "cannot be told: in these" in read.text, "the slopes are too uncertain to be read"
    assert "the section on stability" not in read.text, "there is none"
    assert "benzodiazepine" not in read.text, "no input is one"
