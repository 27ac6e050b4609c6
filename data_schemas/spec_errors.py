"""What is wrong with a configuration file, key by key, in sentences.

Values of a configuration are not patient data, so they may be repeated.
"""

import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_schemas.cohort_rules import BrokenRulesError
from data_schemas.errors import FieldProblem, did_you_mean, field_problems

_SHOWN_CHARACTERS = 60


def spec_problems(
    error: ValidationError, model: type[BaseModel], given: dict[str, Any]
) -> list[FieldProblem]:
    """Translate a pydantic error into problems that name key, value, what is allowed, nearest.

    Parameters
    ----------
    error : pydantic.ValidationError
        Raised by `model` for `given`.
    model : type of BaseModel
        The schema of the file.
    given : dict
        The file's content.

    Returns
    -------
    list of FieldProblem
        Each key once, in the order in which pydantic found them.
    """
    details = error.errors(include_url=False)
    problems: dict[str, FieldProblem] = {}
    for detail, plain in zip(details, field_problems(error, model), strict=True):
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, BrokenRulesError):
            found = cause.problems
        elif detail["type"] == "too_short" and _is_explained(detail["loc"], details):
            continue
        else:
            found = [_problem(detail, plain, model, given)]
        for problem in found:
            # A value that fits no member of a union fails once for each; one sentence is enough.
            problems.setdefault(problem.field, problem)
    return list(problems.values())


def _is_explained(loc: tuple[int | str, ...], details: list[ErrorDetails]) -> bool:
    """Tell whether a list is too short only because one of its entries is wrong."""
    return any(other["loc"] != loc and other["loc"][: len(loc)] == loc for other in details)


def _problem(
    detail: ErrorDetails, plain: FieldProblem, model: type[BaseModel], given: dict[str, Any]
) -> FieldProblem:
    path = _path(detail["loc"], given)
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
    if detail["type"] == "extra_forbidden":
        allowed = _keys_beside(path, model)
        hint = did_you_mean(str(path[-1]), allowed)
        return FieldProblem(key, f"is not a key of this section.{hint}", ", ".join(allowed))
    if detail["type"] == "missing":
        return FieldProblem(".".join([key, str(detail["loc"][-1])]).lstrip("."), plain.problem)
    value = detail["input"]
    if isinstance(value, dict | list | tuple | BaseModel):
        return FieldProblem(key or "the whole file", plain.problem, plain.allowed)
    hint = did_you_mean(str(value), re.findall(r"[\w-]+", plain.allowed))
    shown = str(value)[:_SHOWN_CHARACTERS]
    return FieldProblem(key, f"'{shown}' {plain.problem}.{hint}", plain.allowed)


def _path(loc: tuple[int | str, ...], given: object) -> list[int | str]:
    """Keep those parts of pydantic's location that are keys of the file."""
    path: list[int | str] = []
    node = given
    for part in loc:
        children: Any = dict(enumerate(node)) if isinstance(node, list) else node
        if not isinstance(children, dict) or part not in children:
            break
        node = children[part]
        path.append(part)
    return path


def _keys_beside(path: list[int | str], model: type[BaseModel]) -> list[str]:
    """Return the keys that the section holding `path` may have."""
    annotation: Any = model
    for part in path[:-1]:
        annotation = _inner(annotation, part)
    section = _section(annotation)
    return list(section.model_fields) if section else []


def _inner(annotation: object, part: int | str) -> object:
    section = _section(annotation)
    if section is not None:
        return section.model_fields[str(part)].annotation
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return arguments[-1] if get_origin(annotation) is dict else arguments[0]


def _section(annotation: object) -> type[BaseModel] | None:
    """Return the schema in an annotation such as `Arms | None`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {dict, tuple}:
        return None
    inner = (_section(argument) for argument in get_args(annotation))
    return next((section for section in inner if section), None)
