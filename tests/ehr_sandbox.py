"""A scripted EHR: it discovers services, fills their prefetch templates, calls them, reports back.

It knows CDS Hooks and a store of FHIR resources, and nothing of how the services are made.
"""

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from served_models import ask
from starlette.types import ASGIApp

Content = dict[str, Any]


@dataclass
class EhrSandbox:
    """One EHR with the resources of one person.

    Attributes
    ----------
    app : ASGIApp
        The service that is called.
    resources : list of dict
        What the EHR's FHIR server would hold.
    asked : list of str
        The queries that were carried out.
    """

    app: ASGIApp
    resources: list[Content]
    asked: list[str] = field(default_factory=list)

    @property
    def patient_id(self) -> str:
        """The person who is being looked at."""
        [person] = [each for each in self.resources if each["resourceType"] == "Patient"]
        return str(person["id"])

    def discover(self) -> dict[str, Content]:
        """Return the services by id."""
        response = ask(self.app, "GET", "/cds-services")
        assert response.status_code == 200
        return {each["id"]: each for each in response.json()["services"]}

    def context(self, **more: Any) -> Content:
        """Return the context of a hook."""
        return {"userId": "Practitioner/example", "patientId": self.patient_id, **more}

    def prefetch(self, service: Content) -> Content:
        """Carry out the queries of a service's templates."""
        return {key: self._search(query) for key, query in service["prefetch"].items()}

    def body(self, service: Content, **more: Any) -> Content:
        """Return the body of a call."""
        return {
            "hook": service["hook"],
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": "https://ehr.invalid/r4",
            "fhirAuthorization": {
                "access_token": "planted-token", "token_type": "Bearer", "expires_in": 300,
                "scope": "patient/*.rs", "subject": "tms-response",
            },
            "context": self.context(**more),
            "prefetch": self.prefetch(service),
        }  # fmt: skip

    def call(self, identifier: str, **more: Any) -> httpx.Response:
        """Discover a service, prefetch for it and call it."""
        service = self.discover()[identifier]
        return self.post(identifier, self.body(service, **more))

    def post(self, identifier: str, body: object) -> httpx.Response:
        """Send a body to a service."""
        return ask(self.app, "POST", f"/cds-services/{identifier}", record=body)

    def report(self, identifier: str, card: str, /, **changes: Any) -> httpx.Response:
        """Send feedback on a card."""
        entry = {
            "card": card,
            "outcome": "overridden",
            "overrideReason": {"reason": {"code": "disagree", "system": "x"}},
            "outcomeTimestamp": datetime.now(UTC).isoformat(),
            **changes,
        }
        body = {"feedback": [{key: value for key, value in entry.items() if value is not None}]}
        return ask(self.app, "POST", f"/cds-services/{identifier}/feedback", record=body)

    def _search(self, template: str) -> Content | None:
        query = re.sub(r"\{\{context\.patientId\}\}", self.patient_id, template)
        assert "{{" not in query, "a token that this EHR does not know"
        self.asked.append(query)
        kind, _, parameters = query.partition("?")
        if not parameters:
            kind, _, identifier = query.partition("/")
            matching = [each for each in self._of(kind) if each["id"] == identifier]
            return matching[0] if matching else None
        wanted = parse_qs(parameters)
        assert set(wanted) <= {"patient", "code", "status", "clinical-status", "_sort", "_count"}
        found = [each for each in self._of(kind) if self._matches(each, wanted)]
        entries = [{"resource": each, "search": {"mode": "match"}} for each in found]
        return {"resourceType": "Bundle", "type": "searchset", "total": len(found)} | (
            {"entry": entries} if entries else {}
        )

    def _of(self, kind: str) -> list[Content]:
        return [each for each in self.resources if each["resourceType"] == kind]

    def _matches(self, resource: Content, wanted: dict[str, list[str]]) -> bool:
        assert wanted["patient"] == [self.patient_id]
        if "status" in wanted and resource["status"] not in wanted["status"][0].split(","):
            return False
        if "code" not in wanted:
            return True
        tokens = set(wanted["code"][0].split(","))
        codings = resource["code"]["coding"]
        return any(f"{each['system']}|{each['code']}" in tokens for each in codings)
