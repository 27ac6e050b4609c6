"""The four standards: their items from `standards/*.toml`, answered by the facts of a run."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from data_schemas.card_text import CardText
from data_schemas.filled_card import (
    CardGroup,
    CardItem,
    CardPart,
    CardPlace,
    CardStandard,
)
from training.card.evidence import CardEvidence
from training.card.model_facts import model_facts
from training.card.patient_facts import patient_facts
from training.card.performance_facts import performance_facts
from training.card.probast import probast_verdicts
from training.summary import REPORT_FILE

_FOLDER: Final = Path(__file__).parent / "standards"
STANDARDS: Final = ("hti_1", "chai", "tripod_ai", "probast_ai")
_PROBAST: Final = "probast-ai"
_OPTIONAL: Final = "?"
_IN_THE_REPORT: Final = "report#"
_NOWHERE_ELSE: Final = "Not applicable: no other cohort was tested on."


def filled_standards(evidence: CardEvidence) -> tuple[CardStandard, ...]:
    """Return every standard with the answers of this run."""
    facts = all_facts(evidence)
    return tuple(_filled(read_standard(name), facts, evidence) for name in STANDARDS)


def read_standard(name: str) -> dict[str, Any]:
    """Return the items of a standard, as its file lists them."""
    with (_FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def all_facts(evidence: CardEvidence) -> dict[str, CardPart]:
    """Return everything that a standard can ask for, by name; owner's names hold a dot."""
    return {
        **_software_facts(),
        **patient_facts(evidence),
        **model_facts(evidence),
        **performance_facts(evidence),
        **owner_facts(evidence.text, tested_elsewhere=evidence.summary.external is not None),
    }


def _software_facts() -> dict[str, CardPart]:
    return {
        name: CardPart(label=label, text=text, source="software")
        for name, (label, text) in read_standard("software").items()
    }


def owner_facts(text: CardText, *, tested_elsewhere: bool = True) -> dict[str, CardPart]:
    """Return what the owner says, and that of which nothing is said.

    Parameters
    ----------
    tested_elsewhere : bool
        Whether there is another cohort of which something could be said.
    """
    facts = {}
    for name, said in text.said().items():
        label = name.partition(".")[2].replace("_", " ").capitalize()
        facts[name] = CardPart(label=label, text=said, source="owner")
        if name.startswith("data.external_") and said is None and not tested_elsewhere:
            facts[name] = CardPart(label=label, text=_NOWHERE_ELSE, source="run")
    return facts


def _filled(
    listed: Mapping[str, Any], facts: Mapping[str, CardPart], evidence: CardEvidence
) -> CardStandard:
    numbers = tuple(item["number"] for group in listed["group"] for item in group["items"])
    verdicts = probast_verdicts(evidence, numbers) if listed["key"] == _PROBAST else {}
    groups = tuple(
        CardGroup(
            title=group["title"],
            items=tuple(
                CardItem(
                    number=item["number"],
                    name=item["name"],
                    verdict=verdicts.get(item["number"], ""),
                    parts=_parts(item["asks"], facts),
                    places=_places(item.get("places", ()), evidence.sections),
                )
                for item in group["items"]
            ),
        )
        for group in listed["group"]
    )
    words = {name: listed[name] for name in ("key", "title", "reference", "note")}
    return CardStandard(**words, groups=groups)


def _parts(asks: list[str], facts: Mapping[str, CardPart]) -> tuple[CardPart, ...]:
    parts = [(facts[ask.removesuffix(_OPTIONAL)], ask.endswith(_OPTIONAL)) for ask in asks]
    return tuple(part for part, optional in parts if not optional or part.text is not None)


def _places(places: list[str], sections: Mapping[str, str]) -> tuple[CardPlace, ...]:
    """Return where more is to be read; a section that this run's report lacks is left out."""
    found = []
    for place in places:
        anchor = place.removeprefix(_IN_THE_REPORT)
        if anchor == place:
            found.append(CardPlace(file=place, title=place))
        elif anchor in sections:
            found.append(CardPlace(file=REPORT_FILE, anchor=anchor, title=sections[anchor]))
    return tuple(found)
