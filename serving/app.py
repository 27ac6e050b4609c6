"""The HTTP interface: one FastAPI application around one model."""

from typing import Annotated, Final

import anyio
import anyio.to_thread
from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel
from starlette.types import ASGIApp

from data_schemas.prediction import ErrorBody, Prediction
from serving.answering import answer_batch, answer_one, answer_upload
from serving.card_route import add_card
from serving.cds_hooks.feedback import LedgerFeedbackStore, MemoryFeedbackStore
from serving.cds_hooks.route import add_cds_hooks
from serving.course import refuse_landmark_alone
from serving.direct_route import DirectRoute
from serving.failures import add_error_handlers
from serving.fhir.route import FhirReader, add_fhir
from serving.ledger.ledger import Ledger
from serving.limits import limited
from serving.metrics import add_metrics
from serving.model_card import ModelCard, model_card
from serving.multipart import is_multipart
from serving.openapi import batch_body, complete_openapi, patient_body, refusals
from serving.outcome_route import add_outcomes
from serving.pages.clinician import add_clinician_page
from serving.patient_report.route import add_patient_report
from serving.predictor import ResponsePredictor
from serving.query import refuse_unknown_parameters
from serving.rate_limit import RateLimiter
from serving.recording import IDEMPOTENCY_HEADER, PATIENT_HEADER, Recorder
from serving.requests import read_body
from serving.uploads import read_upload, uploaded_bytes

# A connectome takes tens of milliseconds to read; it must not hold up the others.
_LARGE_BODY_BYTES: Final = 64 * 1024
_STATUSES: Final = (400, 408, 413, 415, 422, 429, 503)
_Explain = Annotated[bool, Query(description="Whether to name what each input contributed.")]
_Answers = list[Prediction | ErrorBody]


def create_app(
    predictor: ResponsePredictor,
    ledger: Ledger | None = None,
    rate_limiter: RateLimiter | None = None,
) -> ASGIApp:
    """Return the application that answers with this model.

    Parameters
    ----------
    predictor : ResponsePredictor
        Shared by all requests, and never changed.
    ledger : Ledger or None
        Every prediction is in it before it is answered; with None, predictions are not kept.
    rate_limiter : RateLimiter, optional
        Counts the requests of each caller, and outlasts this application; see `limited`.

    Raises
    ------
    ModelError
        For a model of the course of treatment without the one before treatment.
    """
    return limited(DirectRoute(create_routes(predictor, ledger), "/predict"), rate_limiter)


def create_routes(predictor: ResponsePredictor, ledger: Ledger | None = None) -> FastAPI:
    """Return the routes of the application and their description, without limits around them."""
    refuse_landmark_alone(predictor.document)
    recorder = Recorder(ledger)
    app = FastAPI(
        title="tms-response",
        description="Probability of response to TMS, with its uncertainty, reasons and "
        "reservations. Research use only; not a medical device.",
        version=predictor.identity.version,
        openapi_url=None,  # served by `complete_openapi`
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown_parameters)],
        # Nothing about its use leaves the clinic.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    _add_predict(app, predictor, recorder)
    add_error_handlers(app)
    add_metrics(app)
    _add_predict_batch(app, predictor, recorder)
    add_outcomes(app, ledger)
    add_patient_report(app, predictor, ledger)
    _add_model(app, predictor)
    add_clinician_page(app, predictor)
    add_card(app, predictor)
    reader = FhirReader(predictor)
    add_fhir(app, reader, recorder)
    store = MemoryFeedbackStore() if ledger is None else LedgerFeedbackStore(ledger)
    add_cds_hooks(app, reader, recorder, store)
    complete_openapi(app, predictor)
    return app


def _add_predict(app: FastAPI, predictor: ResponsePredictor, recorder: Recorder) -> None:
    @app.post(
        "/predict",
        response_model=None,
        responses={200: {"model": Prediction}, **refusals(*_STATUSES)},
        openapi_extra={
            **patient_body(predictor),
            "parameters": [IDEMPOTENCY_HEADER, PATIENT_HEADER],
        },
    )
    async def predict(request: Request, explain: _Explain = True) -> Response:
        """Answer for one patient."""
        asked = recorder.asked(request)
        if is_multipart(request):
            parts = await read_upload(request)
            answer = await anyio.to_thread.run_sync(
                answer_upload, predictor, parts, explain, abandon_on_cancel=True
            )
            return await recorder.recorded(request, asked, uploaded_bytes(parts), answer)
        body = await read_body(request)
        if len(body) > _LARGE_BODY_BYTES:
            answer = await anyio.to_thread.run_sync(
                answer_one, predictor, body, explain, abandon_on_cancel=True
            )
        else:
            answer = answer_one(predictor, body, explain)
        return await recorder.recorded(request, asked, body, answer)


def _add_predict_batch(app: FastAPI, predictor: ResponsePredictor, recorder: Recorder) -> None:
    # One batch at a time, so that single patients share a worker with one thread at most.
    one_at_a_time = anyio.CapacityLimiter(1)

    @app.post(
        "/predict_batch",
        response_model=None,
        responses={200: {"model": _Answers}, **refusals(*_STATUSES)},
        openapi_extra={**batch_body(predictor), "parameters": [IDEMPOTENCY_HEADER]},
    )
    async def predict_batch(request: Request, explain: _Explain = True) -> Response:
        """Answer for up to 1,000 patients, in order, with an error object where one is bad."""
        asked = recorder.asked_of_many(request)
        body = await read_body(request)
        answer = await anyio.to_thread.run_sync(
            answer_batch, predictor, body, explain, abandon_on_cancel=True, limiter=one_at_a_time
        )
        return await recorder.recorded(request, asked, body, answer)


def _add_model(app: FastAPI, predictor: ResponsePredictor) -> None:
    card = _json(model_card(predictor))

    @app.get(
        "/model", response_model=None, responses={200: {"model": ModelCard}, **refusals(429, 503)}
    )
    async def model() -> Response:
        """Return the model card."""
        return card


def _json(content: BaseModel) -> Response:
    return Response(content.model_dump_json(), media_type="application/json")
