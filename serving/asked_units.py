"""Values and ranges of features in words, as they were asked for: months and points, no logs."""

from math import expm1
from typing import Final

from data_schemas.instruments import get_instrument
from features.table import YES_NO
from serving.model_document import FeatureDocument, ModelDocument

_LOG_DURATION: Final = "log_episode_duration"


def asked_words(feature: FeatureDocument, value: float, document: ModelDocument) -> str:
    """Return a known value with its unit."""
    if feature.unit == YES_NO:
        return "yes" if value else "no"
    number, unit = _as_asked(feature, value, document)
    return f"{number:,.4g} {unit}".rstrip()


def asked_range(
    feature: FeatureDocument, lowest: float, highest: float, document: ModelDocument
) -> str:
    """Return a range with its unit; of a yes or no, the answers in it.

    Ranges that were widened end where months and points of a scale do.
    """
    if feature.unit == YES_NO:
        answers = {"no": 0, "yes": 1}
        return " or ".join(word for word, each in answers.items() if lowest <= each <= highest)
    low, unit = _as_asked(feature, lowest, document)
    high, _ = _as_asked(feature, highest, document)
    return f"{low:,.4g} to {high:,.4g} {unit}".rstrip()


def _as_asked(feature: FeatureDocument, value: float, document: ModelDocument) -> tuple[float, str]:
    if feature.name == _LOG_DURATION:
        return max(0.0, expm1(value)), "months"
    instrument = {
        "depression_severity": document.depression_instrument,
        "anxiety_severity": document.anxiety_instrument,
    }.get(feature.name)
    if instrument is not None:
        scale = get_instrument(instrument)
        points = scale.minimum + value * (scale.maximum - scale.minimum)
        return min(max(points, scale.minimum), scale.maximum), f"of {scale.maximum} points"
    unit, _, span = feature.unit.partition(", ")
    return value, f"{unit}{f' ({span})' if span else ''}"
