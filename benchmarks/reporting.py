"""`results.md`, section by section: each benchmark rewrites its own and leaves the others alone."""

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results.md"
HEADING = "# Measurements\n\nWritten by `make bench`; nothing here is typed by hand.\n"


def machine(*libraries: str) -> str:
    """Return where the figures were taken, as a sentence."""
    processor = platform.processor() or platform.machine()
    details = Path("/proc/cpuinfo")
    if details.exists():
        named = re.search(r"model name\s*: (.+)", details.read_text(encoding="utf-8"))
        processor = named.group(1) if named else processor
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return (
        f"{os.cpu_count()} cores of {processor}, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}."
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column holds names, the others numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def write_section(name: str, title: str, *paragraphs: str) -> None:
    """Replace one benchmark's section of `results.md`; sections stand in the order of names."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    pattern = r"<!-- (\w+):start -->\n(.*?)<!-- \1:end -->"
    sections = dict(re.findall(pattern, text, re.DOTALL))
    sections[name] = "\n\n".join([f"## {title}", *paragraphs]) + "\n"
    blocks = [
        f"\n<!-- {key}:start -->\n{sections[key]}<!-- {key}:end -->\n" for key in sorted(sections)
    ]
    RESULTS.write_text(HEADING + "".join(blocks), encoding="utf-8")
    print("\n\n".join(paragraphs), f"\n{RESULTS} is up to date.", sep="\n")
