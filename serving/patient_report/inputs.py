"""The inputs of a prediction in words: value and unit, or that it is not known."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

from serving.asked_units import asked_words
from serving.booster_text import FloatArray
from serving.model_document import FeatureDocument, ModelDocument

# A page has room for so many; the weightier go first.
_LISTED: Final = 36
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class ShownInput:
    """One input: its name, its value in words, and whether few training patients had such a one."""

    label: str
    value: str
    is_unusual: bool


@dataclass(frozen=True)
class ShownInputs:
    """The inputs that the model makes use of.

    Attributes
    ----------
    known : tuple of ShownInput
        In the order of the model.
    more_known : int
        Known ones that are not listed.
    unknown : tuple of str
        Names of those that are unknown, the weightier first.
    networks : tuple of int
        How many measures of a brain scan are known, how many of those are unusual in the training
        patients, and how many the model uses.
    unused : int
        Inputs that have no weight in this model.
    """

    known: tuple[ShownInput, ...]
    more_known: int
    unknown: tuple[str, ...]
    networks: tuple[int, int, int]
    unused: int

    @property
    def any_unusual(self) -> bool:
        """Whether any input lies outside of the usual range of the training patients."""
        return self.networks[1] > 0 or any(each.is_unusual for each in self.known)


def value_words(feature: FeatureDocument, value: float, document: ModelDocument) -> str:
    """Return a value as it was asked for, with its unit: months and points, not logs and shares."""
    if isnan(value):
        return UNKNOWN
    return asked_words(feature, value, document)


def shown_inputs(row: FloatArray, document: ModelDocument) -> ShownInputs:
    """Return what was known of a patient and what was not, as far as the model makes use of it.

    Parameters
    ----------
    row : ndarray of float64, shape (p,)
        NaN where unknown.
    document : ModelDocument
        Of the model.
    """
    everything = document.serves_base_rate
    pairs = list(zip(document.features, row.tolist(), strict=True))
    used = [(each, value) for each, value in pairs if each.importance > 0 or everything]
    scan = [(each, value) for each, value in used if each.domain == "networks"]
    clinical = [(each, value) for each, value in used if each.domain != "networks"]
    known = [(each, value) for each, value in clinical if not isnan(value)]
    unknown = [each for each, value in clinical if isnan(value)]
    listed = {each.name for each in _by_weight([each for each, _ in known])[:_LISTED]}
    return ShownInputs(
        known=tuple(
            ShownInput(each.label, value_words(each, value, document), _is_unusual(each, value))
            for each, value in known
            if each.name in listed
        ),
        more_known=max(0, len(known) - _LISTED),
        unknown=tuple(each.label for each in _by_weight(unknown)),
        networks=(
            sum(not isnan(value) for _, value in scan),
            sum(_is_unusual(*each) for each in scan),
            len(scan),
        ),
        unused=len(pairs) - len(used),
    )


def _by_weight(features: Sequence[FeatureDocument]) -> list[FeatureDocument]:
    return sorted(features, key=lambda each: -each.importance)


def _is_unusual(feature: FeatureDocument, value: float) -> bool:
    reference = feature.reference
    if reference is None or isnan(value):
        return False
    return not reference.lowest_usual <= value <= reference.highest_usual
