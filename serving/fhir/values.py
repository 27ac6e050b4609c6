"""Values of observations and answers, in the units of our own fields and no others."""

from collections.abc import Mapping
from typing import Any, Final

from serving.fhir.codes import SCORE_UNITS, Measure, Systems
from serving.fhir.resources import Resource, codings_of, unusable

_VALUES: Final = (
    "valueQuantity", "valueInteger", "valueBoolean", "valueString", "valueCodeableConcept",
    "valueRange", "valueRatio", "valueSampledData", "valueTime", "valueDateTime", "valuePeriod",
)  # fmt: skip

# No measurement here comes near it; Python's whole numbers and those of JSON know no bound.
_LARGEST: Final = 1e9


def has_value(observation: Resource) -> bool:
    """Return whether an observation has a value at all; it may say why it has none."""
    return any(observation.content.get(name) is not None for name in _VALUES)


def measured(observation: Resource, row: Measure, systems: Systems) -> float | str | bool:
    """Return the value of an observation as the field's type.

    Raises
    ------
    RequestError
        422, naming the code and the unit or form allowed.
    """
    if row.kind in {"number", "whole"}:
        value = number(observation, _name(row.loinc, row.local), row.units, systems)
        if row.kind == "whole":
            return _whole(value, observation.place, _name(row.loinc, row.local))
        return value
    if row.kind == "yes_no":
        answer = observation.content.get("valueBoolean")
        if isinstance(answer, bool):
            return answer
        raise _other_form(observation, _name(row.loinc, row.local), "valueBoolean")
    choices = [code for _, code in codings_of(observation.content.get("valueCodeableConcept"))]
    if len(choices) == 1 and choices[0] in row.values:
        return choices[0]
    allowed = "valueCodeableConcept with one of " + ", ".join(row.values)
    raise _other_form(observation, _name(row.loinc, row.local), allowed)


def score(observation: Resource, code: str, systems: Systems) -> int:
    """Return a total or an item score: a whole number, without a unit or with that of a score.

    Raises
    ------
    RequestError
        422, naming the code and the unit allowed.
    """
    value = number(observation, code, SCORE_UNITS, systems)
    return _whole(value, observation.place, code)


def number(observation: Resource, code: str, units: Mapping[str, float], systems: Systems) -> float:
    """Return the number of an observation, converted exactly to the unit whose factor is 1.

    Parameters
    ----------
    observation : Resource
    code : str
        Of the observation, as named in a refusal.
    units : mapping of str to float
        UCUM codes that are allowed, and what to multiply by.
    systems : Systems
        Of the mapping table.

    Raises
    ------
    RequestError
        422 for any other unit, a comparator, or a value that is no number.
    """
    allowed = "UCUM " + ", ".join(units)
    whole = observation.content.get("valueInteger")
    if whole is not None and "1" in units:
        return _plain(whole, observation.place, code)
    quantity: Any = observation.content.get("valueQuantity")
    if not isinstance(quantity, dict):
        raise _other_form(observation, code, f"valueQuantity in {allowed}")
    value, unit = quantity.get("value"), quantity.get("code")
    place = f"{observation.place}.valueQuantity"
    if quantity.get("system") != systems.ucum or unit not in units:
        raise unusable(place, "wrong_unit", f"{code} is not in an allowed unit", allowed)
    if quantity.get("comparator") is not None:
        raise unusable(place, "wrong_value", f"{code} is a bound and not a value", "no comparator")
    return _plain(value, place, code) * units[str(unit)]


def answer_score(answer: Any, place: str, code: str, answers: Mapping[str, int], loinc: str) -> int:  # noqa: ANN401
    """Return the score of one answer of a questionnaire.

    Raises
    ------
    RequestError
        422 for a form that has no score in the mapping table.
    """
    for name in ("valueInteger", "valueDecimal"):
        if answer.get(name) is not None:
            return _whole(_plain(answer[name], place, code), place, code)
    coding = answer.get("valueCoding")
    if isinstance(coding, dict) and coding.get("system") == loinc and coding.get("code") in answers:
        return answers[coding["code"]]
    allowed = "valueInteger, valueDecimal, or a LOINC answer: " + ", ".join(answers)
    raise unusable(place, "wrong_value", f"{code} is not answered in an allowed form", allowed)


def _plain(value: object, place: str, code: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    raise unusable(place, "wrong_value", f"{code} has no number of usual size", "a number")


def _whole(value: float, place: str, code: str) -> int:
    if value != int(value):
        raise unusable(place, "wrong_value", f"{code} is not whole", "a whole number")
    return int(value)


def _name(loinc: str | None, local: str | None) -> str:
    return loinc or local or ""


def _other_form(observation: Resource, code: str, allowed: str) -> Exception:
    return unusable(observation.place, "wrong_value", f"{code} is not in the form allowed", allowed)
