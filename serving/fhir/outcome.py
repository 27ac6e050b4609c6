"""OperationOutcome: a refusal as FHIR R4 content, whoever refuses."""

from typing import Any, Final

from serving.fhir.settings import FhirSettings
from serving.requests import RequestError

FHIR_JSON: Final = "application/fhir+json"
_PREFIXES: Final = ("/fhir/", "/v1/fhir/")

# Of https://hl7.org/fhir/R4/valueset-issue-type.html.
_ISSUE_CODES: Final = {
    "invalid_json": "structure",
    "empty_body": "structure",
    "duplicate_field": "structure",
    "invalid_fhir": "structure",
    "unsupported_media_type": "not-supported",
    "unsupported_encoding": "not-supported",
    "body_too_large": "too-long",
    "missing_required": "required",
    "incomplete_items": "incomplete",
    "not_one_patient": "required",
    "no_reference": "required",
    "duplicate": "duplicate",
    "conflict": "conflict",
    "wrong_unit": "value",
    "wrong_value": "value",
    "invalid_patient": "value",
    "unauthenticated": "login",
    "forbidden": "forbidden",
    "not_local": "forbidden",
    "not_found": "not-found",
    "method_not_allowed": "not-supported",
    "invalid_parameter": "not-supported",
    "modifier_unknown": "extension",
    "too_many_requests": "throttled",
    "too_many_refusals": "throttled",
    "long_bodies_waiting": "throttled",
    "request_timeout": "timeout",
    "timed_out": "timeout",
    "ledger_unavailable": "no-store",
    "internal_error": "exception",
}
_OTHER_ISSUE: Final = "business-rule"
_LONGEST_EXPRESSION: Final = 120
_LISTED: Final = 50


def speaks_fhir(path: str) -> bool:
    """Return whether who asks for a path expects resources of FHIR."""
    return path.startswith(_PREFIXES)


def operation_outcome(error: RequestError, settings: FhirSettings) -> dict[str, Any]:
    """Return a refusal as an OperationOutcome, one issue for each problem, without any value."""
    body = error.body().error
    details = {
        "coding": [{"system": settings.code_system("error"), "code": body.code}],
        "text": body.message,
    }
    shared: dict[str, Any] = {
        "severity": "error",
        "code": _ISSUE_CODES.get(body.code, _OTHER_ISSUE),
        "details": details,
    }
    issues: list[dict[str, Any]] = []
    for problem in error.problems:
        allowed = f" (allowed: {problem.allowed})" if problem.allowed else ""
        issue = {**shared, "diagnostics": f"{problem.problem}{allowed}"}
        if problem.field.startswith("Bundle"):
            issue["expression"] = [problem.field[:_LONGEST_EXPRESSION]]
        else:
            issue["diagnostics"] = f"{problem.field[:_LONGEST_EXPRESSION]} {issue['diagnostics']}"
        issues.append(issue)
    return {"resourceType": "OperationOutcome", "issue": issues[:_LISTED] or [shared]}
