"""The services, each with an id of its own, and what the EHR is asked to send along.

Two of them stand on one hook; a call is answered by the service of its address, never by its hook.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from serving.fhir.codes import Codes

PATIENT: Final = "patient"
Hook = Literal["patient-view", "order-select"]


@dataclass(frozen=True)
class CdsService:
    """One service.

    Attributes
    ----------
    id : str
    hook : str
    title, description : str
    card : str
        `prediction`, or `inputs` for what the model would know.
    """

    id: str
    hook: Hook
    title: str
    description: str
    card: Literal["prediction", "inputs"]


SERVICES: Final = (
    CdsService(
        id="tms-response",
        hook="patient-view",
        title="Response to TMS",
        description="Estimates the probability of response to TMS for depression, with its "
        "stability interval, base rate and reasons. Research use only; not a medical device.",
        card="prediction",
    ),
    CdsService(
        id="tms-response-inputs",
        hook="patient-view",
        title="Inputs of the TMS model",
        description="Lists which inputs of the TMS response model the record holds, how recent "
        "they are and which are missing, before TMS is ordered. Research use only.",
        card="inputs",
    ),
    CdsService(
        id="tms-response-order",
        hook="order-select",
        title="Response to the TMS being ordered",
        description="Estimates the probability of response when an order of TMS is selected; "
        "answers no other order. Research use only; not a medical device.",
        card="prediction",
    ),
)


def prefetch_templates(codes: Codes) -> dict[str, str]:
    """Return the FHIR queries whose answers a service needs, by key."""
    of_patient = "patient={{context.patientId}}"
    measured = ",".join(f"{system}|{code}" for system, code in codes.observed_codes())
    tms = ",".join(f"{codes.table.systems.cpt}|{code}" for code in codes.table.tms.codes)
    return {
        PATIENT: "Patient/{{context.patientId}}",
        "observations": f"Observation?{of_patient}&code={measured}&_sort=-date&_count=200",
        "questionnaires": f"QuestionnaireResponse?{of_patient}&_sort=-authored&_count=50",
        "conditions": f"Condition?{of_patient}&clinical-status=active,recurrence,relapse",
        "medicationRequests": f"MedicationRequest?{of_patient}&status=active",
        "medicationStatements": f"MedicationStatement?{of_patient}&status=active",
        "sessions": f"Procedure?{of_patient}&code={tms}",
        "orders": f"ServiceRequest?{of_patient}&code={tms}",
    }


def discovery(codes: Codes) -> dict[str, list[dict[str, Any]]]:
    """Return what `GET /cds-services` answers."""
    templates = prefetch_templates(codes)
    return {
        "services": [
            {
                "id": each.id,
                "hook": each.hook,
                "title": each.title,
                "description": each.description,
                "prefetch": templates,
                "usageRequirements": "Reads the prefetch only and never calls the FHIR server; "
                "every query of the prefetch should be answered.",
            }
            for each in SERVICES
        ]
    }
