"""Both ends of what a schema allows for a number; pydantic names only the one that failed."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

_Node = dict[str, Any]


def both_ends(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """Return the range of a number as a phrase; empty where it does not have two ends.

    Parameters
    ----------
    model : type of BaseModel
        The schema of the whole record.
    location : sequence of int or str
        Path to the number, as pydantic gives it.

    Examples
    --------
    >>> from typing import Annotated
    >>> from pydantic import Field
    >>> class Person(BaseModel):
    ...     age_years: float | None = Field(ge=18, le=110)
    ...     share: Annotated[float, Field(gt=0, le=1)]
    >>> both_ends(Person, ["age_years"])
    '18 to 110'
    >>> both_ends(Person, ["share"])
    'more than 0, at most 1'
    """
    schema = _schema(model)
    definitions: _Node = schema.get("$defs", {})
    nodes = list(_alternatives(schema, definitions))
    for part in location:
        nodes = [
            alternative
            for node in nodes
            for below in _below(node, part)
            for alternative in _alternatives(below, definitions)
        ]
    return next(filter(None, map(_range, nodes)), "")


@cache
def _schema(model: type[BaseModel]) -> _Node:
    return model.model_json_schema()


def _alternatives(node: _Node, definitions: _Node) -> Iterator[_Node]:
    """Yield a node, or what it refers to or offers a choice of."""
    if "$ref" in node:
        yield from _alternatives(definitions[node["$ref"].rpartition("/")[2]], definitions)
    for kind in ("anyOf", "oneOf", "allOf"):
        for each in node.get(kind, ()):
            yield from _alternatives(each, definitions)
    yield node


def _below(node: _Node, part: int | str) -> Iterator[_Node]:
    """Yield what stands under a name, or at a place of a list."""
    if isinstance(part, str):
        found = node.get("properties", {}).get(part, node.get("additionalProperties"))
    else:
        first = node.get("prefixItems", [])
        found = first[part] if part < len(first) else node.get("items")
    if isinstance(found, dict):
        yield found


def _range(node: _Node) -> str:
    at_least, at_most = node.get("minimum"), node.get("maximum")
    if at_least is not None and at_most is not None:
        return f"{at_least:g} to {at_most:g}"
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if (at_least is None and above is None) or (at_most is None and below is None):
        return ""
    lower = f"more than {above:g}" if at_least is None else f"at least {at_least:g}"
    upper = f"less than {below:g}" if at_most is None else f"at most {at_most:g}"
    return f"{lower}, {upper}"
