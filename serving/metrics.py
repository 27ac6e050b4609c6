"""What `/metrics` tells Prometheus about all workers together.

Labels are routes, codes and model versions from lists of our own. BentoML's own metrics are off:
they make a label of every path that somebody asks for, whatever stands in it.
"""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from data_schemas.course import Course
from data_schemas.errors import DataError
from data_schemas.patient import Patient
from serving.answer_content import Content
from serving.booster_text import FloatArray
from serving.predictor import ResponsePredictor

_SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

PREDICTIONS: Final = Counter(
    "tms_response_predictions", "Patients answered, abstentions included.", ["version"]
)
ABSTENTIONS: Final = Counter(
    "tms_response_abstentions", "Patients for whom no probability was given.", ["version"]
)
REFUSALS: Final = Counter(
    "tms_response_refusals", "Requests, and patients of a batch, that were refused.", ["code"]
)
RELOADS: Final = Counter(
    "tms_response_model_reloads", "New models that were taken or refused.", ["result"]
)
REQUEST_SECONDS: Final = Histogram(
    "tms_response_request_seconds", "From the head of a request to the end of its answer.",
    ["route"], buckets=_BUCKETS,
)  # fmt: skip
MODEL: Final = Gauge(
    "tms_response_model", "Workers that answer with this model.", ["name", "version"],
    multiprocess_mode="livesum",
)  # fmt: skip

_SECONDS_BY_ROUTE: Final[dict[str, Histogram]] = {}


def observe_request(route: str, seconds: float) -> None:
    """Count a request and how long it took."""
    child = _SECONDS_BY_ROUTE.get(route)
    if child is None:
        # Looking a label up costs more than counting.
        child = _SECONDS_BY_ROUTE[route] = REQUEST_SECONDS.labels(route)
    child.observe(seconds)


class CountedPredictor(ResponsePredictor):
    """A predictor that counts its answers, whichever route asks it."""

    def answer(
        self, patient: Patient, *, explain: bool = True, course: Course | None = None
    ) -> tuple[Content, FloatArray]:
        """Answer for one patient, and count it; `predict` goes through here too."""
        content, row = super().answer(patient, explain=explain, course=course)
        self._count(content)
        return content, row

    def answer_many(
        self, patients: Sequence[Patient], *, explain: bool = True
    ) -> list[tuple[Content, FloatArray] | DataError]:
        """Answer for several patients, and count them."""
        answers = super().answer_many(patients, explain=explain)
        for each in answers:
            if not isinstance(each, DataError):
                self._count(each[0])
        return answers

    def _count(self, content: Content) -> None:
        self._counter.inc()
        if content["abstained"]:
            ABSTENTIONS.labels(self.identity.version).inc()

    @cached_property
    def _counter(self) -> Counter:
        return PREDICTIONS.labels(self.identity.version)


def show_model(new: ResponsePredictor, old: ResponsePredictor | None = None) -> None:
    """Say which model this worker answers with from now on."""
    if old is not None:
        MODEL.labels(old.identity.name, old.identity.version).set(0)
    MODEL.labels(new.identity.name, new.identity.version).set(1)


def forget_dead_workers() -> None:
    """Remove the gauges of workers that were killed; a new worker calls this when it starts."""
    folder = os.environ.get(_SHARED_FOLDER)
    for path in Path(folder).glob("gauge_live*_*.db") if folder else ():
        process = path.stem.rpartition("_")[2]
        if process.isdecimal() and not Path("/proc", process).exists():
            mark_process_dead(int(process))  # type: ignore[no-untyped-call]


def add_metrics(app: FastAPI) -> None:
    """Serve `/metrics`: of all workers where they share a folder, else of this process."""

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        """Return the counters in the text format of Prometheus."""
        registry = REGISTRY
        if os.environ.get(_SHARED_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
