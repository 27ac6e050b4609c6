"""The card as one offline HTML page and as Markdown, both from the same data."""

import re
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from data_schemas.filled_card import (
    FOR_THE_REVIEWER,
    NOT_PROVIDED,
    CardItem,
    CardPart,
    CardPlace,
    CardStandard,
    CardTable,
    FilledCard,
)
from serving.pages import COLOURS
from training.card.first_screen import tally_words

_TEMPLATE: Final = "card.html.j2"
SOURCES: Final = {"run": "from the run", "owner": "from the owner", "software": "by design"}
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#&~$])")
_FIGURES: Final = "In figures"
_IN_SHORT: Final = "In short"


def as_html(card: FilledCard, *, links: bool) -> str:
    """Return the card as one HTML file without a script.

    Parameters
    ----------
    links : bool
        Whether `report.html` lies beside it, so that places in it can be links.
    """
    environment = Environment(
        loader=PackageLoader("training.card"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(_TEMPLATE).render(
        card=card,
        colours=COLOURS,
        links=links,
        sources=SOURCES,
        not_provided=NOT_PROVIDED,
        for_the_reviewer=FOR_THE_REVIEWER,
        tally=tally_words,
        identifier=_identifier,
        place_words=place_words,
    )
    # A number and its percent sign stay on one line.
    return page.replace(" %", "\N{NO-BREAK SPACE}%")


def _identifier(standard: CardStandard, item: CardItem) -> str:
    """Return the anchor of an item, such as `tripod-ai-3a`."""
    return f"{standard.key}-{item.number}".replace(".", "-").lower()


def place_words(place: CardPlace) -> str:
    """Return where to read on, such as "report, “Patients”"."""
    return f"report, “{place.title}”" if place.anchor else place.title


def as_markdown(card: FilledCard) -> str:
    """Return the card as Markdown (CommonMark with tables)."""
    lines = [f"# {_plain(card.title)}", ""]
    lines += [f"Model {_plain(card.model_name)}, version {_plain(card.model_version)}.", ""]
    lines += [f"**{' '.join(map(_plain, card.warnings))}**", "", f"## {_IN_SHORT}", ""]
    for answer in card.answers:
        lines += [f"### {_plain(answer.question)}", "", f"**{_plain(answer.short)}**", ""]
        lines += [*(f"- {_plain(detail)}" for detail in answer.details), ""]
    lines += [f"## {_FIGURES}", ""]
    for table in card.tables:
        lines += _table(table)
    for standard in card.standards:
        lines += _standard(standard)
    return "\n".join(lines).rstrip() + "\n"


def _table(table: CardTable) -> list[str]:
    rows = ["| " + " | ".join(map(_plain, row)) + " |" for row in (table.header, *table.rows)]
    rule = "|" + "---|" * len(table.header)
    return [f"**{_plain(table.caption)}**", "", rows[0], rule, *rows[1:], ""]


def _standard(standard: CardStandard) -> list[str]:
    lines = [
        f"## {_plain(standard.title)}", "",
        f"{_plain(standard.note)} Source: {_plain(standard.reference)}.", "",
        f"{_plain(tally_words(standard)).capitalize()}.", "",
    ]  # fmt: skip
    for group in standard.groups:
        lines += [f"### {_plain(group.title)}", ""]
        for item in group.items:
            lines += _item(item)
    return lines


def _item(item: CardItem) -> list[str]:
    verdict = f" **{_plain(item.verdict)}**" if item.verdict else ""
    lines = [f"**{_plain(item.number)}. {_plain(item.name)}**{verdict}", ""]
    lines += [f"- {_part(part, alone=len(item.parts) == 1)}" for part in item.parts]
    if item.places:
        lines.append(f"- Read on: {_plain('; '.join(map(place_words, item.places)))}")
    return [*lines, ""]


def _part(part: CardPart, *, alone: bool) -> str:
    label = "" if alone else f"{_plain(part.label)}: "
    if part.text is None:
        return f"{label}**{NOT_PROVIDED}**"
    return f"{label}{_plain(part.text)} *({SOURCES[part.source]})*"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is; its line ends stay within its list item."""
    return _SPECIAL.sub(r"\\\1", text).replace("\r\n", "\n").replace("\n", "  \n  ")
