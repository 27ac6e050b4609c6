"""The BentoML service: workers, health and metrics around the application of `serving/app.py`.

It is configured by the variables in `serving/settings.py`.
"""

import gc
import os
import sys
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

# BentoML reads it when it is imported; nothing about its use leaves the clinic.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"

import bentoml

from data_schemas.errors import TmsResponseError
from serving.ledger.start import open_ledger
from serving.predictor import ResponsePredictor
from serving.settings import model_folder, n_workers


class _LoadedLater:
    """The application of a worker, which has its model only when the worker starts."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None  # noqa: S101  # a worker listens after it has loaded
        await self.app(scope, receive, send)


_APPLICATION: Final = _LoadedLater()


def _refuse_damaged_model() -> None:
    """Stop before any worker starts, which would fail and be started again without end."""
    try:
        ResponsePredictor.load(model_folder())
        ledger = open_ledger()
        if ledger is not None:
            ledger.close()
    except TmsResponseError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None


class _ModelWorker:
    """Probability of response to TMS; research use only."""

    refuse_damaged_model = bentoml.on_deployment(_refuse_damaged_model)

    def __init__(self) -> None:
        # Only workers need FastAPI; the process that starts them is ready sooner without.
        from serving.app import create_app  # noqa: PLC0415

        _APPLICATION.app = create_app(ResponsePredictor.load(model_folder()), open_ledger())
        # What is loaded stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()


TmsResponseService = bentoml.service(
    name="tms_response",
    workers=n_workers(),
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)(_ModelWorker)
TmsResponseService.mount_asgi_app(_APPLICATION, name="tms-response")
