"""RiskAssessment: a prediction as FHIR R4 content.

`probabilityDecimal` is in percent, as R4's invariant ras-2 has it: 47.0 and not 0.47. A decimal and
a range cannot stand together there, so the stability interval is an extension.
"""

from datetime import datetime
from typing import Any, Final

from data_schemas.prediction import Contribution, Prediction
from serving.fhir.reading import Reading
from serving.fhir.settings import FhirSettings

Content = dict[str, Any]

INTERVAL_EXTENSION: Final = "stability-interval"
BASE_RATE_EXTENSION: Final = "base-rate"
ABSTENTION_EXTENSION: Final = "abstention-reason"

# A percentage with four decimals is a probability to 1e-6.
_DECIMALS: Final = 4
_SHOWN_CONTRIBUTIONS: Final = 5
_DEVICE: Final = "service"


def percent(probability: float) -> float:
    """Return a probability in percent."""
    return round(100 * probability, _DECIMALS)


def risk_assessment(
    prediction: Prediction, reading: Reading, settings: FhirSettings, now: datetime
) -> Content:
    """Return a prediction as a RiskAssessment.

    Parameters
    ----------
    prediction : Prediction
    reading : Reading
        Of the resources that it rests on.
    settings : FhirSettings
        Names our own code systems and extensions.
    now : datetime
        When it was made.
    """
    content: Content = {
        "resourceType": "RiskAssessment",
        "id": prediction.prediction_id,
        "contained": [_device(prediction, settings)],
        "status": "final",
        "method": _method(prediction, settings),
        "subject": {"reference": reading.subject},
        "occurrenceDateTime": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "performer": {"reference": f"#{_DEVICE}"},
        "prediction": [_prediction(prediction, settings)],
        "note": [{"text": text} for text in _notes(prediction, reading)],
    }
    if reading.basis:
        content["basis"] = [{"reference": reference} for reference in reading.basis]
    return content


def _method(prediction: Prediction, settings: FhirSettings) -> Content:
    model = prediction.model
    coding = {
        "system": settings.code_system("model"),
        "version": model.version,
        "code": model.name,
    }
    return {"coding": [coding], "text": f"{model.name} {model.version}"}


def _device(prediction: Prediction, settings: FhirSettings) -> Content:
    model = prediction.model
    return {
        "resourceType": "Device",
        "id": _DEVICE,
        "identifier": [{"system": settings.code_system("model"), "value": model.name}],
        "deviceName": [{"name": "tms-response", "type": "user-friendly-name"}],
        "version": [{"value": model.version}],
        "note": [
            {"text": f"Research use only; not a medical device. Trained on {model.trained_on}"}
        ],
    }


def _prediction(prediction: Prediction, settings: FhirSettings) -> Content:
    outcome = prediction.outcome
    content: Content = {
        "extension": [
            {
                "url": settings.extension(BASE_RATE_EXTENSION),
                "valueDecimal": percent(prediction.base_rate),
            }
        ],
        "outcome": {
            "coding": [{"system": settings.code_system("outcome"), "code": outcome.instrument}],
            "text": outcome.definition,
        },
    }
    if prediction.response_probability is None:
        content["extension"].append(_abstention(prediction, settings))
        return content
    content["probabilityDecimal"] = percent(prediction.response_probability)
    if prediction.interval is not None:
        content["extension"].append(_interval(prediction, settings))
    if prediction.contributions:
        content["rationale"] = rationale(prediction.contributions)
    return content


def _interval(prediction: Prediction, settings: FhirSettings) -> Content:
    interval = prediction.interval
    assert interval is not None  # noqa: S101  # only asked for where there is one
    return {
        "url": settings.extension(INTERVAL_EXTENSION),
        "extension": [
            {"url": "lower", "valueDecimal": percent(interval.lower)},
            {"url": "upper", "valueDecimal": percent(interval.upper)},
            {"url": "level", "valueDecimal": percent(interval.level)},
            {"url": "method", "valueString": interval.method},
        ],
    }


def _abstention(prediction: Prediction, settings: FhirSettings) -> Content:
    reason = prediction.notices[0]
    coding = {"system": settings.code_system("reason"), "code": reason.code}
    return {
        "url": settings.extension(ABSTENTION_EXTENSION),
        "valueCodeableConcept": {"coding": [coding], "text": reason.message},
    }


def rationale(contributions: tuple[Contribution, ...]) -> str:
    """Return the largest contributions in words."""
    shown = [each for each in contributions[:_SHOWN_CONTRIBUTIONS] if each.log_odds != 0]
    if not shown:
        return "No input moved the probability."
    parts = [
        f"{each.label} ({'raises' if each.log_odds > 0 else 'lowers'}, {each.log_odds:+.2f})"
        for each in shown
    ]
    return (
        "Largest contributions, in log-odds: " + "; ".join(parts) + ". Associations, not causes; "
        "not a reason to change a medication."
    )


def _notes(prediction: Prediction, reading: Reading) -> list[str]:
    texts = [notice.message for notice in prediction.notices]
    texts += [
        index_sentence(reading),
        *unused_sentences(reading),
    ]
    if reading.suicidal:
        texts.insert(0, SUICIDAL_IDEATION)
    return texts


def index_sentence(reading: Reading) -> str:
    """Return the index date, and what was used that is later."""
    if reading.treatment is None or reading.course is None:
        return f"Index date: {reading.index.day}. Nothing later was used."
    last = reading.treatment.sources[-1].moment.day
    return (
        f"Index date: {reading.index.day}, the first session. Of what is later, the scores of the "
        f"course were used and nothing else, by days since then; the last is of {last}."
    )


SUICIDAL_IDEATION: Final = (
    "Suicidal ideation is recorded in the input. It is shown here and never withholds an answer; "
    "follow the clinic's procedure."
)


def unused_sentences(reading: Reading) -> list[str]:
    """Return which resources were not used, by reason."""
    by_reason: dict[str, list[str]] = {}
    for each in reading.unused:
        references = by_reason.setdefault(each.reason, [])
        if each.reference not in references:
            references.append(each.reference)
    return [
        f"Not used ({reason}): {', '.join(references)}." for reason, references in by_reason.items()
    ]
