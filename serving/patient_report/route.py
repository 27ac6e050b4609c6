"""`GET /predictions/{id}/report`: the page about a prediction made earlier, from the ledger."""

from typing import Annotated, Final

import anyio.to_thread
import numpy as np
from fastapi import FastAPI, Path, Request, Response

from data_schemas.errors import ModelError
from data_schemas.prediction import Interval
from serving.ledger.database import LedgerUnavailableError
from serving.ledger.ledger import Ledger
from serving.ledger.lookup import RecordedPrediction
from serving.openapi import refusals
from serving.patient_report.made import MadePrediction
from serving.patient_report.page import POLICY, report_page
from serving.predictor import ResponsePredictor
from serving.recording import caller_of, sees_all
from serving.requests import RequestError

PATH: Final = "/predictions/{prediction_id}/report"
_HEADERS: Final = {
    "content-security-policy": f"{POLICY}; form-action 'none'; frame-ancestors 'none'"
}
_HTML: Final = "text/html"
_PAGE: Final = {"content": {_HTML: {"schema": {"type": "string"}}}, "description": "The page."}
_Id = Annotated[
    str,
    Path(
        description="As the answer named it.",
        examples=["7f2c1e0a-5d0b-4a52-9f7e-0d5c1b1f4a11"],
    ),
]


def add_patient_report(app: FastAPI, predictor: ResponsePredictor, ledger: Ledger | None) -> None:
    """Add the route to an application that keeps a ledger."""
    if ledger is None:
        return

    @app.get(
        PATH,
        response_model=None,
        response_class=Response,
        responses={200: _PAGE, **refusals(404, 409, 422, 429, 503)},
    )
    async def report(request: Request, prediction_id: _Id) -> Response:
        """Return one page about a prediction that this caller asked for, to read and to print."""
        caller = None if sees_all(request) else caller_of(request)
        page = await anyio.to_thread.run_sync(_page, ledger, predictor, prediction_id, caller)
        return Response(page, media_type=_HTML, headers=_HEADERS)


def _page(
    ledger: Ledger, predictor: ResponsePredictor, prediction_id: str, caller: str | None
) -> str:
    """Return the page; with a caller, only where the prediction is that caller's."""
    try:
        found = ledger.find_prediction(prediction_id)
    except LedgerUnavailableError:
        message = "The ledger cannot be read now; try again later."
        raise RequestError(503, "ledger_unavailable", message) from None
    # Not to say that there is one, but another's.
    if found is None or caller not in {None, found.caller}:
        message = "The ledger holds no prediction with this prediction_id that you asked for."
        raise RequestError(404, "unknown_prediction", message)
    models = {each.identity.version: each for each in (predictor, *predictor.landmarks)}
    model = models.get(found.model_version)
    if model is None:
        message = (
            f"The prediction was made by version {found.model_version} of the model, which no "
            "longer answers here, so that it cannot be explained; ask again for this patient."
        )
        raise RequestError(409, "model_replaced", message)
    try:
        return report_page(_made(found, model), model)
    except ModelError as error:
        raise RequestError(409, "not_reproduced", error.message) from None


def _made(found: RecordedPrediction, predictor: ResponsePredictor) -> MadePrediction:
    row = np.array([found.features[name] for name in predictor.feature_names], dtype=np.float64)
    lower, upper, level = found.interval_lower, found.interval_upper, found.interval_level
    interval = None
    if lower is not None and upper is not None and level is not None:
        method = predictor.document.interval.method
        interval = Interval(lower=lower, upper=upper, level=level, method=method)
    return MadePrediction(
        found.prediction_id, found.recorded_at, row, found.probability, interval, found.notices
    )
