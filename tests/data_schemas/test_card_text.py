"""What the owner of a model may say, and what is said of a mistake in it."""

import re

import pytest

from data_schemas.card_text import CardText, parse_card_text
from data_schemas.errors import ConfigurationError


def test_every_key_may_be_left_out() -> None:
    assert set(parse_card_text("").said().values()) == {None}


def test_every_key_of_every_section_can_be_said() -> None:
    places = list(CardText().said())
    written: dict[str, list[str]] = {}
    for place in places:
        section, _, key = place.partition(".")
        written.setdefault(section, []).append(f'{key} = "  said of {place} "')
    text = "\n".join(f"[{name}]\n" + "\n".join(lines) for name, lines in written.items())
    assert parse_card_text(text).said() == {place: f"said of {place}" for place in places}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[use]\nintended = "x"', r"use\.intended: is not a key .* Did you mean 'intended_use'\?"),
        ('[developper]\nname = "x"', r"developper: is not a key .* Did you mean 'developer'\?"),
        ("[use]\nusers = 3", r"use\.users: '3' should be text"),
        ('[use]\nusers = " "', r"use\.users: ' ' should be longer"),
        (f'[use]\nusers = "{"x" * 4001}"', r"use\.users: 'x+' should be shorter"),
        ('use = "x"', r"use: 'x' should be an object"),
        ("[use", r"card\.toml is not valid TOML: "),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_card_text(text)
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert caught.value.exit_code == 11
