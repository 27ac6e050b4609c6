"""Elements of FHIR R4 (4.0.1), https://hl7.org/fhir/R4, of all that we emit, and a walk over them.

`fhir.resources` ships R4B; what it allows beyond R4 must not leave the service.
"""

from collections.abc import Iterator
from typing import Any

_DOMAIN = {"id", "meta", "implicitRules", "language", "text", "contained", "extension",
           "modifierExtension"}  # fmt: skip
_ELEMENT = {"id", "extension"}
_BACKBONE = _ELEMENT | {"modifierExtension"}

# Element -> its type; a name that is also a key here is walked, every other is a primitive.
R4: dict[str, dict[str, str]] = {
    "RiskAssessment": {
        "resourceType": "code", "identifier": "Identifier", "basedOn": "Reference",
        "parent": "Reference", "status": "code", "method": "CodeableConcept",
        "code": "CodeableConcept", "subject": "Reference", "encounter": "Reference",
        "occurrenceDateTime": "dateTime", "occurrencePeriod": "Period",
        "condition": "Reference", "performer": "Reference", "reasonCode": "CodeableConcept",
        "reasonReference": "Reference", "basis": "Reference",
        "prediction": "RiskAssessment.prediction", "mitigation": "string", "note": "Annotation",
    },
    "RiskAssessment.prediction": {
        "outcome": "CodeableConcept", "probabilityDecimal": "decimal", "probabilityRange": "Range",
        "qualitativeRisk": "CodeableConcept", "relativeRisk": "decimal", "whenPeriod": "Period",
        "whenRange": "Range", "rationale": "string",
    },
    "Device": {
        "resourceType": "code", "identifier": "Identifier", "definition": "Reference",
        "udiCarrier": "BackboneElement", "status": "code", "statusReason": "CodeableConcept",
        "distinctIdentifier": "string", "manufacturer": "string", "manufactureDate": "dateTime",
        "expirationDate": "dateTime", "lotNumber": "string", "serialNumber": "string",
        "deviceName": "Device.deviceName", "modelNumber": "string", "partNumber": "string",
        "type": "CodeableConcept", "specialization": "BackboneElement",
        "version": "Device.version", "property": "BackboneElement", "patient": "Reference",
        "owner": "Reference", "contact": "ContactPoint", "location": "Reference", "url": "uri",
        "note": "Annotation", "safety": "CodeableConcept", "parent": "Reference",
    },
    "Device.deviceName": {"name": "string", "type": "code"},
    "Device.version": {"type": "CodeableConcept", "component": "Identifier", "value": "string"},
    "OperationOutcome": {"resourceType": "code", "issue": "OperationOutcome.issue"},
    "OperationOutcome.issue": {
        "severity": "code", "code": "code", "details": "CodeableConcept", "diagnostics": "string",
        "location": "string", "expression": "string",
    },
    "Bundle": {
        "resourceType": "code", "identifier": "Identifier", "type": "code", "timestamp": "instant",
        "total": "unsignedInt", "link": "BackboneElement", "entry": "Bundle.entry",
        "signature": "Signature",
    },
    "Bundle.entry": {
        "link": "BackboneElement", "fullUrl": "uri", "resource": "Resource",
        "search": "BackboneElement", "request": "BackboneElement", "response": "BackboneElement",
    },
    "Extension": {
        "url": "uri", "valueDecimal": "decimal", "valueString": "string",
        "valueCodeableConcept": "CodeableConcept",
    },
    "CodeableConcept": {"coding": "Coding", "text": "string"},
    "Coding": {
        "system": "uri", "version": "string", "code": "code", "display": "string",
        "userSelected": "boolean",
    },
    "Identifier": {
        "use": "code", "type": "CodeableConcept", "system": "uri", "value": "string",
        "period": "Period", "assigner": "Reference",
    },
    "Reference": {
        "reference": "string", "type": "uri", "identifier": "Identifier", "display": "string",
    },
    "Annotation": {
        "authorReference": "Reference", "authorString": "string", "time": "dateTime",
        "text": "markdown",
    },
}  # fmt: skip

_SHARED = {"extension": "Extension", "modifierExtension": "Extension", "contained": "Resource"}
ISSUE_CODES = {
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown",
    "expired", "forbidden", "suppressed", "processing", "not-supported", "duplicate",
    "multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension",
    "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store", "exception",
    "timeout", "incomplete", "throttled", "informational",
}  # fmt: skip


def foreign_elements(content: dict[str, Any], kind: str | None = None) -> list[str]:
    """Return the elements that R4 does not have, and empty ones, which it forbids."""
    return list(_walk(content, kind or content["resourceType"]))


def _walk(content: dict[str, Any], kind: str) -> Iterator[str]:
    shared = _DOMAIN if "resourceType" in R4[kind] else _BACKBONE if "." in kind else _ELEMENT
    for name, value in content.items():
        if value in (None, "", [], {}):
            yield f"{kind}.{name} is empty"
        elif name not in shared and name not in R4[kind]:
            yield f"{kind}.{name}"
        below = R4[kind].get(name) or _SHARED.get(name, "")
        for each in value if isinstance(value, list) else [value]:
            if below == "Resource" and each.get("resourceType") in R4:
                yield from _walk(each, each["resourceType"])
            elif below in R4:
                yield from _walk(each, below)


def broken_invariants(assessment: dict[str, Any]) -> list[str]:
    """Return which of ras-1 and ras-2 a RiskAssessment breaks.

    ras-1: low and high of a probability range are percentages; ras-2: a decimal is at most 100.
    """
    broken = []
    for each in assessment.get("prediction", []):
        given = each.get("probabilityRange")
        for bound in ("low", "high"):
            quantity = (given or {}).get(bound)
            if quantity is None:
                continue
            in_percent = (quantity.get("system"), quantity.get("code")) == (
                "http://unitsofmeasure.org", "%",
            )  # fmt: skip
            if not in_percent or not 0 <= quantity.get("value", -1) <= 100:
                broken.append("ras-1")
        if not 0 <= each.get("probabilityDecimal", 0) <= 100:
            broken.append("ras-2")
    return broken
