"""The pages that the service shows, and the colours that every page and picture shares."""

from pathlib import Path
from typing import Final

COLOURS: Final = (Path(__file__).parent / "colours.css").read_text(encoding="utf-8")
"""CSS variables, light and dark; each page puts them before its own rules."""
