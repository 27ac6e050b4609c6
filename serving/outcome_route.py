"""`POST /outcomes`: what happened to a patient predicted earlier."""

from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from data_schemas.errors import field_problems
from data_schemas.outcome_report import OutcomeReceipt, OutcomeReport
from serving.ledger.database import LedgerUnavailableError
from serving.ledger.ledger import Ledger
from serving.ledger.outcomes import UnfitOutcomeError, UnknownPredictionError
from serving.openapi import refusals
from serving.openapi_examples import EXAMPLE_OUTCOME, EXAMPLE_RECEIPT
from serving.recording import caller_of, ledger_unavailable
from serving.requests import RequestError, parse_json, read_body

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{OutcomeReport.__name__}"},
                "example": EXAMPLE_OUTCOME.model_dump(mode="json", exclude_defaults=True),
            }
        },
    }
}


def _receipt(status: str, description: str) -> dict[str, Any]:
    example = {**EXAMPLE_RECEIPT.model_dump(mode="json"), "status": status}
    content = {"application/json": {"example": example}}
    return {"model": OutcomeReceipt, "description": description, "content": content}


def add_outcomes(app: FastAPI, ledger: Ledger | None) -> None:
    """Add the route to an application that keeps a ledger."""
    if ledger is None:
        return

    @app.post(
        "/outcomes",
        response_model=None,
        status_code=201,
        responses={
            200: _receipt("unchanged", "Known already, or a correction."),
            201: _receipt("recorded", "The first report of this outcome."),
            **refusals(400, 404, 413, 415, 422, 503),
        },
        openapi_extra=_BODY,
    )
    async def outcomes(request: Request) -> Response:
        """Record what happened; a report that differs from an earlier one corrects it."""
        report = _report(await read_body(request))
        caller = caller_of(request)
        receipt = await anyio.to_thread.run_sync(_recorded, ledger, report, caller)
        status = 201 if receipt.status == "recorded" else 200
        return Response(receipt.model_dump_json(), status, media_type="application/json")


def _report(body: bytes) -> OutcomeReport:
    parse_json(body)  # stricter than pydantic's own parser
    try:
        return OutcomeReport.model_validate_json(body, strict=True)
    except ValidationError as error:
        message = "The outcome is not valid; nothing was recorded."
        problems = tuple(field_problems(error))
        raise RequestError(422, "invalid_outcome", message, problems) from None


def _recorded(ledger: Ledger, report: OutcomeReport, caller: str) -> OutcomeReceipt:
    try:
        return ledger.record_outcome(report, caller)
    except UnknownPredictionError as error:
        raise RequestError(404, "unknown_prediction", error.message) from None
    except UnfitOutcomeError as error:
        raise RequestError(422, "unfit_outcome", error.message, error.problems) from None
    except LedgerUnavailableError:
        raise ledger_unavailable() from None
