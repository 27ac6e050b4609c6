"""The files of a finished run, as the card reads them."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from data_schemas.card_text import CardText, parse_card_text
from data_schemas.errors import ConfigurationError, ModelError
from serving.model_document import ModelDocument
from serving.predictor import DOCUMENT_FILE
from training.report.tables import Estimate, Evaluation
from training.report.words import confidence_percent, judged_model
from training.summary import CARD_TEXT_FILE, MODEL_FOLDER, REPORT_FILE, RunSummary

_SECTION: Final = re.compile(r'<section id="([\w-]+)"[^>]*>\s*<h2[^>]*>(.*?)</h2>', re.DOTALL)
_TAG: Final = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class CardEvidence:
    """All that a card is made from.

    Attributes
    ----------
    summary : RunSummary
    document : ModelDocument
        Of the artefact.
    evaluation : Evaluation
        Of the artefact's outcome.
    text : CardText
        What the owner says.
    sections : mapping of str to str
        Anchor and title of each section of the report; empty without a report.
    """

    summary: RunSummary
    document: ModelDocument
    evaluation: Evaluation
    text: CardText
    sections: Mapping[str, str]

    @classmethod
    def read(cls, run_dir: Path) -> "CardEvidence":
        """Read a finished run.

        Raises
        ------
        DataError, ModelError
            When the folder is not that of a finished run.
        ConfigurationError
            When its `card.toml` is wrong.
        """
        summary = RunSummary.load(run_dir)
        return cls(
            summary=summary,
            document=_document(run_dir / MODEL_FOLDER / DOCUMENT_FILE),
            evaluation=Evaluation.read(run_dir, summary.split_name, summary.outcome.kind),
            text=read_card_text(run_dir / CARD_TEXT_FILE),
            sections=_sections(run_dir / REPORT_FILE),
        )

    @cached_property
    def model(self) -> str:
        """The model whose figures stand for the run; a comparator where no trees are served."""
        return judged_model(self.summary)

    @cached_property
    def level(self) -> str:
        """Level of the intervals, such as "95 %"."""
        return confidence_percent(self.summary)

    def found(self, metric: str, split: str = "", model: str = "") -> Estimate | None:
        """Return a figure of the judged model: on one split, or that which stands for the run."""
        model = model or self.model
        if split:
            return self.evaluation.at(model, split, metric)
        return self.evaluation.estimate(model, metric)


def read_card_text(path: Path) -> CardText:
    """Read what the owner says; a file that is not there says nothing.

    Raises
    ------
    ConfigurationError
        When it is not text in UTF-8, not TOML, or not in the grammar.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return CardText()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path.name} is not a text file in UTF-8.") from None
    return parse_card_text(text, path.name)


def checked_card_text(folder: Path) -> bytes | None:
    """Return the `card.toml` of a folder as it is, once it is known to be right; None without one.

    Raises
    ------
    ConfigurationError
        As in `read_card_text`.
    """
    path = folder / CARD_TEXT_FILE
    read_card_text(path)
    return path.read_bytes() if path.is_file() else None


def figure(estimate: Estimate | None, digits: int = 2, sign: str = "") -> str:
    """Return an estimate with its interval, and say so where it has none."""
    if estimate is None:
        return "not defined"
    if estimate.has_interval:
        return estimate.text(digits, sign)
    return f"{estimate.number(digits, sign)} (no interval can be given)"


def _document(path: Path) -> ModelDocument:
    try:
        return ModelDocument.from_text(path.read_text(encoding="utf-8"))
    except OSError:
        raise ModelError(f"{path} cannot be read; train the model again.") from None


def _sections(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found = _SECTION.findall(path.read_text(encoding="utf-8"))
    return {anchor: html.unescape(_TAG.sub("", title)).strip() for anchor, title in found}
