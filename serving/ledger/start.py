"""Opening the ledger that the environment names; see `serving/settings.py`."""

import os
from pathlib import Path

from data_schemas.errors import ConfigurationError
from serving.ledger.ledger import Ledger
from serving.ledger.pseudonyms import PseudonymKeys
from serving.settings import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    LEDGER_VARIABLE,
    NO_LEDGER,
    ledger_url,
    outbox_file,
    pseudonym_key_file,
)


def open_ledger(*, apart: bool = False) -> Ledger | None:
    """Open the ledger of this service; None where it is to keep none.

    Parameters
    ----------
    apart : bool
        As in `Ledger`.

    Raises
    ------
    ConfigurationError
        When the address or the pseudonym keys are wrong or absent.
    ServiceError
        When it cannot be written, or a newer release wrote it.
    """
    url = ledger_url()
    if url is None:
        return None
    # Machines that share PostgreSQL must share the keys as well, so that none may make its own.
    keys = pseudonym_keys(create=url.startswith("sqlite:"))
    return Ledger(url, keys, outbox_file(), apart=apart)


def pseudonym_keys(*, create: bool = False) -> PseudonymKeys:
    """Read the keys of the pseudonyms.

    From `TMS_RESPONSE_PSEUDONYM_KEY`, the file that `TMS_RESPONSE_PSEUDONYM_KEY_FILE` names, or
    `pseudonym_key_file()`, the only one that may be created.

    Raises
    ------
    ConfigurationError
        When there are none, or they are wrong.
    """
    given, named = os.environ.get(KEY_VARIABLE), os.environ.get(KEY_FILE_VARIABLE)
    if given:
        return PseudonymKeys(given)
    if named:
        return PseudonymKeys.from_file(Path(named))
    return PseudonymKeys.from_file(pseudonym_key_file(), create=create)


def existing_ledger_url() -> str:
    """Return the address of the ledger, for commands that read or delete.

    Raises
    ------
    ConfigurationError
        When there is none.
    """
    url = ledger_url()
    if url is None:
        raise ConfigurationError(f"{LEDGER_VARIABLE} is '{NO_LEDGER}'; name a ledger with it.")
    file = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:") and not file.is_file():
        raise ConfigurationError(f"There is no ledger {file}; name another with {LEDGER_VARIABLE}.")
    return url
