"""A report as a strict reader meets it: one HTML file."""

import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "br", "hr", "link", "input"}


@dataclass
class Page(HTMLParser):
    """What a strict reader notes about an HTML file."""

    path: Path
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)
    headings: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.path.read_text(encoding="utf-8"))
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self._open]
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        self.values += [given["data-values"]] if "data-values" in given else []
        if tag == "img":
            self.pictures.append((given["src"], given.get("alt", "")))
        if tag == "th" and given.get("scope") not in {"col", "row"}:
            self.problems.append("a header cell has no scope")
        if tag == "html" and given.get("lang") != "en":
            self.problems.append("the language is not said")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if {"style", "script"} & set(self._open):
            return
        self.text += data
        if {"th", "td"} & set(self._open):
            self.rows[-1][-1] += data

    def row(self, label: str, nth: int = 0) -> list[str]:
        """Return the nth row of any table that begins with this label, spaces made single."""
        return self.rows_of(label)[nth]

    def rows_of(self, label: str) -> list[list[str]]:
        """Return every row of any table that begins with this label, spaces made single."""
        tidy = [[re.sub(r"\s+", " ", cell).strip() for cell in row] for row in self.rows]
        return [row for row in tidy if row and row[0].startswith(label)]
