"""`card.json`: a filled model card, from which its HTML and Markdown are written."""

from collections import Counter
from typing import Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

NOT_PROVIDED: Final = "not provided"
FOR_THE_REVIEWER: Final = "for the reviewer to judge"

_FROZEN = ConfigDict(frozen=True, extra="forbid")
Source = Literal["run", "owner", "software"]
State = Literal["answered", "in part", "for the reviewer", "not provided"]


class CardAnswer(BaseModel):
    """A question of the first screen and its answer."""

    model_config = _FROZEN

    question: str = Field(min_length=1)
    short: str = Field(min_length=1, description="The answer in one sentence.")
    details: tuple[str, ...] = Field(default=(), description="What stands behind it, in sentences.")


class CardTable(BaseModel):
    """A table of figures; the first cell of each row is its header."""

    model_config = _FROZEN

    caption: str = Field(min_length=1)
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError("every row must have as many cells as the header")
        return self


class CardPart(BaseModel):
    """One thing that an item asks for."""

    model_config = _FROZEN

    label: str = Field(min_length=1)
    text: str | None = Field(description="What is known of it; null where it was not provided.")
    source: Source = Field(
        description="run: taken from the run's files; owner: from card.toml; software: so for "
        "every model of this software."
    )


class CardPlace(BaseModel):
    """Where more is to be read."""

    model_config = _FROZEN

    file: str = Field(description="Beside the card, or a page of the project.")
    anchor: str = ""
    title: str = Field(min_length=1)


class CardItem(BaseModel):
    """One item of a standard, by its number there, in our words."""

    model_config = _FROZEN

    number: str = Field(min_length=1)
    name: str = Field(min_length=1)
    verdict: str = Field(default="", description="The answer to a signalling question; else empty.")
    parts: tuple[CardPart, ...] = Field(min_length=1)
    places: tuple[CardPlace, ...] = ()

    @property
    def state(self) -> State:
        """Whether what it asks for was provided."""
        if self.verdict:
            return "for the reviewer" if self.verdict == FOR_THE_REVIEWER else "answered"
        known = [part.text is not None for part in self.parts]
        if all(known):
            return "answered"
        return "in part" if any(known) else "not provided"


class CardGroup(BaseModel):
    """Items of a standard that stand together."""

    model_config = _FROZEN

    title: str = Field(min_length=1)
    items: tuple[CardItem, ...] = Field(min_length=1)


class CardStandard(BaseModel):
    """A standard, and what this model answers to each of its items."""

    model_config = _FROZEN

    key: str = Field(pattern="^[a-z0-9-]+$")
    title: str = Field(min_length=1)
    reference: str = Field(description="Where the standard stands.")
    note: str = Field(description="How to read the answers.")
    groups: tuple[CardGroup, ...] = Field(min_length=1)

    @property
    def items(self) -> tuple[CardItem, ...]:
        """All items, in order."""
        return tuple(item for group in self.groups for item in group.items)

    @property
    def tally(self) -> dict[str, int]:
        """How many items are in each state; those in which none is are left out."""
        found = Counter(item.state for item in self.items)
        return {state: found[state] for state in get_args(State) if found[state]}

    @model_validator(mode="after")
    def _numbers_are_unique(self) -> Self:
        numbers = [item.number for item in self.items]
        if len(set(numbers)) != len(numbers):
            raise ValueError("every item must have a number of its own")
        return self


class FilledCard(BaseModel):
    """The content of `card.json`."""

    model_config = _FROZEN

    format_version: Literal[1] = 1
    model_name: str = Field(min_length=1)
    model_version: str = Field(min_length=1, description="As in every prediction of the model.")
    title: str = Field(min_length=1)
    warnings: tuple[str, ...] = Field(description="What must be read first.")
    answers: tuple[CardAnswer, ...]
    tables: tuple[CardTable, ...]
    standards: tuple[CardStandard, ...]

    def to_text(self) -> str:
        """Return the card as JSON text: the same for the same content, byte for byte."""
        return self.model_dump_json(indent=1) + "\n"
