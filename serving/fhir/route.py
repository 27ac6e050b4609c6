"""`POST /fhir/risk-assessment`: a Bundle in, a RiskAssessment or an OperationOutcome out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import anyio.to_thread
import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.params import Depends

from data_schemas.errors import DataError
from serving.fhir.codes import Codes
from serving.fhir.outcome import FHIR_JSON
from serving.fhir.reading import Reading, read_patient
from serving.fhir.resources import Resource, bundle_resources
from serving.fhir.settings import FhirSettings
from serving.fhir.writing import risk_assessment
from serving.ledger.entries import Predicted
from serving.predictor import ResponsePredictor
from serving.recording import IDEMPOTENCY_HEADER, PATIENT_HEADER, Answer, Recorder
from serving.requests import parse_json, read_body, refused

PATH: Final = "/fhir/risk-assessment"
_KINDS: Final = (FHIR_JSON, "application/json")


class FhirReader:
    """From FHIR resources to a Patient and its Prediction, for FHIR and CDS Hooks alike.

    Parameters
    ----------
    predictor : ResponsePredictor
    settings : FhirSettings, optional
        From the environment where it is not given.
    """

    def __init__(self, predictor: ResponsePredictor, settings: FhirSettings | None = None) -> None:
        self.settings = settings or FhirSettings.from_environment()
        self.codes = Codes(self.settings.code_system("measure"))
        self.document = predictor.document
        self.identity = predictor.identity
        self.features = predictor.features
        self._predictor = predictor

    def read(self, resources: list[Resource], now: datetime) -> Reading:
        """Return the Patient that one person's resources describe, and his course."""
        models = self._predictor.landmarks
        landmark = models[0].document.landmark if models else None
        return read_patient(
            resources, self.document, self.codes, self.settings, now=now, landmark=landmark
        )

    def predict(self, reading: Reading) -> Predicted:
        """Return the prediction, and what it was made from.

        Raises
        ------
        RequestError
            422 where the model refuses the patient.
        """
        course = reading.course
        model = self._predictor if course is None else self._predictor.at(course)
        try:
            content, row = model.answer(reading.patient, course=course)
        except DataError as error:
            raise refused(error) from None
        return Predicted(content, row, model.feature_names)


def add_fhir(
    app: FastAPI, reader: FhirReader, recorder: Recorder, dependencies: Sequence[Depends] = ()
) -> None:
    """Add the route.

    Parameters
    ----------
    app : FastAPI
    reader : FhirReader
    recorder : Recorder
        Has each prediction before it is answered.
    dependencies : sequence of Depends
        Checked before the route, such as access.
    """
    router = APIRouter(dependencies=list(dependencies))

    @router.post(
        PATH,
        response_model=None,
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=_BODY,
    )
    async def assess(request: Request) -> Response:
        """Answer for the one patient of a FHIR R4 Bundle, with a RiskAssessment."""
        asked = recorder.asked(request)
        body = await read_body(request, _KINDS)
        answer = await anyio.to_thread.run_sync(_assess, reader, body)
        return await recorder.recorded(request, asked, body, answer)

    app.include_router(router)


def _assess(reader: FhirReader, body: bytes) -> Answer:
    now = datetime.now(UTC).astimezone()
    reading = reader.read(bundle_resources(parse_json(body)), now)
    predicted = reader.predict(reading)
    content = risk_assessment(predicted.prediction, reading, reader.settings, now)
    return Answer(Response(orjson.dumps(content), media_type=FHIR_JSON), [predicted])


def _described(name: str, kind: str, description: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "title": name,
        "required": ["resourceType"],
        "properties": {"resourceType": {"const": kind}},
        "externalDocs": {"url": f"https://hl7.org/fhir/R4/{kind.lower()}.html"},
    }
    return {"description": description, "content": {FHIR_JSON: {"schema": schema}}}


_OUTCOME: Final = "OperationOutcome"
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: _described("RiskAssessment", "RiskAssessment", "The prediction, in percent."),
    400: _described(_OUTCOME, _OUTCOME, "The body is empty or not valid JSON."),
    408: _described(_OUTCOME, _OUTCOME, "The body did not arrive in time."),
    413: _described(_OUTCOME, _OUTCOME, "The body is too large."),
    415: _described(_OUTCOME, _OUTCOME, "The body is announced as something else than JSON."),
    422: _described(_OUTCOME, _OUTCOME, "A resource is not valid, or cannot be used."),
    429: _described(_OUTCOME, _OUTCOME, "The caller asks too often."),
    503: _described(_OUTCOME, _OUTCOME, "Nothing can be recorded, or the time is over."),
}
_BODY: Final = {
    "parameters": [IDEMPOTENCY_HEADER, PATIENT_HEADER],
    "requestBody": {
        "required": True,
        "content": _described("Bundle", "Bundle", "")["content"],
    },
}
