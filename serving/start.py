"""Starting the service on one machine: `tms-response serve`."""

import os
import socket
import sys
import tempfile
from pathlib import Path

from data_schemas.errors import ServiceError, UsageError
from serving.predictor import ResponsePredictor
from serving.registry import resolve_model
from serving.settings import MODEL_VARIABLE, WORKERS_VARIABLE

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_HIGHEST_PORT = 65535


def serve(model: str | Path, host: str = "127.0.0.1", port: int = 3000, workers: int = 1) -> None:
    """Serve a model over HTTP until the process is told to stop.

    Parameters
    ----------
    model : str or Path
        A folder, or `models:/NAME@ALIAS`; see `serving.registry.resolve_model`.
    host : str
        Address or name to listen on.
    port : int
        1 to 65535.
    workers : int
        Processes that answer; at least 1.

    Raises
    ------
    ModelError
        When there is no such model or it is damaged; nothing has been started then.
    ServiceError
        When the address cannot be listened on.
    UsageError
        When there is to be no worker at all, or the port is no port.
    """
    if workers < 1:
        raise UsageError("A service needs at least 1 worker.")
    if not 1 <= port <= _HIGHEST_PORT:
        raise UsageError(f"A port is a number from 1 to {_HIGHEST_PORT}.")
    folder = resolve_model(model)
    identity = ResponsePredictor.load(folder).identity
    address = _free_address(host, port)
    with tempfile.TemporaryDirectory(prefix="tms-response-service-") as home:
        _configure(folder, workers, home)
        # Workers import `serving` from where they stand; a folder of that name elsewhere would win.
        os.chdir(_PACKAGE_ROOT)
        # BentoML reads the environment when it is imported.
        from serving.service import TmsResponseService  # noqa: PLC0415

        where = f"[{address}]" if ":" in address else address
        sys.stderr.write(
            f"{identity.name} {identity.version} on http://{where}:{port} (routes: /docs.json). "
            "Research use only; not a medical device.\n"
        )
        TmsResponseService.serve_http(host=address, port=port)


def _free_address(host: str, port: int) -> str:
    """Return the numeric address of a host on which the port is free."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServiceError(
            f"The service cannot listen on {host}, port {port}: {reason}. "
            "Choose another with --host or --port."
        ) from None
    return str(address[0])


def _configure(folder: Path, workers: int, home: str) -> None:
    """Set what BentoML and its workers read from the environment."""
    os.environ[MODEL_VARIABLE] = str(folder)
    os.environ[WORKERS_VARIABLE] = str(workers)
    # Two services must not share, or wipe, each other's metrics.
    os.environ["BENTOML_HOME"] = home
