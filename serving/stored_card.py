"""The model card as files beside the artefact: written by training, sent as they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from data_schemas.filled_card import FilledCard

HTML_FILE: Final = "card.html"
MARKDOWN_FILE: Final = "card.md"
JSON_FILE: Final = "card.json"


@dataclass(frozen=True)
class StoredCard:
    """One card in three forms that say the same.

    Attributes
    ----------
    html, markdown, json : str
        The content of `card.html`, `card.md` and `card.json`.
    """

    html: str
    markdown: str
    json: str

    @classmethod
    def load(cls, folder: Path, version: str) -> Self | None:
        """Read the card of a model; None where there is none, or it is of another model.

        Parameters
        ----------
        folder : Path
            Of the model.
        version : str
            Of the model, as in its predictions.
        """
        try:
            html, markdown, json = (
                (folder / name).read_text(encoding="utf-8")
                for name in (HTML_FILE, MARKDOWN_FILE, JSON_FILE)
            )
            card = FilledCard.model_validate_json(json)
        except (OSError, UnicodeDecodeError, ValidationError):
            return None
        return cls(html, markdown, json) if card.model_version == version else None

    def save(self, folder: Path) -> None:
        """Write the three files into a folder."""
        for name, text in (
            (HTML_FILE, self.html), (MARKDOWN_FILE, self.markdown), (JSON_FILE, self.json),
        ):  # fmt: skip
            (folder / name).write_text(text, encoding="utf-8", newline="\n")


def remove_card(folder: Path) -> None:
    """Delete a card from a folder, if there is one."""
    for name in (HTML_FILE, MARKDOWN_FILE, JSON_FILE):
        (folder / name).unlink(missing_ok=True)
