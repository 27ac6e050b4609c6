"""The query of an address: what is misspelt is refused, since it would be ignored in silence."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.routing import APIRoute

from data_schemas.errors import FieldProblem, did_you_mean
from serving.requests import RequestError

_LOOKED_AT = 50  # so that a long query costs no more to refuse than it should
_LONGEST_NAME = 64


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not have, or that stands twice in the query.

    Raises
    ------
    RequestError
        422, naming each such parameter.
    """
    if not request.scope["query_string"]:
        return
    route: APIRoute = request.scope["route"]
    known = [parameter.alias for parameter in route.dependant.query_params]
    problems = tuple(_problems([name for name, _ in request.query_params.multi_items()], known))
    if problems:
        raise bad_parameters(problems)


def bad_parameters(problems: tuple[FieldProblem, ...]) -> RequestError:
    """Return the refusal of parameters that are not valid."""
    return RequestError(
        422, "invalid_parameter", "A parameter of the address is not valid.", problems
    )


def _problems(names: list[str], known: list[str]) -> Iterator[FieldProblem]:
    allowed = ", ".join(known) or "no parameter"
    for name in dict.fromkeys(names[:_LOOKED_AT]):
        if name not in known:
            problem = f"is no parameter of this path.{did_you_mean(name[:_LONGEST_NAME], known)}"
            yield FieldProblem(name, problem, allowed)
        elif names.count(name) > 1:
            yield FieldProblem(name, "stands more than once", "once")
