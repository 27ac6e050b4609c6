"""What the service reads from its environment."""

import os
import re
from pathlib import Path
from typing import Final

from data_schemas.errors import ConfigurationError

MODEL_VARIABLE: Final = "TMS_RESPONSE_MODEL"
WORKERS_VARIABLE: Final = "TMS_RESPONSE_WORKERS"
LEDGER_VARIABLE: Final = "TMS_RESPONSE_LEDGER_URL"
OUTBOX_VARIABLE: Final = "TMS_RESPONSE_OUTBOX"
KEY_VARIABLE: Final = "TMS_RESPONSE_PSEUDONYM_KEY"
KEY_FILE_VARIABLE: Final = "TMS_RESPONSE_PSEUDONYM_KEY_FILE"
NO_LEDGER: Final = "none"
ACCESS_VARIABLE: Final = "TMS_RESPONSE_ACCESS"
KEYS_VARIABLE: Final = "TMS_RESPONSE_KEYS"
TOKENS_VARIABLE: Final = "TMS_RESPONSE_TOKENS"
CORS_VARIABLE: Final = "TMS_RESPONSE_CORS_ORIGINS"
LOG_REQUESTS_VARIABLE: Final = "TMS_RESPONSE_LOG_REQUESTS"
RELOAD_VARIABLE: Final = "TMS_RESPONSE_RELOAD_SECONDS"
KEYS_FILE: Final = "access-keys.jsonl"
RATE_VARIABLE: Final = "TMS_RESPONSE_REQUESTS_PER_MINUTE"
SECONDS_VARIABLE: Final = "TMS_RESPONSE_SECONDS_PER_REQUEST"

# Choices: far above what a clinic asks, and below what one program gone astray takes.
_REQUESTS_PER_MINUTE: Final = 30_000
_SECONDS_PER_REQUEST: Final = 30


def model_source() -> Path:
    """Return where the model to serve is named; see `serving/model_pointer.py`.

    `TMS_RESPONSE_MODEL`, or `model/` beside this package, where a Bento holds it.
    """
    beside = Path(__file__).resolve().parent.parent / "model"
    return Path(os.environ.get(MODEL_VARIABLE) or beside)


def n_workers() -> int:
    """Return how many processes answer: `TMS_RESPONSE_WORKERS`, 1 by default.

    Raises
    ------
    ConfigurationError
        When it is not a whole number of at least 1.
    """
    return _whole_number(WORKERS_VARIABLE, default=1, minimum=1)


def requests_per_minute() -> int:
    """Return how often one caller may ask: `TMS_RESPONSE_REQUESTS_PER_MINUTE`, 30,000 by default.

    0 sets no limit.

    Raises
    ------
    ConfigurationError
        When it is not a whole number.
    """
    return _whole_number(RATE_VARIABLE, default=_REQUESTS_PER_MINUTE, minimum=0)


def seconds_per_request() -> int:
    """Return how long one request may take: `TMS_RESPONSE_SECONDS_PER_REQUEST`, 30 by default.

    Raises
    ------
    ConfigurationError
        When it is not a whole number of at least 1.
    """
    return _whole_number(SECONDS_VARIABLE, default=_SECONDS_PER_REQUEST, minimum=1)


def _whole_number(variable: str, *, default: int, minimum: int) -> int:
    given = os.environ.get(variable) or str(default)
    if not given.isdecimal() or int(given) < minimum:
        raise ConfigurationError(f"{variable} must be a whole number of at least {minimum}.")
    return int(given)


def ledger_url() -> str | None:
    """Return the address of the ledger: `TMS_RESPONSE_LEDGER_URL`; None where it is `none`.

    By default `ledger.db` in `state_folder()`.
    """
    given = os.environ.get(LEDGER_VARIABLE) or f"sqlite:///{state_folder() / 'ledger.db'}"
    return None if given == NO_LEDGER else given


def outbox_file() -> Path:
    """Return the file of what is predicted while PostgreSQL is away: `TMS_RESPONSE_OUTBOX`."""
    return Path(os.environ.get(OUTBOX_VARIABLE) or state_folder() / "outbox.db").absolute()


def state_folder() -> Path:
    """Return the folder of what the service keeps: `$XDG_STATE_HOME/tms-response`."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base).absolute() / "tms-response"


def pseudonym_key_file() -> Path:
    """Return the default file of pseudonym keys: `$XDG_CONFIG_HOME/tms-response/pseudonym.keys`."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base).absolute() / "tms-response" / "pseudonym.keys"


def access_required() -> bool:
    """Return whether callers must bring a key or token: unless `TMS_RESPONSE_ACCESS` is `none`.

    Raises
    ------
    ConfigurationError
        When it is set to something else.
    """
    given = os.environ.get(ACCESS_VARIABLE) or "required"
    if given not in {"required", "none"}:
        raise ConfigurationError(f"{ACCESS_VARIABLE} must be 'required' or 'none'.")
    return given == "required"


def keys_file() -> Path:
    """Return the file of API keys: `TMS_RESPONSE_KEYS`, or one in `state_folder()`.

    Raises
    ------
    ConfigurationError
        When it is to be in that folder and is in the working directory, where earlier releases
        kept it.
    """
    given = os.environ.get(KEYS_VARIABLE)
    if given:
        return Path(given).absolute()
    file, before = state_folder() / KEYS_FILE, Path(KEYS_FILE).absolute()
    if before.exists() and not file.exists():
        raise ConfigurationError(
            f"API keys are kept in {file} now: move {before} there, or name it with "
            f"{KEYS_VARIABLE}."
        )
    return file


def tokens_file() -> Path | None:
    """Return the settings of bearer tokens, `TMS_RESPONSE_TOKENS`; None: no token is accepted."""
    given = os.environ.get(TOKENS_VARIABLE)
    return Path(given).absolute() if given else None


def cors_origins() -> tuple[str, ...]:
    """Return the web origins that may ask from a browser: `TMS_RESPONSE_CORS_ORIGINS`, or none.

    Raises
    ------
    ConfigurationError
        When one is no origin; `*` is none, since it would let any page ask.
    """
    given = os.environ.get(CORS_VARIABLE, "").split()
    for origin in given:
        if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", origin):
            raise ConfigurationError(
                f"{CORS_VARIABLE} lists origins such as https://ehr.example.org, with spaces "
                "between them; name each one."
            )
    return tuple(given)


def reload_seconds() -> float:
    """Return how often a new model is looked for: `TMS_RESPONSE_RELOAD_SECONDS`, 0 for never.

    Raises
    ------
    ConfigurationError
        When it is not a number of at least 0.
    """
    given = os.environ.get(RELOAD_VARIABLE) or "10"
    if not re.fullmatch(r"\d+(\.\d+)?", given):
        raise ConfigurationError(f"{RELOAD_VARIABLE} must be a number of seconds, or 0 for never.")
    return float(given)


def log_requests() -> bool:
    """Return whether each request is logged: where `TMS_RESPONSE_LOG_REQUESTS` is 1.

    Raises
    ------
    ConfigurationError
        When it is neither 0 nor 1.
    """
    given = os.environ.get(LOG_REQUESTS_VARIABLE) or "0"
    if given not in {"0", "1"}:
        raise ConfigurationError(f"{LOG_REQUESTS_VARIABLE} must be 0 or 1.")
    return given == "1"
