"""Every relative link of the README and of docs leads to a file and a heading that are there."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
NAMERS = {".md", ".j2", ".html", ".py", ".toml", ".js"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`")
# [words](where), ![words](where "title") and <img src="where">, <a href="where">
LINK = re.compile(r"\]\(<?([^)\s>]+)>?[^)]*\)|(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)


def links(text: str) -> Iterator[str]:
    """Yield where a page's links lead, but those in code."""
    for found in LINK.finditer(CODE.sub("", FENCED.sub("", text))):
        yield found[1] or found[2]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    found: list[str] = []
    for heading in HEADING.findall(FENCED.sub("", text)):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = "".join(c for c in words if c in " -_" or c.isalnum())
        found.append(kept.replace(" ", "-"))
    return {
        f"{name}-{earlier}" if (earlier := found[:place].count(name)) else name
        for place, name in enumerate(found)
    }


def broken(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    return [link for link in links(text) if not _leads_somewhere(page, text, link)]


def _leads_somewhere(page: Path, text: str, link: str) -> bool:
    address = urlsplit(link)
    if address.scheme or address.netloc:
        return True
    target = page.parent / unquote(address.path) if address.path else page
    if not target.resolve().is_relative_to(ROOT) or not target.exists():
        return False
    if not address.fragment:
        return True
    content = text if target == page else target.read_text("utf-8")
    return unquote(address.fragment) in anchors(content)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page, page.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "link", ["absent.md", "absent.png", "LICENSE#absent", "#absent", "../outside.md", "docs/a.md#b"]
)
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    page = ROOT / "README.md"
    text = f"# Here\n\n[words]({link}) ![words]({link} 'title')\n<img src=\"{link}\">\n"
    assert broken(page, text) == [link] * 3


@pytest.mark.parametrize(
    "link",
    ["LICENSE", "docs", "#two-words-and-code_s", "#again-1", "README.md#again", "https://a.b/c#d"],
)
def test_a_link_that_leads_somewhere_is_left_alone(link: str) -> None:
    text = f"# Two words, and `code_s`\n## Again\n## Again\n[words]({link}) `[no](link.md)`\n"
    text += "```md\n[no](absent.md)\n# Not a heading\n```\n"
    assert broken(ROOT / "README.md", text) == []
    assert "not-a-heading" not in anchors(text)


def test_every_document_that_is_named_is_there() -> None:
    folders = ("data_schemas", "features", "serving", "training", "docs", "examples")
    files = [ROOT / "README.md", ROOT / "tms_response.py"]
    files += [path for name in folders for path in (ROOT / name).rglob("*")]
    named = {
        name
        for path in files
        if path.suffix in NAMERS
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|csv)", path.read_text("utf-8"))
    }
    assert "docs/ledger.md" in named
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_the_gallery_shows_every_picture_and_is_small() -> None:
    gallery = ROOT / "docs" / "gallery"
    shown = re.findall(r"!\[(.+)\]\((.+)\)", (gallery / "README.md").read_text("utf-8"))
    sizes = {path.name: path.stat().st_size for path in gallery.glob("*.png")}
    assert {name for _, name in shown} == set(sizes)
    assert min(len(words) for words, _ in shown) > 80, "a picture is told in words"
    assert max(sizes.values()) < 300_000
    assert sum(sizes.values()) < 1_500_000
