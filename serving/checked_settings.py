"""All that the service is set to, read before anything fails by it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from data_schemas.errors import TmsResponseError
from serving.access.gate import gate_of_settings
from serving.course import refuse_landmark_alone
from serving.fhir.settings import FhirSettings
from serving.ledger.start import open_ledger
from serving.model_pointer import pointed_folder
from serving.predictor import ResponsePredictor
from serving.settings import (
    cors_origins,
    log_requests,
    model_source,
    n_workers,
    reload_seconds,
    requests_per_minute,
    seconds_per_request,
)


def check_settings() -> None:
    """Read every setting as a worker does: one that fails by it is started again for ever.

    Raises
    ------
    TmsResponseError
        Of the first that is wrong, or of a model, keys or a ledger that cannot be used.
    """
    log_requests()
    n_workers()
    refuse_landmark_alone(ResponsePredictor.load(pointed_folder(model_source())).document)
    reload_seconds()
    requests_per_minute()
    seconds_per_request()
    cors_origins()
    FhirSettings.from_environment()
    gate_of_settings()
    ledger = open_ledger()
    if ledger is not None:
        ledger.close()


@contextmanager
def ended_with_a_sentence() -> Iterator[None]:
    """End the process where a setting is wrong, as commands do, and not with a traceback."""
    try:
        yield
    except TmsResponseError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None
