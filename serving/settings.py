"""What the service reads from its environment."""

import os
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


def model_folder() -> Path:
    """Return the folder of the model to serve.

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
    given = os.environ.get(WORKERS_VARIABLE) or "1"
    if not given.isdecimal() or int(given) < 1:
        raise ConfigurationError(f"{WORKERS_VARIABLE} must be a whole number of at least 1.")
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
