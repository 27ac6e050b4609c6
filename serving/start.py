"""Starting the service on one machine: `tms-response serve`."""

import os
import socket
import sys
import tempfile
from pathlib import Path

from data_schemas.errors import ServiceError, UsageError
from serving.access.keys import ApiKey, read_keys
from serving.access.local import is_loopback
from serving.champion import ChampionFollower, keep_store_in_place
from serving.model_pointer import point_to
from serving.predictor import ResponsePredictor
from serving.registry import is_alias, resolve_model
from serving.settings import (
    ACCESS_VARIABLE,
    KEYS_VARIABLE,
    MODEL_VARIABLE,
    TOKENS_VARIABLE,
    WORKERS_VARIABLE,
    keys_file,
    reload_seconds,
    tokens_file,
)

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_HIGHEST_PORT = 65535
# A little longer than a request may take; a reader who is slower is cut off.
_SECONDS_TO_FINISH = 65


def serve(
    model: str | Path,
    host: str = "127.0.0.1",
    port: int = 3000,
    workers: int = 1,
    *,
    access: bool = True,
) -> None:
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
    access : bool
        Whether callers must bring a key or token. Without, only this machine is answered, and the
        host must be one of its loopback addresses.

    Raises
    ------
    ModelError
        When there is no such model or it is damaged; nothing has been started then.
    ServiceError
        When the address cannot be listened on.
    ConfigurationError
        When the keys cannot be used.
    UsageError
        When there is to be no worker at all, or the port is no port, or the host is
        not this machine alone and no access is asked for.
    """
    _refuse_wrong_use(host, port, workers, access=access)
    keys = read_keys(keys_file()) if access else {}
    period = reload_seconds()
    folder = resolve_model(model)
    identity = ResponsePredictor.load(folder).identity
    address = _free_address(host, port)
    with tempfile.TemporaryDirectory(prefix="tms-response-service-") as home:
        source = _source(str(model), folder, Path(home), period)
        _configure(source, workers, home, access=access)
        # Workers import `serving` from where they stand; a folder of that name elsewhere would win.
        os.chdir(_PACKAGE_ROOT)
        where = f"[{address}]" if ":" in address else address
        sys.stderr.write(
            f"{identity.name} {identity.version} on http://{where}:{port} (routes: /docs.json). "
            f"Research use only; not a medical device.\n{_how_to_ask(keys, access=access)}\n"
        )
        _serve_until_told(address, port)


def _refuse_wrong_use(host: str, port: int, workers: int, *, access: bool) -> None:
    if workers < 1:
        raise UsageError("A service needs at least 1 worker.")
    if not 1 <= port <= _HIGHEST_PORT:
        raise UsageError(f"A port is a number from 1 to {_HIGHEST_PORT}.")
    if not access and not is_loopback(host):
        raise UsageError(
            "Without access control the service answers this machine alone; give --host "
            "127.0.0.1, or leave --no-access out and make keys with `tms-response key new`."
        )


def _serve_until_told(address: str, port: int) -> None:
    # BentoML reads the environment when it is imported.
    from _bentoml_impl.server import serve_http  # noqa: PLC0415

    from serving.service import TmsResponseService  # noqa: PLC0415

    # What the service's own method of that name does, which takes no time to finish.
    TmsResponseService.inject_config()
    serve_http(
        TmsResponseService, host=address, port=port, timeout_graceful_shutdown=_SECONDS_TO_FINISH
    )


def _source(model: str, folder: Path, home: Path, period: float) -> Path:
    """Return where workers find the model of the moment, and begin to follow an alias."""
    if not is_alias(model):
        # As it was named: it may be a link that comes to mean another folder.
        return Path(model).absolute() if Path(model).is_dir() else folder
    keep_store_in_place()
    pointer = home / "champion"
    point_to(pointer, folder)
    if period:
        ChampionFollower(model, pointer, period).start()
    return pointer


def _how_to_ask(keys: dict[str, ApiKey], *, access: bool) -> str:
    if not access:
        return "Without access control: it answers requests from this machine alone."
    if keys:
        return "Callers send the header 'Authorization: Bearer KEY'."
    program = Path(sys.argv[0])
    command = os.path.relpath(program) if program.name == "tms-response" else "tms-response"
    return f"Nobody has a key yet. Make one, at any time, with: {command} key new --scope predict"


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


def _configure(source: Path, workers: int, home: str, *, access: bool) -> None:
    """Set what BentoML and its workers read from the environment."""
    os.environ[MODEL_VARIABLE] = str(source)
    os.environ[ACCESS_VARIABLE] = "required" if access else "none"
    os.environ[KEYS_VARIABLE] = str(keys_file())
    tokens = tokens_file()
    if tokens is not None:
        os.environ[TOKENS_VARIABLE] = str(tokens)
    os.environ[WORKERS_VARIABLE] = str(workers)
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    # Two services must not share, or wipe, each other's metrics.
    os.environ["BENTOML_HOME"] = home
