"""Cards: a summary in one line, and the detail a clinician needs to judge it, in Markdown."""

import math
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from data_schemas.prediction import Contribution, ModelIdentity, Prediction
from features.patient_rows import patient_row
from features.table import Feature
from serving.fhir.reading import Reading
from serving.fhir.settings import FhirSettings
from serving.fhir.writing import SUICIDAL_IDEATION, index_sentence, unused_sentences

LONGEST_SUMMARY: Final = 139
_SHOWN_CONTRIBUTIONS: Final = 5
_SOURCE: Final = "tms-response (research use only)"
_UNSAFE: Final = re.compile(r"[^\w./:#-]")

_OVERRIDES: Final = {
    "not-relevant": "Not relevant to this patient",
    "inputs-wrong": "The inputs are wrong or out of date",
    "disagree": "I disagree with the estimate",
}
_NOT_A_REASON: Final = (
    "A low probability **does not indicate withholding TMS**. Contraindications (ferromagnetic "
    "implants, history of seizures) are not screened. Contributions are associations, not causes, "
    "and no reason to change a medication: stopping a benzodiazepine abruptly is dangerous."
)


def prediction_card(
    prediction: Prediction, reading: Reading, settings: FhirSettings, now: datetime
) -> dict[str, Any]:
    """Return a prediction as a card, whose uuid is the prediction's identifier."""
    chance = prediction.response_probability
    rate = f"{100 * prediction.base_rate:.0f} %"
    week = prediction.model.week
    what = "TMS" if week is None else f"TMS, week {week:g}"
    if chance is None:
        summary = (
            f"{what}: the model declines to estimate response for this patient. Research use only."
        )
    else:
        spread = ""
        if prediction.interval is not None:
            spread = (
                f" ({_percent(prediction.interval.lower)} to {_percent(prediction.interval.upper)})"
            )
        summary = (
            f"{what}: estimated probability of response {_percent(chance)}{spread}; "
            f"average {rate}. "
            "Research use only."
        )
    parts = [
        _headline(prediction),
        _contributions(prediction.contributions),
        _bulleted("Reservations", [notice.message for notice in prediction.notices]),
        _sources(reading),
        _bulleted("Set aside", unused_sentences(reading)),
        _NOT_A_REASON,
        _provenance(prediction.model, reading, now),
    ]
    if reading.suicidal:
        parts.insert(0, f"**{SUICIDAL_IDEATION}**")
    return _card(prediction.prediction_id, summary, parts, settings)


def inputs_card(
    model: ModelIdentity,
    reading: Reading,
    features: Iterable[Feature],
    settings: FhirSettings,
    now: datetime,
) -> dict[str, Any]:
    """Return a card of which inputs of the model are known; nothing is predicted for it."""
    clinical = [each for each in features if each.group == "clinical"]
    row = patient_row(reading.patient, clinical)
    missing = [each.label for each, value in zip(clinical, row, strict=True) if math.isnan(value)]
    known = len(clinical) - len(missing)
    summary = (
        f"TMS response model: {known} of {len(clinical)} clinical inputs are in the record. "
        "Research use only."
    )
    parts = [
        _sources(reading),
        _bulleted("Missing", missing),
        _bulleted("Set aside", unused_sentences(reading)),
        _provenance(model, reading, now),
    ]
    return _card(str(uuid.uuid4()), summary, parts, settings)


def _card(
    identifier: str, summary: str, parts: list[str], settings: FhirSettings
) -> dict[str, Any]:
    source = {"label": _SOURCE}
    if settings.source_url is not None:
        source["url"] = settings.source_url
    system = settings.code_system("override-reason")
    return {
        "uuid": identifier,
        "summary": summary[:LONGEST_SUMMARY],
        "detail": "\n\n".join(part for part in parts if part),
        "indicator": "info",
        "source": source,
        "overrideReasons": [
            {"code": code, "system": system, "display": display}
            for code, display in _OVERRIDES.items()
        ],
    }


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %"


def _headline(prediction: Prediction) -> str:
    lines = [f"Outcome: {prediction.outcome.definition}."]
    if prediction.response_probability is None:
        lines.insert(0, "**No estimate: the model abstains** for the first reason below.")
    else:
        week = prediction.model.week
        when = "" if week is None else f" at the end of week {week:g} of treatment"
        chance = _percent(prediction.response_probability)
        lines.insert(0, f"**Estimated probability{when}: {chance}**")
    if prediction.interval is not None:
        interval = prediction.interval
        lines.append(
            f"Stability interval ({_percent(interval.level)}): {_percent(interval.lower)} to "
            f"{_percent(interval.upper)}. It says how the estimate moves when the training cohort "
            "is resampled, not how uncertain this patient's own outcome is."
        )
    lines.append(f"Base rate: {_percent(prediction.base_rate)} of the training patients.")
    return "  \n".join(lines)


def _contributions(contributions: tuple[Contribution, ...]) -> str:
    shown = [each for each in contributions[:_SHOWN_CONTRIBUTIONS] if each.log_odds != 0]
    if not shown:
        return ""
    rows = [
        f"| {each.label} | {'known' if each.value is not None else 'unknown'} | "
        f"{'raises' if each.log_odds > 0 else 'lowers'} | {math.exp(each.log_odds):.2f} |"
        for each in shown
    ]
    head = "| largest contributions | input | the estimate | odds times |\n|---|---|---|---|\n"
    return head + "\n".join(rows)


def _sources(reading: Reading) -> str:
    if not reading.sources:
        return ""
    rows = [
        f"| {field.replace('_', ' ')} | {found.moment.day} | "
        f"{', '.join(_plain(each.reference) for each in found.resources)} |"
        for field, found in reading.sources.items()
    ]
    head = "| input used | as of | source |\n|---|---|---|\n"
    return head + "\n".join(rows)


def _plain(reference: str) -> str:
    """Return a reference without what Markdown or HTML would read as more than text."""
    return _UNSAFE.sub("_", reference)[:80]


def _bulleted(title: str, sentences: list[str]) -> str:
    if not sentences:
        return ""
    return f"{title}:\n\n" + "\n".join(f"- {_without_markup(each)}" for each in sentences)


def _without_markup(sentence: str) -> str:
    return re.sub(r"[<>|`\[\]\n]", "_", sentence)


def _provenance(model: ModelIdentity, reading: Reading, now: datetime) -> str:
    return (
        f"Model {model.name} {model.version}; trained on {model.trained_on}. "
        f"{index_sentence(reading)} Computed "
        f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC; a card that is kept goes stale."
    )
