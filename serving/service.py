"""The BentoML service: workers, health and metrics around the application of `serving/app.py`.

It is configured by the variables in `serving/settings.py`.
"""

import gc
import os
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

# BentoML reads it when it is imported; nothing about its use leaves the clinic.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
# Workers inherit it: a batch has one thread, and leaves the other cores to single patients.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import bentoml
from _bentoml_sdk import Service  # type: ignore[import-untyped]

from serving.access.callers import Caller, Need
from serving.access.gate import Gate, gate_of_settings
from serving.checked_settings import check_settings, ended_with_a_sentence
from serving.ledger.start import open_ledger
from serving.logs import configure_logs
from serving.model_pointer import pointed_folder
from serving.replaced_workers import replace_workers_soon
from serving.settings import (
    cors_origins,
    log_requests,
    model_source,
    n_workers,
    reload_seconds,
)

_HEALTH: Final = frozenset({"/livez", "/readyz", "/healthz"})


class _LoadedLater:
    """The application of a worker, which has its model only when the worker starts."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None  # noqa: S101  # a worker listens after it has loaded
        await self.app(scope, receive, send)


class _GateLater:
    """The access check of a worker, which is made when the worker starts, with what it needs."""

    def __init__(self) -> None:
        self.gate: Gate | None = None

    async def admit(self, scope: Scope, label: str, need: Need) -> Caller:
        assert self.gate is not None  # noqa: S101  # as above
        return await self.gate.admit(scope, label, need)


_APPLICATION: Final = _LoadedLater()
_GATE: Final = _GateLater()


def _prepare_workers() -> None:
    """Refuse bad settings before a worker fails by them, and have those that end replaced soon."""
    # BentoML has just set logs up in its own way.
    configure_logs(requests=log_requests())
    with ended_with_a_sentence():
        check_settings()
    replace_workers_soon()


class _ModelWorker:
    """Probability of response to TMS; research use only."""

    prepare_workers = bentoml.on_deployment(_prepare_workers)

    def __init__(self) -> None:
        # Only workers need FastAPI; the process that starts them is ready sooner without.
        from serving.app import create_app  # noqa: PLC0415
        from serving.current_model import CurrentModel, ModelWatcher  # noqa: PLC0415
        from serving.limits import limiter_of_settings  # noqa: PLC0415
        from serving.metrics import CountedPredictor, forget_dead_workers  # noqa: PLC0415

        forget_dead_workers()
        source, ledger = model_source(), open_ledger(apart=True)
        _GATE.gate = gate_of_settings(used=ledger)
        limiter = limiter_of_settings(ledger)
        current = CurrentModel(
            CountedPredictor.load(pointed_folder(source)),
            lambda predictor: create_app(predictor, ledger, limiter),
        )
        _APPLICATION.app = current
        # What is loaded stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        # A request makes hundreds of objects, and next to no cycle of them to be collected.
        gc.set_threshold(10_000)
        if reload_seconds():
            ModelWatcher(current, source, reload_seconds()).start()


class _FrontedService(Service[_ModelWorker]):  # type: ignore[misc]
    """A service whose workers ask our access check first, and BentoML's own routes for health only.

    BentoML's middlewares cost every request some 150 microseconds, and its time limit answers in a
    shape of its own; ours is in `serving/time_limit.py`.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the application of a worker."""
        from serving.front import Front, for_origins  # noqa: PLC0415
        from serving.http_protocol import bound_http  # noqa: PLC0415

        bound_http()
        of_bentoml: ASGIApp = super().to_asgi(is_main)

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            ours = scope["type"] == "http" and scope["path"] not in _HEALTH
            await (_APPLICATION if ours else of_bentoml)(scope, receive, send)

        front, origins = Front(inner, _GATE), cors_origins()
        return for_origins(front, origins) if origins else front


with ended_with_a_sentence():
    # What is read when this is imported, before `_prepare_workers`.
    configure_logs(requests=log_requests())
    _N_WORKERS: Final = n_workers()
TmsResponseService = bentoml.service(
    name="tms_response",
    service_class=_FrontedService,
    workers=_N_WORKERS,
    logging={"access": {"enabled": False}},
    # Ours are in `serving/metrics.py`.
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
)(_ModelWorker)
# Where a health route is asked by another method, the refusal has our shape.
TmsResponseService.mount_asgi_app(_APPLICATION, name="tms-response")
